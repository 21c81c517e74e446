// fulmar top: what a broker is doing now, from the metrics of its admin listener.
//
// Threads:  the main thread.
// Cost:     one metrics page per interval.
#pragma once

#include "frontends/cli/failure.hpp"
#include "frontends/cli/http_client.hpp"
#include "frontends/cli/metrics_text.hpp"
#include "frontends/cli/output.hpp"

#include <boost/json.hpp>
#include <chrono>
#include <map>
#include <string>

namespace fulmar::cli {

struct top_arguments
{
    std::chrono::milliseconds interval{2'000};
    bool once = false;
};

// What happened between two pages, as rates, and what is true now.
struct activity
{
    std::map<std::string, double> connections;  // open, by transport
    double pusher_connections = 0;
    double sse_streams = 0;
    double sessions = 0;
    double sessions_durable = 0;
    double subscriptions = 0;
    double messages_in_per_s = 0;
    double messages_out_per_s = 0;  // MQTT
    double bytes_in_per_s = 0;
    double bytes_out_per_s = 0;
    double rest_published_per_s = 0;
    std::map<std::string, double> dropped_per_s;  // by reason, those that happen
    double dropped_total = 0;
    std::string store_state;
    double commits_per_s = 0;
    double commit_mean_ms = 0;
    double commit_p99_ms = 0;  // at most; 0: nothing was committed
    double log_bytes = 0;
    double store_pending_bytes = 0;
    double loop_lag_ms = 0;  // of the worst shard
    double loop_lag_max_ms = 0;
    double memory_bytes = 0;
    double cpu_percent = 0;
    double open_fds = 0;
    double max_fds = 0;
    double outbox_bytes = 0;
};

[[nodiscard]] activity activity_between(metrics_page const& before, metrics_page const& now, double seconds);
[[nodiscard]] boost::json::object json_of(activity const& a);
[[nodiscard]] std::string screen_of(activity const& a, output const& out);

[[nodiscard]] attempt<exit_code> top(http_client& admin, top_arguments const& arguments, output& out);

}  // namespace fulmar::cli
