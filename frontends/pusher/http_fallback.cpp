#include "frontends/pusher/http_fallback.hpp"

#include "broker/fast_hash.hpp"
#include "frontends/net/cors.hpp"
#include "frontends/pusher/channel_shard.hpp"

#include <algorithm>
#include <utility>

namespace fulmar::pusher {

namespace {

constexpr std::size_t key_bytes_max = 256;
constexpr std::size_t server_bytes_max = 16;
// pusher-js makes eight characters of five bits, and three digits: less could be guessed.
constexpr std::size_t stream_bytes_min = 8;
constexpr std::size_t stream_bytes_max = 64;

[[nodiscard]] bool plain_name(std::string_view text) noexcept
{
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
    });
}

// Empty: the path names none.
[[nodiscard]] std::string session_name(net::http_request const& request)
{
    auto const key = request.capture("key");
    auto const server = request.capture("server");
    auto const stream = request.capture("stream");
    auto const fits = key.size() <= key_bytes_max && server.size() <= server_bytes_max &&
                      stream.size() >= stream_bytes_min && stream.size() <= stream_bytes_max;
    if (!fits || !plain_name(server) || !plain_name(stream))
        return {};
    return std::string{key}.append("/").append(server).append("/").append(stream);
}

// What the protocol looks at, and no more: it goes to another shard.
[[nodiscard]] net::http_request essence(net::http_request const& request)
{
    net::http_request kept;
    kept.method = request.method;
    kept.path = request.path;
    kept.query = request.query;
    kept.captures = request.captures;
    kept.from = request.from;
    for (auto const& field : request.headers)
        if (net::same_token(field.name, "Origin"))
            kept.headers.push_back(field);
    return kept;
}

// A streaming response: frames are its body until one is the last, or the client goes.
class stream_response final : public net::protocol, private streaming_receiver
{
public:
    stream_response(net::wire& wire, fallback_shard& here, std::string const& session)
        : wire_{wire}, here_{here}, id_{here.add(session, *this)}
    {
    }
    ~stream_response() { here_.lose(id_); }
    stream_response(stream_response const&) = delete;
    stream_response& operator=(stream_response const&) = delete;

    [[nodiscard]] receiver_id id() const noexcept { return id_; }

    [[nodiscard]] std::size_t on_bytes(std::span<char const> in) override { return in.size(); }
    void on_deadline() override {}
    void on_drained() override { here_.takes_more(id_); }
    void on_closed(bool) override { here_.lose(id_); }

private:
    [[nodiscard]] bool write(std::string_view part, bool last) override
    {
        if (!part.empty())
            wire_.send(part);
        if (last)
            wire_.close();
        return wire_.backlog_bytes() <= here_.home().limit().outbox_bytes / 2;
    }

    net::wire& wire_;
    fallback_shard& here_;
    receiver_id const id_;
};

[[nodiscard]] net::http_response answer_for(fallback_shard::outcome what)
{
    switch (what) {
    case fallback_shard::outcome::taken: return fallback_answer(204);
    case fallback_shard::outcome::foreign: return fallback_answer(403, "this session is of another page\n");
    case fallback_shard::outcome::unknown: break;
    }
    return fallback_answer(404, "there is no such session\n");
}

}  // namespace

net::http_response fallback_answer(unsigned status, std::string body)
{
    net::http_response answer;
    answer.status = status;
    answer.body = std::move(body);
    answer.content_type = status == 200 ? "application/javascript; charset=UTF-8" : "text/plain; charset=utf-8";
    answer.headers = {{"Access-Control-Allow-Origin", "*"},
                      {"Cache-Control", "no-store, no-transform"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"X-Accel-Buffering", "no"}};
    return answer;
}

http_fallback::http_fallback(broker::node_context& node, frontend& shared, std::size_t sessions_max)
    : shared_{shared}, sessions_max_{sessions_max}, seed_{broker::random_seed()}
{
    for (auto const& shard : node.shards)
        shards_.push_back(std::make_unique<fallback_shard>(*this, *shard));
}

