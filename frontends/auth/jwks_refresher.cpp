#include "frontends/auth/jwks_refresher.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace fulmar::auth {

void jwks_schedule::began(broker::steady_time now) noexcept
{
    began_ = now;
    under_way_ = true;
    asked_ = false;
}

void jwks_schedule::ended(bool good, broker::steady_time now) noexcept
{
    under_way_ = false;
    due_ = now + (good ? refresh_ : std::min(refresh_, retry_wait_));
    retry_wait_ = good ? retry_wait_min : std::min<std::chrono::milliseconds>(2 * retry_wait_, retry_wait_max);
}

void jwks_schedule::asked() noexcept { asked_ = true; }

std::optional<broker::steady_time> jwks_schedule::due() const noexcept
{
    if (under_way_)
        return std::nullopt;
    return asked_ ? std::min(due_, began_ + asked_pause) : due_;
}

jwks_refresher::jwks_refresher(boost::asio::io_context& io, std::chrono::milliseconds refresh, fetch how, take where)
    : io_{io},
      fetch_{std::move(how)},
      take_{std::move(where)},
      schedule_{refresh},
      timer_{io},
      failure_log_{"keys of tokens not fetched; those in force stay", 1}
{
}

void jwks_refresher::start() { begin(); }

void jwks_refresher::ask()
{
    // However many tokens come: one post until it was looked at.
    if (asked_.exchange(true, std::memory_order_relaxed))
        return;
    boost::asio::post(io_, [this] {
        asked_.store(false, std::memory_order_relaxed);
        schedule_.asked();
        wait();
    });
}

void jwks_refresher::wait()
{
    auto const due = schedule_.due();
    if (!due)
        return;
    timer_.expires_at(*due);
    timer_.async_wait([this](boost::system::error_code error) {
        if (!error && schedule_.due())
            begin();
    });
}

void jwks_refresher::begin()
{
    schedule_.began(std::chrono::steady_clock::now());
    fetch_([this](answer const& got) { end(got); });
}

void jwks_refresher::end(answer const& got)
{
    auto const problem = got.problem.empty() ? take_(got.text) : std::optional{got.problem};
    schedule_.ended(!problem, std::chrono::steady_clock::now());
    if (problem) {
        failed_.fetch_add(1, std::memory_order_relaxed);
        failure_log_(broker::log_level::warning, {{"problem", *problem}});
    } else {
        fetched_.fetch_add(1, std::memory_order_relaxed);
        if (!good_)
            broker::log_info("keys of tokens fetched");
    }
    good_ = !problem;
    wait();
}

}  // namespace fulmar::auth
