#include "frontends/pusher/query.hpp"

#include <algorithm>
#include <list>

namespace fulmar::pusher {

namespace {

[[nodiscard]] int hex_digit(char c) noexcept
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

[[nodiscard]] bool unescape(std::string_view text, std::string& out)
{
    if (std::ranges::none_of(text, [](char c) { return c == '%' || c == '+'; })) {
        out = text;
        return true;
    }
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            auto const high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
            auto const low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            out += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    return true;
}

// "channels[]" and "channels[3]" are "channels".
[[nodiscard]] std::string_view list_name(std::string_view name) noexcept
{
    auto const open = name.find('[');
    auto const digits = open == std::string_view::npos ? std::string_view{} : name.substr(open + 1);
    if (digits.empty() || digits.back() != ']')
        return {};
    auto const inner = digits.substr(0, digits.size() - 1);
    auto const number = std::all_of(inner.begin(), inner.end(), [](char c) { return c >= '0' && c <= '9'; });
    return number ? name.substr(0, open) : std::string_view{};
}

void lower(std::string& text)
{
    for (auto& c : text)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::optional<query> query::parse(std::string_view text, bool decode)
{
    query found;
    auto const parts = static_cast<std::size_t>(std::ranges::count(text, '&')) + 1;
    found.parameters_.reserve(std::min(parts, query_parameters_max));
    while (!text.empty()) {
        auto const end = std::min(text.find('&'), text.size());
        auto const part = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (part.empty())
            continue;
        if (found.parameters_.size() == query_parameters_max)
            return std::nullopt;
        auto const equals = std::min(part.find('='), part.size());
        auto const value = part.substr(std::min(equals + 1, part.size()));
        auto& parameter = found.parameters_.emplace_back();
        if (!decode) {
            parameter.name = part.substr(0, equals);
            parameter.value = value;
        } else if (!unescape(part.substr(0, equals), parameter.name) || !unescape(value, parameter.value)) {
            return std::nullopt;
        }
        lower(parameter.name);
    }
    return found;
}

std::string const* query::find(std::string_view name) const noexcept
{
    auto const found = std::ranges::find(parameters_, name, &query_parameter::name);
    return found == parameters_.end() ? nullptr : &found->value;
}

std::string_view query::value(std::string_view name) const noexcept
{
    auto const* const found = find(name);
    return found == nullptr ? std::string_view{} : *found;
}

std::vector<std::string_view> query::list(std::string_view name) const
{
    std::vector<std::string_view> found;
    for (auto const& parameter : parameters_) {
        if (parameter.name == name || list_name(parameter.name) == name)
            found.emplace_back(parameter.value);
    }
    return found;
}

bool query::has_lists() const noexcept
{
    return std::ranges::any_of(parameters_, [](query_parameter const& p) { return !list_name(p.name).empty(); });
}

std::string query::canonical(bool join_lists) const
{
    struct item
    {
        std::string_view name;
        std::string_view value;
    };
    std::vector<item> items;
    std::list<std::string> joined;
    std::size_t bytes = 0;
    items.reserve(parameters_.size());
    for (auto const& parameter : parameters_) {
        if (parameter.name == "auth_signature")
            continue;
        auto const list = join_lists ? list_name(parameter.name) : std::string_view{};
        auto const same = list.empty() ? items.end() : std::ranges::find(items, list, &item::name);
        bytes += parameter.name.size() + parameter.value.size() + 2;
        if (same != items.end())
            same->value = joined.emplace_back(std::string{same->value} + "," + parameter.value);
        else
            items.push_back({list.empty() ? std::string_view{parameter.name} : list, parameter.value});
    }
    std::ranges::stable_sort(items, {}, &item::name);
    std::string text;
    text.reserve(bytes);
    for (auto const& each : items)
        text.append(text.empty() ? "" : "&").append(each.name).append("=").append(each.value);
    return text;
}

}  // namespace fulmar::pusher
