// HTTP requests, whole and byte by byte: both ways must give the same answers, and nothing may wait without bound.

#include "frontends/net/conformance.hpp"
#include "frontends/net/http_router.hpp"
#include "frontends/net/http_rules.hpp"
#include "frontends/net/http_server.hpp"
#include "tests/unit/frontends/net/scripted_wire.hpp"

#include <algorithm>
#include <cstdint>

namespace {

using namespace fulmar::net;

// The date may pass from one second to the next between two runs.
std::string without_dates(std::string text)
{
    for (std::size_t at = 0; (at = text.find("\r\nDate: ", at)) != std::string::npos;)
        text.erase(at, text.find("\r\n", at + 2) - at);
    return text;
}

struct answers
{
    std::string sent;
    bool closed = false;
    bool upgraded = false;
    friend bool operator==(answers const&, answers const&) = default;
};

http_router const& routes()
{
    static http_router table;
    static auto const filled = [] {
        add_conformance_routes(table);
        table.get("/apps/{id}/events", [](http_request const& request) {
            if (request.path.find("..") != std::string::npos && request.path.find("/../") != std::string::npos)
                __builtin_trap();
            return http_response{200, "text/plain", {{"X-Id", std::string{request.capture("id")}}}, request.query};
        });
        return true;
    }();
    (void)filled;
    return table;
}

answers run(std::string_view input, std::size_t step)
{
    static test::still_shard place;
    static http_settings const settings;
    test::scripted_wire outer{place};
    auto const server = make_http_protocol(outer, routes(), settings);
    test::feeder feed{*server};
    while (!input.empty() && !outer.replaced) {
        auto const size = std::min(step, input.size());
        feed(input.substr(0, size));
        input.remove_prefix(size);
        if (feed.kept() > settings.header_bytes_max + step && !outer.replaced)
            __builtin_trap();
    }
    auto sent = without_dates(outer.take());
    // Every line of a head is one that was meant to be there.
    if (auto const end = sent.find("\r\n\r\n"); end != std::string::npos)
        for (std::size_t i = 0; i < end; ++i)
            if (sent[i] == '\n' && (i == 0 || sent[i - 1] != '\r'))
                __builtin_trap();
    return {std::move(sent), outer.closed, outer.replaced != nullptr};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    // What follows makes sure that nothing waits for its last bytes in one way and not in the other.
    auto const input = std::string{reinterpret_cast<char const*>(bytes), size} + "\r\n\r\n#####";
    auto const at_once = run(input, input.size());
    if (!(run(input, 1) == at_once) || !(run(input, 7) == at_once))
        __builtin_trap();
    http_target target;
    if (!read_target(input, target) && target.path != "*" && (target.path.empty() || target.path.front() != '/'))
        __builtin_trap();
    return 0;
}
