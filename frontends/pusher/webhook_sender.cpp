#include "frontends/pusher/webhook_sender.hpp"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>

namespace fulmar::pusher {

namespace {

// Every answer leads back to the queue, which may then have something to send.
class returning_client final : public webhook_client
{
public:
    returning_client(std::unique_ptr<webhook_client> inner, std::function<void()> answered)
        : inner_{std::move(inner)}, answered_{std::move(answered)}
    {
    }

    void post(webhook_request request, std::function<void(webhook_answer)> done) override
    {
        inner_->post(std::move(request), [this, done = std::move(done)](webhook_answer answer) {
            done(std::move(answer));
            answered_();
        });
    }

private:
    std::unique_ptr<webhook_client> inner_;
    std::function<void()> answered_;
};

}  // namespace

struct webhook_sender::impl
{
    impl(broker::apps_in_force const& apps, broker::clock const& clock, webhook_metrics& metrics,
         std::function<void(std::vector<webhook_item> const&)> to_tell)
        : settled{std::move(to_tell)},
          client{make_webhook_client(io), [this] { work(); }},
          queue{client, apps, clock, metrics, [this](webhook_item const& item) { finished.push_back(item); }}
    {
    }

    void take()
    {
        std::vector<webhook_item> items;
        {
            std::lock_guard const lock{mutex};
            items.swap(incoming);
        }
        for (auto& item : items)
            queue.add(std::move(item));
        work();
    }

    void work()
    {
        auto const wake = queue.run();
        if (!finished.empty())
            settled(std::exchange(finished, {}));
        timer.cancel();
        if (!wake)
            return;
        timer.expires_at(*wake);
        timer.async_wait([this](boost::system::error_code error) {
            if (!error)
                work();
        });
    }

    std::function<void(std::vector<webhook_item> const&)> settled;
    boost::asio::io_context io{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard{io.get_executor()};
    boost::asio::steady_timer timer{io};
    std::vector<webhook_item> finished;
    returning_client client;
    webhook_queue queue;
    std::mutex mutex;  // shards against the sender, once per turn with events
    std::vector<webhook_item> incoming;
    std::thread thread;
};

webhook_sender::webhook_sender(broker::apps_in_force const& apps, broker::clock const& clock, webhook_metrics& metrics,
                               std::function<void(std::vector<webhook_item> const&)> settled)
    : impl_{std::make_unique<impl>(apps, clock, metrics, std::move(settled))}
{
    impl_->thread = std::thread{[state = impl_.get()] { state->io.run(); }};
}

webhook_sender::~webhook_sender() { stop(); }

void webhook_sender::add(std::vector<webhook_item>&& items)
{
    bool first = false;
    {
        std::lock_guard const lock{impl_->mutex};
        first = impl_->incoming.empty();
        std::ranges::move(items, std::back_inserter(impl_->incoming));
    }
    if (first)
        boost::asio::post(impl_->io, [state = impl_.get()] { state->take(); });
}

void webhook_sender::stop()
{
    if (!impl_->thread.joinable())
        return;
    impl_->io.stop();
    impl_->thread.join();
}

}  // namespace fulmar::pusher
