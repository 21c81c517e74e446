// Queries and bodies of /sse, and payloads written as events: nothing that a client or publisher chooses may begin a field.

#include "broker/message.hpp"
#include "frontends/sse/event.hpp"
#include "frontends/sse/stream_request.hpp"

#include <cstdint>
#include <string>

namespace {

using namespace fulmar;

void read(std::string_view input)
{
    auto const half = input.size() / 2;
    net::http_request request;
    request.method = !input.empty() && (input.front() & 1) != 0 ? "POST" : "GET";
    request.query = input.substr(0, half);
    request.body = input.substr(half);
    request.headers = {{"Last-Event-ID", std::string{input.substr(half, 24)}}};
    auto const got = sse::read_stream_request(request, 10, 1'700'000'000'000);
    if (got.wanted.has_value() == !got.problem.empty())
        __builtin_trap();
    if (got.wanted && (got.wanted->topics.empty() || got.wanted->topics.size() > 10))
        __builtin_trap();
    if (got.wanted && got.wanted->session.find_first_not_of(
                          "0123456789-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos)
        __builtin_trap();
    if (got.wanted && got.wanted->session.size() > sse::session_name_max)
        __builtin_trap();
}

bool known_field(std::string_view line)
{
    for (std::string_view const field : {"id: 0.7", "topic: ", "event: ", "data: ", "encoding: base64"})
        if (line.starts_with(field))
            return true;
    return false;
}

void write(std::string_view input)
{
    auto const third = input.size() / 3;
    broker::message_fields fields;
    fields.topic = input.substr(0, third);
    fields.event = input.substr(third, third);
    fields.payload = input.substr(2 * third);
    std::vector<char> out;
    sse::append_event(sse::event_format::raw, *broker::message::make(std::move(fields)), 7, out);
    std::string_view text{out.data(), out.size()};
    if (!text.ends_with("\n\n") || text.find('\r') != std::string_view::npos)
        __builtin_trap();
    text.remove_suffix(1);
    for (std::size_t ids = 0; !text.empty();) {
        auto const line = text.substr(0, text.find('\n'));
        ids += line.starts_with("id:") ? 1 : 0;
        if (!known_field(line) || ids > 1)
            __builtin_trap();
        text.remove_prefix(line.size() + 1);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    std::string_view const input{reinterpret_cast<char const*>(bytes), size};
    read(input);
    write(input);
    return 0;
}
