#include "frontends/net/http_query.hpp"

#include "broker/topic.hpp"

#include <algorithm>
#include <charconv>

namespace fulmar::net {

namespace {

[[nodiscard]] int digit(char c) noexcept
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space)
{
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            auto const high = i + 2 < text.size() ? digit(text[i + 1]) : -1;
            auto const low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return std::nullopt;
            out += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    return out;
}

std::optional<http_query> http_query::parse(std::string_view query)
{
    http_query out;
    while (!query.empty()) {
        auto const part = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), part.size() + 1));
        if (part.empty())
            continue;
        auto const equals = std::min(part.find('='), part.size());
        auto name = percent_decoded(part.substr(0, equals), true);
        auto value = percent_decoded(part.substr(std::min(equals + 1, part.size())), true);
        if (!name || !value || !broker::valid_utf8(*name) || !broker::valid_utf8(*value) ||
            out.fields_.size() == query_fields_max)
            return std::nullopt;
        out.fields_.push_back({std::move(*name), std::move(*value)});
    }
    return out;
}

std::string const* http_query::find(std::string_view name) const noexcept
{
    auto const found =
        std::find_if(fields_.begin(), fields_.end(), [name](http_field const& field) { return field.name == name; });
    return found == fields_.end() ? nullptr : &found->value;
}

std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t maximum) noexcept
{
    std::uint64_t value = 0;
    auto const* const end = text.data() + text.size();
    auto const [rest, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || rest != end || text.empty() || value > maximum)
        return std::nullopt;
    return value;
}

}  // namespace fulmar::net
