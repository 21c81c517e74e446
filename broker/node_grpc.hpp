// The metrics of gRPC. Part of the composition root.
#pragma once

#include "frontends/admin/metric_writer.hpp"
#include "frontends/grpc/grpc_frontend.hpp"

namespace fulmar {

void write_grpc_metrics(grpc::grpc_frontend const& calls, admin::metric_writer& out);

}  // namespace fulmar
