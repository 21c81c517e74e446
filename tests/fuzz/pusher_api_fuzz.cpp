// What a server sends to the Pusher HTTP API: the query with its signature, and the JSON of triggers and batches. Nothing
// may crash, nothing unsigned may pass, and what is accepted keeps to the limits.
#include "frontends/pusher/channel_auth.hpp"
#include "frontends/pusher/channel_name.hpp"
#include "frontends/pusher/request_signature.hpp"
#include "frontends/pusher/trigger.hpp"
#include "frontends/pusher/webhook_item.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace fulmar;

void require(bool holds)
{
    if (!holds)
        std::abort();
}

broker::app const& the_app()
{
    static broker::app const app = [] {
        broker::app made;
        made.name = "3";
        made.keys = {{"key", "secret"}};
        made.limits.event_bytes = 256;
        made.limits.channels_per_trigger = 3;
        made.limits.events_per_batch = 2;
        return made;
    }();
    return app;
}

void check(std::vector<pusher::trigger> const& events)
{
    auto const& limits = the_app().limits;
    for (auto const& event : events) {
        require(!event.name.empty() && event.name.size() <= limits.event_name_bytes);
        require(!event.channels.empty() && event.channels.size() <= limits.channels_per_trigger);
        require(event.payload.size() <= limits.encrypted_event_bytes());
        for (auto const channel : event.channels)
            require(pusher::valid_channel_name(channel, limits.channel_name_bytes));
    }
}

void bodies(std::string_view text)
{
    auto const cut = std::min(text.find('\0'), text.size());
    auto const body = text.substr(std::min(cut + 1, text.size()));
    if (auto const parameters = pusher::query::parse(text.substr(0, cut), true)) {
        auto const refused = pusher::read_trigger(the_app(), body, *parameters, check);
        require(!refused || (refused.status >= 400 && !refused.why.empty() && refused.why.size() < 4096));
    }
    (void)pusher::read_batch(the_app(), body, check);
}

// The first line is a target, the rest a body. With a signature that fits it must pass, with another one it must not.
void signatures(std::string_view text)
{
    constexpr broker::wall_ms now = 1'353'088'179'000;
    auto const end = std::min(text.find('\n'), text.size());
    auto const target = std::string{text.substr(0, end)};
    auto const body = text.substr(std::min(end + 1, text.size()));
    auto const path = target.substr(0, target.find('?'));
    require(!pusher::verify_signature(the_app(), {"POST", target, path, body}, now).refusal.empty());
    auto query = "auth_key=key&auth_timestamp=1353088179&auth_version=1.0&body_md5=" + pusher::md5_hex(body);
    auto const mark = target.find('?');
    auto const more = mark == std::string::npos ? std::string{} : target.substr(mark + 1);
    auto parsed = pusher::query::parse(more.empty() ? query : query + "&" + more, true);
    if (!parsed || parsed->find("auth_signature") != nullptr || std::ranges::count(more, '&') > 200)
        return;
    auto const signature = pusher::sign("secret", "POST\n" + path + "\n" + parsed->canonical(false));
    auto const whole = path + "?" + query + (more.empty() ? "" : "&" + more) + "&auth_signature=" + signature;
    require(pusher::verify_signature(the_app(), {"POST", whole, path, body}, now).refusal.empty());
    require(!pusher::verify_signature(the_app(), {"POST", whole, path, std::string{body} + "x"}, now).refusal.empty());
}

void rows(std::string_view text)
{
    if (auto const item = pusher::decode_row(1, text))
        require(pusher::encode_row(*item) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    if (size == 0)
        return 0;
    std::string_view const text{reinterpret_cast<char const*>(bytes) + 1, size - 1};
    switch (bytes[0] % 3) {
    case 0: bodies(text); break;
    case 1: signatures(text); break;
    default: rows(text); break;
    }
    return 0;
}
