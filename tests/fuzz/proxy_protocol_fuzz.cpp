// PROXY headers: never read past the input, agree with themselves however the bytes arrive.
//
// Input: what a peer sends first.
#include "frontends/net/proxy_protocol.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace fulmar::net;

void require(bool holds)
{
    if (!holds) {
        std::abort();
    }
}

// Copied to the heap in its exact size, so that reading past its end is found.
proxy_header parse(std::string_view bytes)
{
    std::vector<char> const exact(bytes.begin(), bytes.end());
    return parse_proxy_header(exact);
}

bool same(proxy_header const& a, proxy_header const& b)
{
    return a.verdict == b.verdict && a.size == b.size && a.source.has_value() == b.source.has_value() &&
           (!a.source || (a.source->ip == b.source->ip && a.source->port == b.source->port));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    std::string_view const in{reinterpret_cast<char const*>(bytes), size};
    auto const whole = parse(in);
    // Byte by byte: more is needed until the verdict, which then stays whatever follows.
    for (std::size_t length = 0; length <= size; length += length < 256 ? 1 : 97) {
        auto const part = parse(in.substr(0, length));
        if (part.verdict == proxy_verdict::need_more) {
            require(whole.verdict != proxy_verdict::complete || length < whole.size);
            continue;
        }
        require(same(part, whole));
        break;
    }
    if (whole.verdict == proxy_verdict::complete) {
        require(whole.size > 0 && whole.size <= size && whole.size <= proxy_header_bytes_max);
        require(same(parse(in.substr(0, whole.size)), whole));
        require(same(parse(std::string{in} + "more"), whole));
        if (whole.source) {
            auto const text = parse_ip(whole.source->ip.text());
            require(text.has_value() && *text == whole.source->ip);
        }
    } else {
        require(whole.size == 0 && !whole.source);
        require(whole.verdict != proxy_verdict::need_more || size < proxy_header_bytes_max);
    }
    return 0;
}
