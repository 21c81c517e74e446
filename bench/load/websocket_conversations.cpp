#include "bench/load/websocket_conversations.hpp"

#include "bench/load/http_conversations.hpp"
#include "bench/load/ws_wire.hpp"

#include <algorithm>
#include <charconv>

namespace fulmar::load {

void websocket_conversation::on_connected(client& c)
{
    all_.set_state(c, client::state::upgrading);
    all_.out(c) = ws_request(address_.host, address_.port, target(c), {});
}

void websocket_conversation::say(client& c, std::string_view text)
{
    mask_ = mask_ * 1'664'525U + 1'013'904'223U;
    write_ws_frame(all_.out(c), text, 1, mask_);
}

void websocket_conversation::on_bytes(client& c, std::string_view& bytes)
{
    if (c.now() == client::state::upgrading) {
        auto const size = ws_response(bytes);
        if (size == malformed)
            return all_.drop(c,
                             "the WebSocket handshake was refused: " + std::string{bytes.substr(0, bytes.find('\r'))});
        if (size == 0)
            return;
        bytes.remove_prefix(size);
        all_.set_state(c, client::state::greeting);
    }
    while (c.open()) {
        auto const frame = read_ws_frame(bytes);
        if (frame.bytes == 0)
            return;
        bytes.remove_prefix(frame.bytes);
        on_frame(c, frame.opcode, frame.payload);
    }
}

void websocket_conversation::on_frame(client& c, std::uint8_t opcode, std::string_view payload)
{
    if (opcode == 8) {
        auto const code = payload.size() >= 2 ? read_u16(payload.data()) : 0U;
        return all_.drop(c, "the broker closed the WebSocket with " + std::to_string(code) + " " +
                                std::string{payload.substr(std::min<std::size_t>(payload.size(), 2))});
    }
    if (opcode == 9)
        write_ws_frame(all_.out(c), payload, 10, mask_);
    if (opcode == 1)
        on_text(c, payload);
}

std::string_view json_text_member(std::string_view object, std::string_view name) noexcept
{
    for (auto at = object.find(name); at != object.npos; at = object.find(name, at + 1)) {
        auto const quoted = at > 0 && object[at - 1] == '"' && object.substr(at + name.size()).starts_with('"');
        auto const escaped = at > 1 && object[at - 2] == '\\';
        if (!quoted || escaped)
            continue;
        auto rest = object.substr(at + name.size() + 1);
        auto const skip = [&rest] { rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size())); };
        skip();
        if (!rest.starts_with(':'))
            continue;  // a value, not a name
        rest.remove_prefix(1);
        skip();
        if (!rest.starts_with('"'))
            return {};
        rest.remove_prefix(1);
        auto end = rest.find('"');
        while (end != rest.npos && end > 0 && rest[end - 1] == '\\')
            end = rest.find('"', end + 1);
        return rest.substr(0, end);
    }
    return {};
}

namespace {

// Of a connection_established, whose data is JSON in a string.
[[nodiscard]] std::string_view socket_id_in(std::string_view established) noexcept
{
    static constexpr std::string_view before = R"(socket_id\":\")";
    auto const at = established.find(before);
    if (at == established.npos)
        return {};
    auto const rest = established.substr(at + before.size());
    return rest.substr(0, rest.find('\\'));
}

}  // namespace

std::string pusher_conversation::target(client const& c) const
{
    auto const session = c.settings.session.empty() ? std::string{} : "/session/" + c.settings.session;
    return path_for(address_, session + "/app/" + address_.key + "?protocol=7&client=fulmar-bench&version=1.0.0", {},
                    0);
}

// A member of presence channels is called by the client's number.
void pusher_conversation::subscribe(client& c, std::string channel, std::string_view socket)
{
    std::replace(channel.begin(), channel.end(), '/', '.');
    if (!channel.starts_with("presence-"))
        return say(c, R"({"event":"pusher:subscribe","data":{"auth":"","channel":")" + channel + "\"}}");
    auto const number = std::to_string(c.settings.number);
    auto const member = R"({"user_id":")" + number + R"(","user_info":{"name":"Member )" + number + "\"}}";
    auto const signature = hmac_sha256(address_.secret, std::string{socket} + ":" + channel + ":" + member);
    std::string quoted;
    for (auto const each : member)
        quoted.append(each == '"' ? "\\" : "").push_back(each);
    say(c, R"({"event":"pusher:subscribe","data":{"auth":")" + address_.key + ":" + signature + R"(","channel":")" +
               channel + R"(","channel_data":")" + quoted + "\"}}");
}

void pusher_conversation::on_text(client& c, std::string_view text)
{
    auto const event = json_text_member(text, "event");
    if (event.starts_with("pusher"))
        return on_own_event(c, event, text);
    publish_view view;
    view.topic = json_text_member(text, "channel");
    view.payload = json_text_member(text, "data");
    c.events->on_message(c, view);
}

void pusher_conversation::on_own_event(client& c, std::string_view event, std::string_view text)
{
    if (event == "pusher:connection_established" && c.now() == client::state::greeting) {
        if (c.settings.filter.empty())
            return all_.become_ready(c);
        all_.set_state(c, client::state::subscribing);
        auto const socket = socket_id_in(text);
        c.awaited = 1 + c.settings.more.size();
        subscribe(c, c.settings.filter, socket);
        for (auto const& channel : c.settings.more)
            subscribe(c, channel, socket);
    } else if (event == "pusher_internal:subscription_succeeded" && c.now() == client::state::subscribing) {
        if (--c.awaited == 0)
            all_.become_ready(c);
    } else if (event == "pusher:ping") {
        say(c, R"({"event":"pusher:pong","data":{}})");
    } else if (event == "pusher:error" || event == "pusher:subscription_error") {
        all_.drop(c, std::string{text.substr(0, 300)});
    }
}

std::string socket_io_conversation::target(client const&) const
{
    return path_for(address_, "/socket.io/?EIO=4&transport=websocket", {}, 0);
}

void socket_io_conversation::publish(client& c, std::string_view topic, std::string_view payload, std::uint8_t qos,
                                     std::uint16_t id)
{
    scratch_.assign("42");
    if (qos > 0)
        scratch_.append(std::to_string(id));
    scratch_.append(R"(["say",")").append(topic).append(R"(",")").append(payload).append("\"]");
    say(c, scratch_);
}

void socket_io_conversation::on_text(client& c, std::string_view text)
{
    static constexpr std::string_view said = R"(42["said",")";
    if (text.starts_with(said) && text.ends_with("\"]")) {
        publish_view view;
        view.payload = text.substr(said.size(), text.size() - said.size() - 2);
        return c.events->on_message(c, view);
    }
    if (text.starts_with("0{"))
        return say(c, "40");
    if (text == "2")
        return say(c, "3");
    if (text.starts_with("40")) {
        if (c.settings.filter.empty())
            return all_.become_ready(c);
        all_.set_state(c, client::state::subscribing);
        return say(c, "4265535[\"join\",\"" + c.settings.filter + "\"]");
    }
    if (text.starts_with("44"))
        return all_.drop(c, "the connection was refused: " + std::string{text});
    if (!text.starts_with("43"))
        return;
    std::uint16_t id = 0;
    std::from_chars(text.data() + 2, text.data() + text.size(), id);
    if (id == 65'535 && c.now() == client::state::subscribing)
        all_.become_ready(c);
    else
        c.events->on_published(c, id);
}

}  // namespace fulmar::load
