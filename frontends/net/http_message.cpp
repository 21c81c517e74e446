#include "frontends/net/http_message.hpp"

#include <algorithm>
#include <array>
#include <boost/beast/http/status.hpp>
#include <ctime>

namespace fulmar::net {

namespace {

[[nodiscard]] char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept
{
    auto const first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Valid until the next call on this thread. Made once in a second.
[[nodiscard]] std::string_view http_date()
{
    thread_local std::array<char, 40> text{};
    thread_local std::size_t size = 0;
    thread_local std::time_t made_at = 0;
    auto const now = std::time(nullptr);
    if (size == 0 || now != made_at) {
        std::tm utc{};
        ::gmtime_r(&now, &utc);
        // The names are the same in every locale that this program sets: it sets none.
        size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
        made_at = now;
    }
    return {text.data(), size};
}

[[nodiscard]] bool has_no_content(unsigned status) noexcept
{
    return status / 100 == 1 || status == 204 || status == 304;
}

}  // namespace

void append_field(std::string& head, std::string_view name, std::string_view value)
{
    auto const breaks = [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; };
    auto const add = [&](std::string_view text) {
        auto const begin = head.size();
        head.append(text);
        if (std::any_of(text.begin(), text.end(), breaks))
            std::replace_if(head.begin() + static_cast<std::ptrdiff_t>(begin), head.end(), breaks, ' ');
    };
    add(name);
    head += ": ";
    add(value);
    head += "\r\n";
}

bool same_token(std::string_view a, std::string_view b) noexcept
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

void for_each_element(std::string_view list, std::function<void(std::string_view)> const& each)
{
    while (!list.empty()) {
        auto const comma = std::min(list.find(','), list.size());
        if (auto const element = trimmed(list.substr(0, comma)); !element.empty())
            each(element);
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
}

std::string_view http_request::header(std::string_view name) const noexcept
{
    for (auto const& field : headers)
        if (same_token(field.name, name))
            return field.value;
    return {};
}

std::string http_request::joined(std::string_view name) const
{
    std::string all;
    for (auto const& field : headers) {
        if (!same_token(field.name, name))
            continue;
        if (!all.empty())
            all += ", ";
        all += field.value;
    }
    return all;
}

std::size_t http_request::count(std::string_view name) const noexcept
{
    return static_cast<std::size_t>(
        std::count_if(headers.begin(), headers.end(), [&](auto const& f) { return same_token(f.name, name); }));
}

bool http_request::lists(std::string_view name, std::string_view token) const
{
    bool found = false;
    for_each_element(joined(name), [&](std::string_view element) { found = found || same_token(element, token); });
    return found;
}

std::string_view http_request::capture(std::string_view name) const noexcept
{
    for (auto const& field : captures)
        if (field.name == name)
            return field.value;
    return {};
}

http_response plain_response(unsigned status, std::string_view text)
{
    return {status, "text/plain; charset=utf-8", {}, std::string{text} + "\n"};
}

namespace {

// Status line, date and the fields that the handler gave.
[[nodiscard]] std::string head_lines(http_response const& response, bool version_1_1)
{
    namespace http = boost::beast::http;
    auto const reason = http::obsolete_reason(http::int_to_status(response.status));
    constexpr std::size_t usual_bytes = 256;
    std::string head;
    head.reserve(usual_bytes);
    head += version_1_1 ? "HTTP/1.1 " : "HTTP/1.0 ";
    head += std::to_string(response.status);
    head += ' ';
    head.append(reason.data(), reason.size());
    head += "\r\n";
    append_field(head, "Date", http_date());
    for (auto const& field : response.headers)
        append_field(head, field.name, field.value);
    return head;
}

}  // namespace

std::string stream_head(http_response const& response, bool version_1_1)
{
    auto head = head_lines(response, version_1_1);
    append_field(head, "Content-Type", response.content_type);
    append_field(head, "Connection", "close");
    return head += "\r\n";
}

std::string response_head(http_response const& response, bool keep_alive, bool version_1_1)
{
    auto head = head_lines(response, version_1_1);
    if (!has_no_content(response.status)) {
        if (!response.content_type.empty() || !response.body.empty())
            append_field(head, "Content-Type",
                         response.content_type.empty() ? "text/plain; charset=utf-8" : response.content_type);
        append_field(head, "Content-Length", std::to_string(response.body.size()));
    }
    if (!keep_alive)
        append_field(head, "Connection", response.status == 101 ? "Upgrade" : "close");
    else if (!version_1_1)
        append_field(head, "Connection", "keep-alive");
    head += "\r\n";
    return head;
}

}  // namespace fulmar::net