http_fallback::~http_fallback() = default;

broker::shard_id http_fallback::home_of(std::string_view session) const noexcept
{
    return static_cast<broker::shard_id>(broker::fast_hash(session, seed_) % shards_.size());
}

void http_fallback::run_at(broker::shard& here, broker::shard_id to, std::function<void(fallback_shard&)> task,
                           std::size_t bytes)
{
    if (to == here.id())
        return task(*shards_[to]);
    here.send(
        to, [this, task = std::move(task)](broker::shard& there) { task(at(there)); }, bytes);
}

bool http_fallback::enter() noexcept
{
    if (sessions_.fetch_add(1, std::memory_order_relaxed) < sessions_max_)
        return true;
    leave();
    return false;
}

void http_fallback::add_routes(net::http_router& routes)
{
    if (sessions_max_ == 0)
        return;
    auto const body_bytes_max = 2 * shared_.settings().websocket.message_bytes_max;  // escapes make text longer
    auto const on = [&](std::string const& path, net::http_async_handler handler, std::size_t body) {
        routes.on("POST", path, std::move(handler), body);
        routes.on("OPTIONS", path, [](net::http_request&& request, net::http_responder const& to) {
            to.send(net::preflight(request, {"*"}, "POST, OPTIONS"));
        });
    };
    for (std::string const before : {"", "/{prefix}", "/session/{session}"}) {
        auto const path = before + "/app/{key}/{server}/{stream}";
        on(
            path + "/xhr_streaming",
            [this](net::http_request&& request, net::http_responder const& to) {
                receive(std::move(request), to, receive_kind::streaming);
            },
            1024);
        on(
            path + "/xhr",
            [this](net::http_request&& request, net::http_responder const& to) {
                receive(std::move(request), to, receive_kind::polling);
            },
            1024);
        on(
            path + "/xhr_send",
            [this](net::http_request&& request, net::http_responder const& to) { take(std::move(request), to); },
            body_bytes_max);
    }
}

void http_fallback::receive(net::http_request&& request, net::http_responder const& to, receive_kind kind)
{
    auto& here = at(*request.home);
    here.metrics().http_receives.add();
    auto const session = session_name(request);
    if (session.empty())
        return to.send(fallback_answer(404, "a session is named by eight characters or more\n"));
    auto const kept = essence(request);  // the request itself goes when its connection becomes a stream
    receiver_id who;
    if (kind == receive_kind::polling)
        who = here.add(session, to);
    else
        to.stream(fallback_answer(200), [&](net::wire& wire) {
            auto made = std::make_unique<stream_response>(wire, here, session);
            who = made->id();
            return made;
        });
    run_at(here.home(), home_of(session),
           [session, kept, who, kind](fallback_shard& there) { there.receive(session, kept, who, kind); });
}

void http_fallback::take(net::http_request&& request, net::http_responder const& to)
{
    auto& here = at(*request.home);
    here.metrics().http_sends.add();
    auto const session = session_name(request);
    if (session.empty())
        return to.send(fallback_answer(404, "there is no such session\n"));
    std::vector<std::string> messages;
    auto const problem = decode_sent(request.body, shared_.settings().websocket.message_bytes_max, messages);
    if (!problem.empty()) {
        here.metrics().commands_refused.add();
        return to.send(fallback_answer(400, std::string{problem} + "\n"));
    }
    auto const who = here.add(session, to);
    auto const bytes = request.body.size();
    run_at(
        here.home(), home_of(session),
        [this, session, origin = request.joined("Origin"), messages = std::move(messages), who](fallback_shard& there) {
            auto const outcome = there.take(session, origin, messages);
            run_at(there.home(), who.shard,
                   [who, outcome](fallback_shard& back) { back.answer(who, answer_for(outcome)); });
        },
        bytes);
}

}  // namespace fulmar::pusher
