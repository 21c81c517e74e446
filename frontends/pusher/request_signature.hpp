// Who sent an API request: the signature in its query, its age, and the digest of its body.
//
// A library may sign the query as it is sent, or as it means it before escaping; with lists as they are or joined. What
// was signed is what is read: parameters come from the very reading that the signature confirms.
//
// Spec:     Pusher Channels HTTP API, "Authentication".
// Threads:  pure functions.
// Limits:   timestamps may be signature_age_s seconds away; requests are at most as old as that when they are replayed.
// Cost:     one MD5 of the body and one HMAC-SHA256 of some 200 bytes; comparisons take constant time.
#pragma once

#include "broker/app.hpp"
#include "broker/clock.hpp"
#include "frontends/pusher/query.hpp"

#include <string>
#include <string_view>

namespace fulmar::pusher {

inline constexpr std::uint64_t signature_age_s = 600;

struct signed_request
{
    std::string_view method;
    std::string_view target;  // as it was sent: path and query
    std::string_view path;    // decoded
    std::string_view body;
};

struct signature_verdict
{
    std::string refusal;  // why it is not accepted; empty: it is
    query parameters;
};

[[nodiscard]] signature_verdict verify_signature(broker::app const& app, signed_request const& request,
                                                 broker::wall_ms now);

// Lower-case hexadecimal MD5, as body_md5 has it.
[[nodiscard]] std::string md5_hex(std::string_view bytes);

}  // namespace fulmar::pusher
