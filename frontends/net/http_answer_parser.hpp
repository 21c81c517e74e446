// One HTTP answer taken apart, as a client reads it: bytes in, status, fields and body out.
//
// Spec:     RFC 9112 §4, §5, §6, §7: lengths, chunks, bodies that end with the connection; interim answers are skipped.
// Owner:    one call of http_client.
// Threads:  a plain value.
// Limits:   head_bytes_max for the head, for each line between chunks and for the trailer; body_bytes_max for the body, with
//           no_body_limit for one that is taken away piece by piece; interim_answers_max.
// Cost:     every byte is copied once.
#pragma once

#include "frontends/net/http_message.hpp"

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::net {

enum class answer_fault : std::uint8_t {
    none,
    not_http,   // what came is no HTTP/1 answer
    too_large,  // more than the limits allow
    cut_off,    // the connection ended before the answer did
};

class http_answer_parser
{
public:
    static constexpr std::uint64_t no_body_limit = std::numeric_limits<std::uint64_t>::max();
    static constexpr int interim_answers_max = 8;

    http_answer_parser(std::size_t head_bytes_max, std::uint64_t body_bytes_max);
    ~http_answer_parser();
    http_answer_parser(http_answer_parser&&) noexcept;
    http_answer_parser& operator=(http_answer_parser&&) noexcept;

    // Takes all of `bytes`. After a fault the answer is of no more use, but for its head if head_done().
    [[nodiscard]] answer_fault feed(std::string_view bytes);
    // The peer will send no more.
    [[nodiscard]] answer_fault finish();

    [[nodiscard]] bool head_done() const noexcept;
    [[nodiscard]] bool done() const noexcept;
    // Once done(): the connection can carry another call, because nothing follows and neither side wants to end it.
    [[nodiscard]] bool reusable() const noexcept;

    [[nodiscard]] unsigned status() const noexcept;
    [[nodiscard]] std::vector<http_field>& fields() noexcept;  // without the trailer
    [[nodiscard]] std::string& body() noexcept;                // what has come of it; may be taken away
    // Sets another limit for what comes after the head, which alone may have been fed so far or be done.
    void limit_body(std::uint64_t bytes_max) noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace fulmar::net
