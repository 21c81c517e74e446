// The paths of HTTP publishers and Pusher's channels; see hot_paths.cpp.
#include "bench/hot_paths.hpp"

#include "frontends/net/http_message.hpp"
#include "frontends/net/http_rules.hpp"
#include "frontends/pusher/channel_auth.hpp"
#include "frontends/pusher/home_channel.hpp"
#include "frontends/pusher/request_signature.hpp"

#include <array>
#include <string>

namespace fulmar::bench {

namespace {

constexpr std::string_view secret = "7ad3773142a6692b25b8";
constexpr std::string_view body = R"({"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"})";
constexpr broker::wall_ms now = 1'353'088'179'000;

std::string signed_target()
{
    std::string const query =
        "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0&body_md5=" + pusher::md5_hex(body);
    return "/apps/3/events?" + query + "&auth_signature=" + pusher::sign(secret, "POST\n/apps/3/events\n" + query);
}

}  // namespace

void check_http_head(std::size_t times)
{
    auto const head =
        "POST " + signed_target() +
        " HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 71\r\nContent-Type: application/json\r\n\r\n";
    for (std::size_t i = 0; i < times; ++i) {
        net::head_scanner scanner;
        keep(scanner.scan(head, head.size() + 1));
        keep(net::check_head(head, 100).status);
    }
}

void write_http_head(std::size_t times)
{
    net::http_response const response{200, "application/json", {}, "{}"};
    for (std::size_t i = 0; i < times; ++i)
        keep(net::response_head(response, true, true).data());
}

void verify_pusher_request(std::size_t times)
{
    broker::app app;
    app.keys = {{"278d425bdf160c739803", std::string{secret}}};
    auto const target = signed_target();
    for (std::size_t i = 0; i < times; ++i)
        keep(pusher::verify_signature(app, {"POST", target, "/apps/3/events", body}, now).refusal.size());
}

void greet_presence_member(std::size_t times)
{
    constexpr std::size_t members = 100;
    // Nothing asks for its owner: it is not of a cache channel.
    alignas(pusher::home_channels) static std::array<unsigned char, sizeof(pusher::home_channels)> nobody{};
    pusher::home_channel channel{*reinterpret_cast<pusher::home_channels*>(nobody.data()), broker::app_id{1},
                                 "presence-room"};
    channel.members = std::make_unique<std::map<std::string, pusher::presence_member, std::less<>>>();
    for (std::size_t i = 0; i < members; ++i) {
        auto const id = "user-" + std::to_string(1'000 + i);
        channel.members->emplace(id, pusher::make_member(id, '"' + id + '"', R"({"name":"Somebody","age":42})"));
    }
    for (std::size_t i = 0; i < times; i += members)
        keep(pusher::presence_greeting(channel).data());
}

}  // namespace fulmar::bench
