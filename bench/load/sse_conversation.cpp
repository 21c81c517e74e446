#include "bench/load/http_conversations.hpp"
#include "bench/load/http_wire.hpp"

#include <algorithm>

namespace fulmar::load {

void sse_conversation::on_connected(client& c)
{
    c.http = std::make_unique<http_progress>();
    auto& out = all_.out(c);
    out = "GET " + path_for(address_, "/sse?topic={topic}", c.settings.filter, c.settings.qos) +
          " HTTP/1.1\r\nHost: " + address_.host + ":" + std::to_string(address_.port) + "\r\n" +
          authorization_lines(address_) + "Accept: text/event-stream\r\n\r\n";
    all_.set_state(c, client::state::subscribing);
}

// False: not complete, or the client closed.
bool sse_conversation::on_head(client& c, std::string_view& bytes)
{
    auto const head = read_http_head(bytes);
    if (head.bytes == 0)
        return false;
    if (head.bytes == malformed || head.status != 200) {
        all_.drop(c, "the event stream was refused: " + std::string{bytes.substr(0, bytes.find('\r'))});
        return false;
    }
    bytes.remove_prefix(head.bytes);
    c.http->streaming = true;
    c.http->chunked = head.chunked;
    all_.become_ready(c);
    return c.open();
}

void sse_conversation::on_bytes(client& c, std::string_view& bytes)
{
    if (!c.http->streaming && !on_head(c, bytes))
        return;
    if (c.http->chunked)
        return on_chunks(c, bytes);
    on_text(c, bytes);
    bytes = {};
}

void sse_conversation::on_chunks(client& c, std::string_view& bytes)
{
    auto& left = c.http->chunk_left;
    while (c.open() && !bytes.empty()) {
        if (left == 0) {
            auto const chunk = read_http_chunk(bytes);
            if (chunk.header == 0)
                return;
            if (chunk.header == malformed || chunk.size == 0)
                return all_.drop(c, chunk.size == 0 ? "the event stream ended" : "malformed chunk");
            bytes.remove_prefix(chunk.header);
            left = chunk.size + 2;
        }
        // Without the line end behind the chunk.
        auto const content = std::min<std::uint64_t>(left > 2 ? left - 2 : 0, bytes.size());
        if (content > 0) {
            left -= content;
            auto const text = bytes.substr(0, static_cast<std::size_t>(content));
            bytes.remove_prefix(text.size());
            on_text(c, text);
            continue;
        }
        auto const end = std::min<std::uint64_t>(left, bytes.size());
        left -= end;
        bytes.remove_prefix(static_cast<std::size_t>(end));
    }
}

void sse_conversation::on_text(client& c, std::string_view text)
{
    if (c.partial.empty()) {
        auto const used = on_events(c, text);
        if (c.open())
            c.partial.assign(text.substr(used));
        return;
    }
    auto joined = std::move(c.partial);
    joined.append(text);
    auto const used = on_events(c, joined);
    if (c.open())
        c.partial.assign(joined, used, std::string::npos);
}

// Bytes of whole events.
std::size_t sse_conversation::on_events(client& c, std::string_view text)
{
    std::size_t begin = 0;
    std::size_t at = 0;
    while (c.open()) {
        auto const end = text.find('\n', at);
        if (end == text.npos)
            return begin;
        auto const empty = end == at || (end == at + 1 && text[at] == '\r');
        if (empty) {
            on_event(c, text.substr(begin, at - begin));
            begin = end + 1;
        }
        at = end + 1;
    }
    return begin;
}

// An event of one data line; those with a name of the stream's own ("ready", "gap") have data that is no payload.
void sse_conversation::on_event(client& c, std::string_view event)
{
    publish_view view;
    while (!event.empty()) {
        auto const end = std::min(event.find('\n'), event.size());
        auto line = event.substr(0, end);
        event.remove_prefix(std::min(end + 1, event.size()));
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        if (line.starts_with("data:"))
            view.payload = line.substr(line.starts_with("data: ") ? 6 : 5);
        else if (line.starts_with("topic: "))
            view.topic = line.substr(7);
        else if (line == "event: ready")
            return;
    }
    if (!view.payload.empty())
        c.events->on_message(c, view);
}

}  // namespace fulmar::load
