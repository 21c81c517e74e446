// What a broker, or whoever answers in its place, sends to the client commands: event streams, metrics pages, messages.
// Whatever it is, nothing that commands a terminal is printed, and pieces make no difference.

#include "frontends/cli/event_parser.hpp"
#include "frontends/cli/metrics_text.hpp"
#include "frontends/cli/output.hpp"

#include <algorithm>
#include <cstdint>
#include <string>

namespace {

using namespace fulmar::cli;

std::string events_of(std::string_view stream, std::size_t piece)
{
    event_parser parser;
    std::vector<server_event> events;
    for (std::size_t at = 0; at < stream.size(); at += piece)
        if (!parser.feed(stream.substr(at, piece), events))
            __builtin_trap();
    std::string out = parser.last_id();
    for (auto const& each : events)
        out.append(1, '\0').append(each.name).append(1, '\0').append(each.data);
    return out;
}

bool harmless(std::string const& text, std::string_view allowed)
{
    return std::all_of(text.begin(), text.end(), [&](char c) {
        auto const byte = static_cast<unsigned char>(c);
        return (byte >= 0x20 && byte != 0x7F) || allowed.find(c) != std::string_view::npos;
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    std::string_view const input{reinterpret_cast<char const*>(bytes), size};
    if (events_of(input, std::max<std::size_t>(size, 1)) != events_of(input, 3))
        __builtin_trap();
    if (!harmless(printable(input), "\n\t") || !harmless(printable_line(input), ""))
        __builtin_trap();
    auto const page = metrics_page::parse(input);
    (void)page.sum("a");
    (void)page.by("a", "x");
    boost::system::error_code bad;
    auto const parsed = boost::json::parse(input, bad);
    if (auto const* const object = bad ? nullptr : parsed.if_object())
        (void)read_message(*object);
    return 0;
}
