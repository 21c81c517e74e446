#include "frontends/pusher/webhook_queue.hpp"

#include "broker/log.hpp"
#include "frontends/pusher/channel_auth.hpp"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

namespace fulmar::pusher {

namespace {

constexpr std::chrono::milliseconds pause_first{1000};
constexpr std::chrono::milliseconds pause_longest{60'000};

// The earlier of two moments, where none is later than any.
[[nodiscard]] std::optional<broker::steady_time> earlier(std::optional<broker::steady_time> a,
                                                         std::optional<broker::steady_time> b)
{
    return a && b ? std::min(*a, *b) : a ? a : b;
}

}  // namespace

webhook_queue::webhook_queue(webhook_client& client, broker::apps_in_force const& apps, broker::clock const& clock,
                             webhook_metrics& metrics, std::function<void(webhook_item const&)> settled)
    : client_{client},
      apps_{apps},
      clock_{clock},
      metrics_{metrics},
      settled_{std::move(settled)},
      jitter_{static_cast<std::minstd_rand::result_type>(clock.wall())}
{
}

void webhook_queue::add(webhook_item&& item)
{
    auto& to = addresses_[{item.app, item.url}];
    to.fresh.push_back({std::move(item), clock_.now()});
}

std::optional<broker::steady_time> webhook_queue::run()
{
    std::optional<broker::steady_time> wake;
    for (auto each = addresses_.begin(); each != addresses_.end();) {
        auto& [key, to] = *each;
        wake = earlier(wake, run_address(key, to));
        if (to.fresh.empty() && to.again.empty() && to.in_flight == 0)
            each = addresses_.erase(each);
        else
            ++each;
    }
    return wake;
}

webhook_queue::destination webhook_queue::find(broker::app_registry const& apps, address_key const& key) const
{
    auto const* const app = apps.find(key.first);
    if (app == nullptr || !app->enabled)
        return {};
    auto const target = std::ranges::find(app->webhooks, key.second, &broker::webhook_target::url);
    return target == app->webhooks.end() ? destination{} : destination{app, &*target};
}

std::optional<broker::steady_time> webhook_queue::run_address(address_key const& key, address& to)
{
    auto const apps = apps_.current();
    auto const where = find(*apps, key);
    if (where.target == nullptr) {
        drop_all(key, to);
        return std::nullopt;
    }
    auto const now = clock_.now();
    expire(key, to, now);
    auto const limit = to.failing ? std::size_t{1} : in_flight_max;
    while (to.in_flight < limit) {
        auto what = next(*where.app, to, now);
        if (!what)
            break;
        send(key, where, to, std::move(*what));
    }
    std::optional<broker::steady_time> wake;
    if (!to.again.empty() && to.in_flight < limit)  // else the next answer leads back here
        wake = to.again.begin()->first;
    if (!to.fresh.empty()) {
        auto const since = to.fresh.front().since;
        auto const batch = since + where.app->webhook_batch_wait;
        wake = earlier(wake, batch > now ? batch : since + give_up_after);
    }
    return wake;
}

std::optional<webhook_queue::attempt> webhook_queue::next(broker::app const& app, address& to, broker::steady_time now)
{
    if (!to.again.empty() && to.again.begin()->first <= now) {
        auto what = std::move(to.again.begin()->second);
        to.again.erase(to.again.begin());
        return what;
    }
    if (to.fresh.empty())
        return std::nullopt;
    bool const gathering = app.webhook_batching && to.fresh.size() < batch_events_max &&
                           now < to.fresh.front().since + app.webhook_batch_wait;
    return gathering ? std::nullopt : std::optional{take_fresh(to, app.webhook_batching)};
}

webhook_queue::attempt webhook_queue::take_fresh(address& to, bool batching)
{
    attempt what;
    what.since = to.fresh.front().since;
    std::size_t bytes = 0;
    auto const limit = batching ? batch_events_max : 1;
    while (!to.fresh.empty() && what.items.size() < limit && bytes < batch_bytes_max) {
        bytes += to.fresh.front().item.event.size();
        what.items.push_back(std::move(to.fresh.front().item));
        to.fresh.pop_front();
    }
    return what;
}

// What could not even be tried in time because earlier requests hung.
void webhook_queue::expire(address_key const& key, address& to, broker::steady_time now)
{
    std::vector<webhook_item> old;
    while (!to.fresh.empty() && to.fresh.front().since + give_up_after <= now) {
        old.push_back(std::move(to.fresh.front().item));
        to.fresh.pop_front();
    }
    if (old.empty())
        return;
    metrics_.expired += old.size();
    broker::log_warning("webhook events given up: the address did not answer",
                        {{"url", key.second}, {"events", old.size()}});
    settle(old);
}

void webhook_queue::send(address_key const& key, destination const& where, address& to, attempt&& what)
{
    webhook_request request;
    request.url = key.second;
    request.body = webhook_body(what.items.front().happened_at, what.items);
    request.headers = where.target->headers;
    auto const& signing = where.app->keys.front();
    request.headers.emplace_back("X-Pusher-Key", signing.key);
    request.headers.emplace_back("X-Pusher-Signature", sign(signing.secret, request.body));
    ++to.in_flight;
    auto const sent = std::make_shared<attempt>(std::move(what));  // a std::function must be copyable
    client_.post(std::move(request),
                 [this, key, sent](webhook_answer const& answer) { on_answer(key, std::move(*sent), answer); });
}

void webhook_queue::on_answer(address_key const& key, attempt&& what, webhook_answer const& answer)
{
    auto& to = addresses_[key];
    --to.in_flight;
    to.failing = !answer.delivered();
    if (answer.delivered()) {
        metrics_.delivered += what.items.size();
        return settle(what.items);
    }
    auto const now = clock_.now();
    auto const at = now + pause_before(++what.tries);
    if (at < what.since + give_up_after) {
        metrics_.retried += what.items.size();
        to.again.emplace(at, std::move(what));
        return;
    }
    metrics_.expired += what.items.size();
    broker::log_warning("webhook events given up after five minutes", {{"url", key.second},
                                                                       {"events", what.items.size()},
                                                                       {"tries", what.tries},
                                                                       {"status", answer.status},
                                                                       {"problem", answer.problem}});
    settle(what.items);
}

void webhook_queue::drop_all(address_key const& key, address& to)
{
    std::vector<webhook_item> gone;
    for (auto& waiting : to.fresh)
        gone.push_back(std::move(waiting.item));
    for (auto& [at, what] : to.again)
        std::ranges::move(what.items, std::back_inserter(gone));
    to.fresh.clear();
    to.again.clear();
    if (gone.empty())
        return;
    metrics_.unconfigured += gone.size();
    broker::log_warning("webhook events dropped: their address is not configured any more",
                        {{"url", key.second}, {"events", gone.size()}});
    settle(gone);
}

void webhook_queue::settle(std::vector<webhook_item> const& items)
{
    for (auto const& item : items)
        settled_(item);
}

std::chrono::milliseconds webhook_queue::pause_before(unsigned tries)
{
    auto const pause = std::min(pause_longest, pause_first * (1 << std::min(tries - 1, 10U)));
    std::uniform_int_distribution<std::int64_t> around{pause.count() * 8 / 10, pause.count() * 12 / 10};
    return std::chrono::milliseconds{around(jitter_)};
}

}  // namespace fulmar::pusher
