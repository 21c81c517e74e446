#include "frontends/pusher/webhook_client.hpp"

#include "broker/web_address.hpp"
#include "frontends/net/http_client.hpp"

#include <boost/asio/post.hpp>

namespace fulmar::pusher {

namespace {

[[nodiscard]] webhook_answer answer_of(net::http_reply&& reply)
{
    // Once the status has come the rest of the answer does not matter, but for one that never ends.
    if (reply.status != 0 && reply.trouble != net::http_trouble::late)
        return {reply.status, {}};
    return {0, std::move(reply.problem)};
}

class http_webhook_client final : public webhook_client
{
public:
    explicit http_webhook_client(boost::asio::io_context& io) : io_{io}, client_{io}
    {
        limits_.answer_bytes_max = webhook_answer_bytes_max;
        limits_.wait = std::chrono::seconds{webhook_answer_wait_s};
    }

    void post(webhook_request request, std::function<void(webhook_answer)> done) override
    {
        auto where = broker::parse_web_address(request.url);
        if (!where) {
            boost::asio::post(io_, [done = std::move(done)] { done({0, "not an address"}); });
            return;
        }
        net::http_call call{"POST", std::move(*where), {}, std::move(request.body)};
        for (auto& [name, value] : request.headers)
            call.headers.push_back({std::move(name), std::move(value)});
        call.headers.push_back({"Content-Type", "application/json"});
        client_.ask(std::move(call), limits_,
                    [done = std::move(done)](net::http_reply reply) { done(answer_of(std::move(reply))); });
    }

private:
    boost::asio::io_context& io_;
    net::http_client client_;
    net::http_call_limits limits_;
};

}  // namespace

std::unique_ptr<webhook_client> make_webhook_client(boost::asio::io_context& io)
{
    return std::make_unique<http_webhook_client>(io);
}

}  // namespace fulmar::pusher
