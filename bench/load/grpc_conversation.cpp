#include "bench/load/grpc_conversation.hpp"

#include "bench/load/http_conversations.hpp"

#include <algorithm>
#include <utility>

namespace fulmar::load {

namespace {

constexpr std::uint32_t credit_step = 1U << 30;
constexpr std::uint16_t initial_window_setting = 4;

[[nodiscard]] bool calls(client const& c) noexcept { return c.settings.publishes || !c.settings.filter.empty(); }

}  // namespace

grpc_conversation::grpc_conversation(swarm& all, broker_address const& address) : all_{all}, address_{address}
{
    // The value of the line that HTTP would have.
    auto const line = authorization_lines(address);
    if (auto const colon = line.find(": "); colon != line.npos)
        authorization_ = line.substr(colon + 2, line.size() - colon - 4);
}

void grpc_conversation::on_connected(client& c)
{
    c.grpc = std::make_unique<grpc_progress>();
    c.connack().receive_maximum = address_.pipeline;
    auto& out = all_.out(c);
    write_h2_opening(out);
    if (!calls(c))
        return;
    write_grpc_call(out, c.settings.publishes ? "/fulmar.v1.Broker/PublishStream" : "/fulmar.v1.Broker/Subscribe",
                    address_.host + ":" + std::to_string(address_.port), address_.tls, authorization_);
    if (c.settings.publishes)
        return;
    std::string request;
    write_subscription(request, c.settings.filter);
    write_h2_frame(out, h2_type::data, h2_end_stream, 1, request);
    all_.set_state(c, client::state::subscribing);
}

void grpc_conversation::on_bytes(client& c, std::string_view& bytes)
{
    while (c.open()) {
        auto const frame = read_h2_frame(bytes);
        if (frame.bytes == 0)
            return;
        if (frame.bytes == malformed)
            return all_.drop(c, "an answer that is no HTTP/2");
        bytes.remove_prefix(frame.bytes);
        on_frame(c, frame);
    }
}

void grpc_conversation::on_frame(client& c, h2_frame const& frame)
{
    switch (frame.type) {
    case h2_type::data: on_data(c, frame); break;
    case h2_type::settings: on_settings(c, frame); break;
    case h2_type::headers: c.grpc->answered = c.grpc->answered || (frame.flags & h2_end_stream) == 0; break;
    case h2_type::rst_stream:
        return all_.drop(c, "the broker reset the call: error " + std::to_string(h2_number(frame.payload)));
    case h2_type::goaway:
        return all_.drop(c, "the broker said GOAWAY: " +
                                std::string{frame.payload.substr(std::min<std::size_t>(8, frame.payload.size()))});
    case h2_type::ping:
        if ((frame.flags & h2_ack) == 0)
            write_h2_frame(all_.out(c), h2_type::ping, h2_ack, 0, frame.payload);
        break;
    case h2_type::window_update:
        (frame.stream == 0 ? c.grpc->connection_window : c.grpc->stream_window) += h2_number(frame.payload);
        send_what_may(c);
        break;
    }
    auto const may_end = frame.type == h2_type::data || frame.type == h2_type::headers;
    if (c.open() && may_end && (frame.flags & h2_end_stream) != 0)
        all_.drop(c, c.grpc->answered ? "the broker ended the call" : "the broker refused the call");
}

// The first of them shows that this is HTTP/2.
void grpc_conversation::on_settings(client& c, h2_frame const& frame)
{
    if ((frame.flags & h2_ack) != 0)
        return;
    for (auto rest = frame.payload; rest.size() >= 6; rest.remove_prefix(6)) {
        auto const name = h2_number(rest) >> 16;
        std::int64_t const value = h2_number(rest.substr(2));
        if (name == initial_window_setting) {
            c.grpc->stream_window += value - c.grpc->initial_window;
            c.grpc->initial_window = value;
        }
    }
    write_h2_frame(all_.out(c), h2_type::settings, h2_ack, 0, {});
    send_what_may(c);
    if (c.now() == client::state::greeting)
        all_.become_ready(c);
}

void grpc_conversation::on_data(client& c, h2_frame const& frame)
{
    auto& received = c.grpc->received;
    received += static_cast<std::uint32_t>(frame.payload.size());
    if (received >= credit_step) {
        for (auto const stream : {0U, 1U})
            write_h2_credit(all_.out(c), stream, received);
        received = 0;
    }
    auto data = frame.payload;
    if ((frame.flags & h2_padded) != 0 && !data.empty()) {
        std::size_t const padding = static_cast<unsigned char>(data.front());
        data.remove_prefix(1);
        data.remove_suffix(std::min(padding, data.size()));
    }
    on_messages(c, data);
}

void grpc_conversation::on_messages(client& c, std::string_view data)
{
    std::string joined;
    if (!c.partial.empty()) {
        c.partial.append(data);
        if (read_grpc_message(c.partial).bytes == 0)
            return;
        joined = std::exchange(c.partial, {});
        data = joined;
    }
    while (c.open() && !data.empty()) {
        auto const message = read_grpc_message(data);
        if (message.bytes == malformed)
            return all_.drop(c, "a message that is compressed");
        if (message.bytes == 0) {
            c.partial.assign(data);
            return;
        }
        data.remove_prefix(message.bytes);
        if (c.settings.publishes)
            on_answer(c, message.content);
        else
            on_message(c, message.content);
    }
}

// A SubscribeResponse.
void grpc_conversation::on_message(client& c, std::string_view message)
{
    proto_field field;
    while (c.open() && next_field(message, field)) {
        if (field.number == 2 && !c.ready())
            all_.become_ready(c);
        if (field.number != 1)
            continue;
        publish_view view;
        proto_field part;
        while (next_field(field.bytes, part)) {
            if (part.number == 1)
                view.topic = part.bytes;
            else if (part.number == 2)
                view.payload = part.bytes;
        }
        c.events->on_message(c, view);
    }
    if (c.open() && !message.empty())
        all_.drop(c, "a message that is no SubscribeResponse");
}

// A PublishStreamResponse.
void grpc_conversation::on_answer(client& c, std::string_view message)
{
    proto_field field;
    while (c.open() && next_field(message, field)) {
        if (field.number == 3) {
            proto_field part;
            std::string_view why;
            while (next_field(field.bytes, part))
                if (part.number == 3)
                    why = part.bytes;
            return all_.drop(c, "publish refused: " + std::string{why});
        }
        if (field.number != 1)
            continue;
        while (c.open() && c.grpc->acknowledged < field.value) {
            if (c.grpc->asked.empty())
                return all_.drop(c, "an acknowledgement of what nobody published");
            ++c.grpc->acknowledged;
            auto const id = c.grpc->asked.front();
            c.grpc->asked.pop_front();
            c.events->on_published(c, id);
        }
    }
    if (c.open() && !message.empty())
        all_.drop(c, "a message that is no PublishStreamResponse");
}

void grpc_conversation::publish(client& c, std::string_view topic, std::string_view payload, std::uint8_t qos,
                                std::uint16_t id)
{
    c.grpc->asked.push_back(id);
    write_publication(c.grpc->held, topic, payload, qos);
    send_what_may(c);
}

void grpc_conversation::send_what_may(client& c)
{
    auto& g = *c.grpc;
    std::size_t sent = 0;
    while (sent < g.held.size()) {
        auto const window = std::min(g.stream_window, g.connection_window);
        if (window <= 0)
            break;
        auto const part = std::min({g.held.size() - sent, h2_frame_bytes_max, static_cast<std::size_t>(window)});
        write_h2_frame(all_.out(c), h2_type::data, 0, 1, std::string_view{g.held}.substr(sent, part));
        sent += part;
        g.stream_window -= static_cast<std::int64_t>(part);
        g.connection_window -= static_cast<std::int64_t>(part);
    }
    g.held.erase(0, sent);
}

void grpc_conversation::leave(client& c)
{
    static constexpr std::string_view cancelled{"\0\0\0\x08", 4};
    if (c.grpc != nullptr && calls(c))
        write_h2_frame(all_.out(c), h2_type::rst_stream, 0, 1, cancelled);
}

}  // namespace fulmar::load
