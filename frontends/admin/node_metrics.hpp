// The metrics of the broker core: connections, messages, drops, sessions, shards, the process.
//
// docs/operations.md lists the names; renaming one breaks dashboards.
#pragma once

#include "frontends/admin/metric_writer.hpp"

namespace fulmar::broker {
struct node_context;
}

namespace fulmar::admin {

void write_node_metrics(broker::node_context const& node, metric_writer& out);

}  // namespace fulmar::admin
