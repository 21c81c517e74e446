// Answers of HTTP servers: within their limits, and the same however the bytes arrive.
//
// Input: what a server sends until it ends the connection.
#include "frontends/net/http_answer_parser.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace fulmar::net;

constexpr std::size_t head_max = 1'024;
constexpr std::uint64_t body_max = 2'048;

void require(bool holds)
{
    if (!holds)
        std::abort();
}

struct outcome
{
    answer_fault fault = answer_fault::none;
    bool done = false;
    bool reusable = false;
    unsigned status = 0;
    std::string body;
    friend bool operator==(outcome const&, outcome const&) = default;
};

outcome read(std::string_view in, std::size_t step)
{
    http_answer_parser parser{head_max, body_max};
    outcome out;
    while (!in.empty() && out.fault == answer_fault::none) {
        std::string const exact{in.substr(0, step)};
        in.remove_prefix(exact.size());
        out.fault = parser.feed(exact);
        require(parser.body().size() <= body_max);
    }
    if (out.fault == answer_fault::none)
        out.fault = parser.finish();
    std::size_t field_bytes = 0;
    for (auto const& [name, value] : parser.fields())
        field_bytes += name.size() + value.size();
    require(field_bytes <= head_max);
    if (out.fault == answer_fault::none)
        out = {out.fault, parser.done(), parser.reusable(), parser.status(), parser.body()};
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    std::string_view const in{reinterpret_cast<char const*>(bytes), size};
    auto const whole = read(in, std::max<std::size_t>(size, 1));
    for (std::size_t const step : {1U, 5U}) {
        auto const parts = read(in, step);
        // What is too large is noticed earlier or later; apart from that the outcome is one.
        if (whole.fault == answer_fault::too_large || parts.fault == answer_fault::too_large)
            continue;
        require((whole.fault == answer_fault::none) == (parts.fault == answer_fault::none));
        require(whole.fault != answer_fault::none || whole == parts);
        require(whole.fault != answer_fault::none || whole.done);
    }
    return 0;
}
