// What Pusher clients send, and what is written for them: no text is misread, no payload breaks an event.
//
// Input: a text message of a client; the same bytes as channel_data, user_data, as the payload of an event, as the token of
// a session and as cookies.
#include "broker/topic.hpp"
#include "frontends/pusher/channel_name.hpp"
#include "frontends/pusher/client_command.hpp"
#include "frontends/pusher/event.hpp"
#include "frontends/pusher/json_text.hpp"
#include "frontends/pusher/session_token.hpp"
#include "frontends/pusher/socket_id.hpp"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace fulmar;

void require(bool holds)
{
    if (!holds)
        std::abort();
}

void read_command(std::string_view text)
{
    pusher::client_command command;
    if (!pusher::decode(text, command).empty())
        return;
    require(pusher::valid_json(text));
    require(!command.event.empty() &&
            broker::valid_utf8(command.channel) == (command.channel.find('\0') == std::string::npos));
    if (!command.raw_data.empty())
        require(pusher::valid_json(command.raw_data));
    if (pusher::valid_channel_name(command.channel, 200))
        require(command.channel.size() <= 200);
}

void read_identities(std::string_view text)
{
    if (auto const member = pusher::decode_channel_data(text)) {
        require(pusher::valid_json(member->id_json));
        require(member->info_json.empty() || pusher::valid_json(member->info_json));
    }
    if (auto const user = pusher::decode_user_data(text, 3))
        require(!user->id.empty() && user->watchlist.size() <= 3);
}

void read_session(std::string_view text)
{
    broker::app app;
    app.keys = {{"key", "secret"}};
    app.sessions.signed_ids = false;
    auto const verdict = pusher::read_session_token(app, text);
    if (verdict.outcome == pusher::token_outcome::granted) {
        require(pusher::valid_session_id(verdict.id));
        require(text == verdict.id || text == pusher::session_token(verdict.id, "secret"));
    }
    require(pusher::cookie_value(text, pusher::session_cookie).find(';') == std::string_view::npos);
}

// Whatever is published, in whatever disguise, is one JSON object.
void write_event(std::string_view payload, std::string_view name)
{
    auto properties = std::make_unique<broker::message_properties>();
    properties->content_type = "application/json";
    properties->user.push_back({"user_id", "\"},"});
    broker::message_fields fields;
    fields.topic = "presence-c";
    fields.event = name;
    fields.payload = payload;
    fields.properties = std::move(properties);
    std::string out;
    pusher::append_event(out, *broker::message::make(std::move(fields)));
    require(pusher::raw_member(out, "channel") == "\"presence-c\"");
    std::vector<char> frame;
    pusher::append_text_frame(frame, out);
    require(frame.size() > out.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    // Copied to the heap in its exact size, so that reading past its end is found.
    std::vector<char> const exact(bytes, bytes + size);
    std::string_view const in{exact.data(), exact.size()};
    read_command(in);
    read_identities(in);
    read_session(in);
    write_event(in, "client-e");
    write_event(in, "e");
    (void)pusher::publisher_hash(in);
    (void)pusher::valid_socket_id(in);
    (void)pusher::classify(in);
    (void)pusher::raw_member(in, "data");
    return 0;
}
