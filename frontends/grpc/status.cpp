#include "frontends/grpc/status.hpp"

namespace fulmar::grpc {

status_code code_of(broker::error_code error) noexcept
{
    using broker::errc;
    if (!error)
        return status_code::ok;
    if (error == errc::bad_credentials)
        return status_code::unauthenticated;
    if (error == errc::not_authorized)
        return status_code::permission_denied;
    if (error == errc::topic_name_invalid || error == errc::topic_filter_invalid)
        return status_code::invalid_argument;
    if (error == errc::message_too_large || error == errc::quota_exceeded || error == errc::store_full)
        return status_code::resource_exhausted;
    return status_code::unavailable;
}

}  // namespace fulmar::grpc
