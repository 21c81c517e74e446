#include "broker/errors.hpp"

#include <cstdio>
#include <cstdlib>

namespace fulmar::broker {
namespace {

class broker_category final : public boost::system::error_category
{
public:
    char const* name() const noexcept override { return "fulmar.broker"; }

    std::string message(int value) const override
    {
        switch (static_cast<errc>(value)) {
        case errc::ok: return "success";
        case errc::topic_name_invalid: return "the topic name is empty, too long, not UTF-8 or contains a wildcard";
        case errc::topic_filter_invalid:
            return "the topic filter is empty, too long, not UTF-8 or misplaces a wildcard";
        case errc::not_authorized: return "the access rules do not allow this; see [access] acl_file";
        case errc::bad_credentials: return "the user name or password is wrong";
        case errc::unknown_packet_id: return "the packet identifier is not in use";
        case errc::packet_id_in_use: return "the packet identifier is already in use";
        case errc::window_full: return "the in-flight window is full; wait for an acknowledgement";
        case errc::quota_exceeded: return "a configured limit was reached";
        case errc::store_failed: return "the store failed and refuses durable work; see the log, then restart";
        case errc::store_full: return "the disk that holds the store is full; free space to go on";
        case errc::message_too_large: return "the message is larger than the receiver or the broker accepts";
        case errc::shutting_down: return "the broker is shutting down";
        case errc::taken_over: return "the session was taken over by another connection";
        case errc::cancelled: return "the operation was cancelled";
        case errc::authentication_unavailable: return "credentials cannot be checked now";
        }
        return "unknown broker error";
    }
};

}  // namespace

boost::system::error_category const& category() noexcept
{
    static broker_category const instance;
    return instance;
}

void assertion_failed(char const* expression, char const* file, int line) noexcept
{
    std::fprintf(stderr, "fulmar: internal error: '%s' does not hold at %s:%d\n", expression, file, line);
    std::abort();
}

}  // namespace fulmar::broker
