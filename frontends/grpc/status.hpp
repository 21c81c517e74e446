// How the broker's errors are said in gRPC (docs/api.md has the table beside REST's).
//
// Spec:     google.rpc.Code.
// Threads:  pure functions.
#pragma once

#include "broker/errors.hpp"
#include "frontends/grpc/call_server.hpp"

namespace fulmar::grpc {

[[nodiscard]] status_code code_of(broker::error_code error) noexcept;

}  // namespace fulmar::grpc
