// The errors of the broker core, as boost error codes whose messages an operator can act on.
//
// Three kinds, three answers (docs/architecture.md): the peer's fault is one of these values and travels
// up to the protocol; the environment's fault is a value handled by the owner of the resource; our own
// fault is a failed FULMAR_ASSERT and ends the process.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace fulmar::broker {

using boost::system::error_code;
template <class T>
using result = boost::system::result<T>;

enum class errc {
    ok = 0,
    topic_name_invalid,
    topic_filter_invalid,
    not_authorized,
    bad_credentials,
    unknown_packet_id,
    packet_id_in_use,
    window_full,
    quota_exceeded,
    store_failed,  // a write or sync failed: sticky until the store recovers or restarts
    store_full,    // no space: refused now, may succeed later
    message_too_large,
    shutting_down,
    taken_over,
    cancelled,
    authentication_unavailable,
};

[[nodiscard]] boost::system::error_category const& category() noexcept;
[[nodiscard]] inline error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), category()}; }

[[noreturn]] void assertion_failed(char const* expression, char const* file, int line) noexcept;

}  // namespace fulmar::broker

template <>
struct boost::system::is_error_code_enum<fulmar::broker::errc> : std::true_type
{
};

// Our own invariants, checked in every build: a broker that goes on after its fault loses messages.
#define FULMAR_ASSERT(expression) \
    ((expression) ? void(0) : ::fulmar::broker::assertion_failed(#expression, __FILE__, __LINE__))
