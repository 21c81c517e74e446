// SSE over the real core without sockets, which can be killed and started again.
#pragma once

#include "broker/reader_sessions.hpp"
#include "frontends/sse/sse_frontend.hpp"
#include "tests/unit/frontends/http_fixture.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fulmar::sse {

struct sse_bench : test::http_bench
{
    explicit sse_bench(std::size_t shards = 1, std::vector<broker::history_rule> rules = {{{}, "news/#"}},
                       broker::limits const& limits = {}, sse_options with = {})
        : http_bench{shards, rules, limits}, shard_count{shards}, kept{std::move(rules)}, options{with}
    {
        open();
    }
    void open()
    {
        streams = std::make_unique<sse_frontend>(core.shard(0).node(), access, options);
        router = std::make_unique<net::http_router>();
        streams->add_routes(*router);
    }
    [[nodiscard]] std::unique_ptr<test::http_peer> connect(std::size_t shard = 0)
    {
        return std::make_unique<test::http_peer>(core, *router, settings, shard);
    }
    [[nodiscard]] std::string ask(std::string_view request, std::size_t shard = 0)
    {
        auto const peer = connect(shard);
        *peer << request;
        return peer->take();
    }
    // As kill -9 does: nobody is told. Connections must be gone.
    void kill_and_restart()
    {
        streams.reset();
        core.kill_and_restart();
        auto const history = std::make_shared<broker::history_rules const>(kept);
        for (std::size_t i = 0; i < shard_count; ++i)
            core.shard(i).routes().keep_history(history);
        open();
    }
    void publish(std::string_view topic, std::string_view payload, int level = 0, std::size_t shard = 0)
    {
        core.publish(shard, test::core_broker::make(topic, payload, level));
    }
    // A stream that is open; what it got so far is taken away.
    [[nodiscard]] std::unique_ptr<test::http_peer> listen(std::string_view query, std::string_view fields = "",
                                                          std::size_t shard = 0)
    {
        auto peer = connect(shard);
        *peer << get("/sse?" + std::string{query}, fields);
        return peer;
    }
    // Whether the session is known on any shard, and how far it has got.
    [[nodiscard]] std::optional<broker::reader_sessions::listed> session(std::string_view name)
    {
        auto const home = broker::reader_sessions::home_of(core.shard(0).node(), broker::default_app, name);
        return core.shard(home).readers().find(broker::default_app, name);
    }

    std::size_t const shard_count;
    std::vector<broker::history_rule> const kept;
    sse_options const options;
    std::unique_ptr<net::http_router> router;
    std::unique_ptr<sse_frontend> streams;
};

inline std::string body_of(std::string const& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

// The data of every event, joined; fields that begin otherwise are left out.
inline std::string data_of(std::string const& text)
{
    std::string out;
    for (std::size_t at = 0; (at = text.find("\ndata: ", at)) != std::string::npos;) {
        at += 7;
        if (text[at] != '{')
            out.append(text, at, text.find('\n', at) - at).append(" ");
    }
    return out;
}

}  // namespace fulmar::sse
