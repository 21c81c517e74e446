// The store's numbers as Prometheus metrics.
//
// Threads:  any: reads relaxed atomics.
#pragma once

#include "frontends/admin/metric_writer.hpp"
#include "storage/store.hpp"

namespace fulmar {

void write_store_metrics(storage::durable_store const& store, admin::metric_writer& out);

}  // namespace fulmar
