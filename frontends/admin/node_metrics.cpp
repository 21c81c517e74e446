#include "frontends/admin/node_metrics.hpp"

#include "broker/retained_index.hpp"
#include "broker/shard.hpp"
#include "frontends/admin/node_totals.hpp"
#include "frontends/admin/resource_usage.hpp"

namespace fulmar::admin {

namespace {

using broker::node_context;
using metrics = broker::shard_metrics;

constexpr std::array<char const*, 4> transport_names{"tcp", "tls", "websocket", "websocket_tls"};
static_assert(transport_names.size() == static_cast<std::size_t>(broker::transport::count));

// A total that has no labels: one row each.
struct plain_metric
{
    char const* name;
    char const* help;
    broker::counter metrics::*what;
};

constexpr plain_metric plain_counters[] = {
    {"fulmar_connections_refused_total", "Connections refused by a limit.", &metrics::connections_refused},
    {"fulmar_connect_failures_total", "CONNECT packets answered with an error.", &metrics::connect_failures},
    {"fulmar_protocol_errors_total", "Connections closed for malformed packets or broken rules.",
     &metrics::protocol_errors},
    {"fulmar_keep_alive_timeouts_total", "Connections closed because their keep-alive ran out.",
     &metrics::keep_alive_timeouts},
    {"fulmar_slow_consumers_closed_total", "Connections closed because they did not read fast enough.",
     &metrics::slow_consumers_closed},
    {"fulmar_takeovers_total", "Sessions taken over by another connection of the same client id.", &metrics::takeovers},
    {"fulmar_received_bytes_total", "Bytes received from sockets.", &metrics::bytes_in},
    {"fulmar_sent_bytes_total", "Bytes sent to sockets.", &metrics::bytes_out},
    {"fulmar_publishes_refused_total", "Publishes refused: not authorized, over a quota, or the store failed.",
     &metrics::publishes_refused},
    {"fulmar_socket_sends_total", "System calls that sent something.", &metrics::sends},
    {"fulmar_socket_sends_short_total", "System calls that could not send everything.", &metrics::sends_short},
    {"fulmar_loop_turns_total", "Turns of the event loops that sent something.", &metrics::turns},
    {"fulmar_mailbox_batches_total", "Batches handed from one shard to another.", &metrics::mailbox_batches},
    {"fulmar_mailbox_items_total", "Items in those batches.", &metrics::mailbox_items},
    {"fulmar_log_reads_total", "Pages of queued messages asked from the store.", &metrics::log_reads},
};

constexpr plain_metric plain_gauges[] = {
    {"fulmar_sessions", "Sessions known, connected or not.", &metrics::sessions},
    {"fulmar_sessions_durable", "Of them, those that survive a restart.", &metrics::sessions_durable},
    {"fulmar_subscriptions", "Subscriptions of all sessions.", &metrics::subscriptions},
    {"fulmar_shared_groups", "Shared subscription groups, counted on each shard that has members.",
     &metrics::shared_groups},
    {"fulmar_outbox_bytes", "Bytes that wait for sockets.", &metrics::outbox_bytes},
};

void write_connections(node_context const& node, metric_writer& out)
{
    auto const open = each_once(totals(node, &metrics::connections));
    for (std::size_t i = 0; i < open.size(); ++i)
        out.gauge("fulmar_connections", "Open connections.", static_cast<double>(open[i]),
                  {{"transport", transport_names[i]}});
    auto const opened = each_once(totals(node, &metrics::connections_total));
    for (std::size_t i = 0; i < opened.size(); ++i)
        out.counter("fulmar_connections_opened_total", "Connections opened since the start.",
                    static_cast<double>(opened[i]), {{"transport", transport_names[i]}});
}

void write_messages(node_context const& node, metric_writer& out)
{
    auto const received = totals(node, &metrics::messages_in);
    for (std::size_t i = 0; i < received.size(); ++i)
        out.counter("fulmar_messages_received_total", "Messages published by clients.",
                    static_cast<double>(received[i]), {{"protocol", "mqtt"}, {"qos", std::to_string(i)}});
    auto const sent = totals(node, &metrics::messages_out);
    for (std::size_t i = 0; i < sent.size(); ++i)
        out.counter("fulmar_messages_sent_total", "Messages delivered to clients, by effective QoS.",
                    static_cast<double>(sent[i]), {{"protocol", "mqtt"}, {"qos", std::to_string(i)}});
    out.counter("fulmar_packets_received_total", "Protocol packets received.",
                static_cast<double>(total(node, &metrics::packets_in)), {{"protocol", "mqtt"}});
    out.counter("fulmar_packets_sent_total", "Protocol packets sent.",
                static_cast<double>(total(node, &metrics::packets_out)), {{"protocol", "mqtt"}});
    auto const dropped = totals(node, &metrics::dropped);
    for (std::size_t i = 0; i < dropped.size(); ++i)
        out.counter("fulmar_messages_dropped_total", "Messages that did not reach somebody who wanted them.",
                    static_cast<double>(dropped[i]), {{"reason", to_string(static_cast<broker::drop_reason>(i))}});
    out.counter("fulmar_delivery_plans_total", "Look-ups of who gets a topic.",
                static_cast<double>(total(node, &metrics::plan_hits)), {{"result", "hit"}});
    out.counter("fulmar_delivery_plans_total", "", static_cast<double>(total(node, &metrics::plan_misses)),
                {{"result", "miss"}});
}

void write_store(node_context const& node, metric_writer& out)
{
    out.gauge("fulmar_retained_messages", "Retained messages.", static_cast<double>(node.retained.size()));
    out.gauge("fulmar_retained_bytes", "Memory of retained messages.", static_cast<double>(node.retained.bytes()));
    auto const state = node.store.state();
    out.gauge("fulmar_store_state", "1 for the state the store is in.", state == broker::store_state::healthy ? 1 : 0,
              {{"state", "healthy"}});
    out.gauge("fulmar_store_state", "", state == broker::store_state::full ? 1 : 0, {{"state", "full"}});
    out.gauge("fulmar_store_state", "", state == broker::store_state::failed ? 1 : 0, {{"state", "failed"}});
    out.gauge("fulmar_store_pending_bytes", "Bytes handed to the store and not yet committed.",
              static_cast<double>(node.store.pending_bytes()));
    out.gauge("fulmar_log_last_sequence", "Position of the newest message in the log.",
              static_cast<double>(node.store.last_committed()));
    out.gauge("fulmar_log_low_water", "Everything up to this position has been removed from the log.",
              static_cast<double>(node.store.low_water()));
}

void write_shards(node_context const& node, metric_writer& out)
{
    auto const each = [&](char const* name, char const* help, broker::counter metrics::*what) {
        for (auto const& shard : node.shards)
            out.gauge(name, help, static_cast<double>((std::as_const(*shard).metrics().*what).get()) / 1e6,
                      {{"shard", std::to_string(shard->id())}});
    };
    each("fulmar_loop_lag_seconds", "How late the loop of a shard was at its latest measurement.",
         &metrics::loop_lag_us);
    each("fulmar_loop_lag_max_seconds", "The same, at its worst since the start.", &metrics::loop_lag_us_max);
}

void write_usage(metric_writer& out)
{
    auto const usage = current_usage();
    out.gauge("fulmar_process_resident_memory_bytes", "Resident memory.", static_cast<double>(usage.resident_bytes));
    out.counter("fulmar_process_cpu_seconds_total", "User and system time spent.", usage.cpu_seconds);
    out.gauge("fulmar_process_open_fds", "Open file descriptors.", static_cast<double>(usage.open_descriptors));
    out.gauge("fulmar_process_max_fds", "File descriptors that may be open.",
              static_cast<double>(usage.descriptors_max));
}

}  // namespace

void write_node_metrics(node_context const& node, metric_writer& out)
{
    write_connections(node, out);
    write_messages(node, out);
    for (auto const& row : plain_counters)
        out.counter(row.name, row.help, static_cast<double>(total(node, row.what)));
    for (auto const& row : plain_gauges)
        out.gauge(row.name, row.help, static_cast<double>(total(node, row.what)));
    write_store(node, out);
    write_shards(node, out);
    write_usage(out);
}

}  // namespace fulmar::admin
