#include "frontends/net/http_rules.hpp"

#include "broker/topic.hpp"
#include "frontends/net/http_message.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace fulmar::net {

namespace {

constexpr http_fault bad(char const* why) noexcept { return {400, why}; }

// Function objects, so that algorithms have them inline: they see every byte of a head.
constexpr auto is_digit = [](char c) noexcept { return c >= '0' && c <= '9'; };

constexpr auto is_alpha = [](char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };

constexpr std::array<bool, 256> token_chars = [] {
    std::array<bool, 256> table{};
    for (unsigned c = 0; c < table.size(); ++c) {
        auto const text = static_cast<char>(c);
        table[c] = is_digit(text) || is_alpha(text) ||
                   std::string_view{"!#$%&'*+-.^_`|~"}.find(text) != std::string_view::npos;
    }
    return table;
}();

constexpr auto is_token_char = [](char c) noexcept { return token_chars[static_cast<unsigned char>(c)]; };

[[nodiscard]] bool is_token(std::string_view text) noexcept
{
    return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

constexpr auto is_visible = [](char c) noexcept { return c > 0x20 && c < 0x7F; };

// Eight bytes at once: is one of them a control character up to CR, as NUL, CR and LF are?
[[nodiscard]] bool control_in_word(char const* at) noexcept
{
    constexpr std::uint64_t every = 0x0101010101010101ULL;
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return ((word - every * ('\r' + 1)) & ~word & (every * 0x80)) != 0;
}

[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept
{
    auto const first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

[[nodiscard]] int hex_digit(char c) noexcept
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// What the fields of one head say about its framing and its host.
struct framing_fields
{
    bool version_1_1 = true;
    unsigned lengths = 0;
    unsigned encodings = 0;
    unsigned hosts = 0;
    std::string_view host;

    [[nodiscard]] http_fault take(std::string_view name, std::string_view value) noexcept
    {
        if (same_token(name, "content-length")) {
            ++lengths;
            auto const digits =
                !value.empty() && value.size() <= 18 && std::all_of(value.begin(), value.end(), is_digit);
            return digits ? http_fault{} : bad("Content-Length is not one number");
        }
        if (same_token(name, "transfer-encoding")) {
            ++encodings;
            return same_token(value, "chunked") ? http_fault{}
                                                : http_fault{501, "only Transfer-Encoding: chunked is understood"};
        }
        if (same_token(name, "host")) {
            ++hosts;
            host = value;
        }
        return {};
    }

    [[nodiscard]] http_fault verdict() const noexcept
    {
        if (lengths > 1)
            return bad("more than one Content-Length");
        if (encodings > 1)
            return bad("more than one Transfer-Encoding");
        if (lengths + encodings > 1)
            return bad("Content-Length and Transfer-Encoding together");
        if (encodings > 0 && !version_1_1)
            return bad("Transfer-Encoding in HTTP/1.0");
        if (hosts > 1)
            return bad("more than one Host");
        if (hosts == 0)
            return version_1_1 ? bad("no Host") : http_fault{};
        return host_name(host).empty() ? bad("Host is not valid") : http_fault{};
    }
};

[[nodiscard]] http_fault check_request_line(std::string_view line, bool& version_1_1, std::string_view& target)
{
    auto const first = line.find(' ');
    auto const second = first == std::string_view::npos ? first : line.find(' ', first + 1);
    if (second == std::string_view::npos || !is_token(line.substr(0, first)))
        return bad("the request line is not METHOD TARGET VERSION");
    target = line.substr(first + 1, second - first - 1);
    if (target.empty() || !std::all_of(target.begin(), target.end(), is_visible))
        return bad("the request target is not valid");
    auto const version = line.substr(second + 1);
    if (version == "HTTP/1.1" || version == "HTTP/1.0") {
        version_1_1 = version.back() == '1';
        return {};
    }
    return version.starts_with("HTTP/") && version.size() == 8
               ? http_fault{505, "only HTTP/1.1 and HTTP/1.0 are spoken here"}
               : bad("the HTTP version is not valid");
}

[[nodiscard]] http_fault check_field_line(std::string_view line, framing_fields& fields)
{
    if (line.front() == ' ' || line.front() == '\t')
        return bad("a folded header line");
    auto const colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
        return bad("a header line is not NAME: VALUE");
    auto const value = trimmed(line.substr(colon + 1));
    if (std::any_of(value.begin(), value.end(), [](char c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7F; }))
        return bad("a control character in a header");
    return fields.take(line.substr(0, colon), value);
}

// Decodes the escapes of a path, refusing those that could mean something else to somebody.
[[nodiscard]] http_fault decode_path(std::string_view raw, std::string& path)
{
    path.reserve(raw.size());
    for (std::size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] != '%') {
            path.push_back(raw[i]);
            continue;
        }
        auto const high = i + 2 < raw.size() ? hex_digit(raw[i + 1]) : -1;
        auto const low = high >= 0 ? hex_digit(raw[i + 2]) : -1;
        if (low < 0)
            return bad("a bad escape in the path");
        auto const c = static_cast<char>(high * 16 + low);
        if (c == '/' || c == '\\' || (c >= 0 && c < 0x20) || c == 0x7F)
            return bad("an escape in the path that is not allowed");
        path.push_back(c);
        i += 2;
    }
    return {};
}

[[nodiscard]] http_fault check_segments(std::string_view path)
{
    if (path.find('\\') != std::string_view::npos || path.find('#') != std::string_view::npos)
        return bad("a character in the path that is not allowed");
    for (std::size_t at = 1; at <= path.size();) {
        auto const slash = std::min(path.find('/', at), path.size());
        auto const segment = path.substr(at, slash - at);
        auto const last = slash == path.size();
        if (segment == "." || segment == ".." || (segment.empty() && !last))
            return bad("the path is not canonical");
        at = slash + 1;
    }
    return broker::valid_utf8(path) || path.empty() ? http_fault{} : bad("the path is not UTF-8");
}

}  // namespace

std::size_t head_scanner::scan(std::span<char const> in, std::size_t bytes_max) noexcept
{
    auto const end = std::min(in.size(), bytes_max);
    for (; scanned_ < end; ++scanned_) {
        while (scanned_ > 0 && in[scanned_ - 1] != '\r' && end - scanned_ > sizeof(std::uint64_t) &&
               !control_in_word(in.data() + scanned_))
            scanned_ += sizeof(std::uint64_t);
        auto const c = in[scanned_];
        auto const after_cr = scanned_ > 0 && in[scanned_ - 1] == '\r';
        if (after_cr != (c == '\n') || c == '\0') {
            fault_ = bad(c == '\0' ? "a NUL byte" : "a line that does not end with CR LF");
            return 0;
        }
        if (c == '\n' && scanned_ >= 3 && in[scanned_ - 2] == '\n')
            return ++scanned_;
    }
    if (scanned_ >= bytes_max)
        fault_ = {431, "the request head is too large"};
    return 0;
}

http_fault check_head(std::string_view head, std::size_t fields_max)
{
    framing_fields fields;
    auto const take_line = [&head] {
        auto const end = head.find("\r\n");
        auto const line = head.substr(0, end);
        head.remove_prefix(std::min(head.size(), end + 2));
        return line;
    };
    std::string_view target;
    if (auto const fault = check_request_line(take_line(), fields.version_1_1, target))
        return fault;
    std::size_t count = 0;
    for (auto line = take_line(); !line.empty(); line = take_line()) {
        if (++count > fields_max)
            return {431, "too many header lines"};
        if (auto const fault = check_field_line(line, fields))
            return fault;
    }
    if (auto const fault = fields.verdict())
        return fault;
    http_target parts;
    if (auto const fault = read_target(target, parts))
        return fault;
    if (!parts.authority.empty() && !same_token(parts.authority, fields.host))
        return bad("the target and Host name different hosts");
    return {};
}

http_fault read_target(std::string_view target, http_target& out)
{
    if (target == "*") {
        out.path = "*";
        return {};
    }
    for (std::string_view const scheme : {"http://", "https://"}) {
        if (target.size() <= scheme.size() || !same_token(target.substr(0, scheme.size()), scheme))
            continue;
        target.remove_prefix(scheme.size());
        auto const end = std::min(target.find_first_of("/?"), target.size());
        out.authority = target.substr(0, end);
        target.remove_prefix(end);
        if (host_name(out.authority).empty())
            return bad("the target's host is not valid");
        break;
    }
    auto const question = std::min(target.find('?'), target.size());
    out.query = question < target.size() ? target.substr(question + 1) : std::string_view{};
    auto raw = target.substr(0, question);
    if (raw.empty() && !out.authority.empty())
        raw = "/";
    if (raw.empty() || raw.front() != '/')
        return bad("the target is not a path");
    if (auto const fault = decode_path(raw, out.path))
        return fault;
    return check_segments(out.path);
}

std::string_view host_name(std::string_view host) noexcept
{
    std::size_t end = 0;
    if (host.starts_with('[')) {
        end = host.find(']');
        if (end == std::string_view::npos || end == 1)
            return {};
        auto const inside = host.substr(1, end - 1);
        if (!std::all_of(inside.begin(), inside.end(),
                         [](char c) { return hex_digit(c) >= 0 || c == ':' || c == '.'; }))
            return {};
        ++end;
    } else {
        end = std::min(host.find(':'), host.size());
        auto const name = host.substr(0, end);
        auto const allowed = [](char c) { return is_digit(c) || is_alpha(c) || c == '-' || c == '.' || c == '_'; };
        if (!std::all_of(name.begin(), name.end(), allowed))
            return {};
    }
    auto const port = host.substr(end);
    if (!port.empty() &&
        (port.front() != ':' || port.size() > 6 || !std::all_of(port.begin() + 1, port.end(), is_digit)))
        return {};
    return host.substr(0, end);
}

}  // namespace fulmar::net
