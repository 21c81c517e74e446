#include "broker/metrics.hpp"

namespace fulmar::broker {

char const* to_string(drop_reason reason) noexcept
{
    switch (reason) {
    case drop_reason::outbox_full: return "outbox_full";
    case drop_reason::pending_full: return "pending_full";
    case drop_reason::queue_limit: return "queue_limit";
    case drop_reason::retention: return "retention";
    case drop_reason::expired: return "expired";
    case drop_reason::too_large: return "too_large";
    case drop_reason::not_authorized: return "not_authorized";
    case drop_reason::mailbox_full: return "mailbox_full";
    case drop_reason::no_member: return "no_member";
    case drop_reason::session_ended: return "session_ended";
    case drop_reason::store_failed: return "store_failed";
    case drop_reason::count: break;
    }
    return "unknown";
}

}  // namespace fulmar::broker
