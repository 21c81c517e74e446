// The rules for HTTP/1 request heads that Beast's parser does not enforce, applied before it sees a byte.
//
// Anything that two implementations could read differently is refused, because that is what request smuggling is made
// of: bare CR or LF, folded lines, spaces before the colon, repeated or odd Content-Length, any Transfer-Encoding but
// "chunked", both of them together, several Host lines, an absolute target that contradicts Host.
//
// Spec:     RFC 9112 §2.2, §3, §5, §6; RFC 9110 §5.5, §7.2.
// Threads:  pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace fulmar::net {

// What is wrong with a request, as the status to answer. 0: nothing.
struct http_fault
{
    unsigned status = 0;
    char const* why = "";
    explicit operator bool() const noexcept { return status != 0; }
};

// How far a request head has arrived. Keep the object while more bytes of the same head come: each is looked at once.
class head_scanner
{
public:
    // The size of the head including its empty line, once all of it is in `in`; 0 before. Look at fault() first.
    [[nodiscard]] std::size_t scan(std::span<char const> in, std::size_t bytes_max) noexcept;
    [[nodiscard]] http_fault fault() const noexcept { return fault_; }
    void reset() noexcept { *this = head_scanner{}; }

private:
    http_fault fault_;
    std::size_t scanned_ = 0;
};

// Checks a complete head: request line and fields.
[[nodiscard]] http_fault check_head(std::string_view head, std::size_t fields_max);

// A request target taken apart.
struct http_target
{
    std::string authority;  // of an absolute target; empty otherwise
    std::string path;       // decoded once; "*" for the asterisk form
    std::string query;
};

// Fails with 400 for everything that is not one unambiguous path: bad escapes, encoded slashes, control characters,
// "." and ".." segments however they are written, empty segments, bytes that are not UTF-8.
[[nodiscard]] http_fault read_target(std::string_view target, http_target& out);

// "example.org:8080" -> "example.org"; "[::1]:80" -> "[::1]". Empty: not a valid Host value.
[[nodiscard]] std::string_view host_name(std::string_view host) noexcept;

}  // namespace fulmar::net
