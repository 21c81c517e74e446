// gRPC, put together: its limits, its addresses, its metrics.
#include "broker/node_grpc.hpp"

#include "broker/node.hpp"
#include "broker/node_http.hpp"
#include "broker/node_pusher.hpp"
#include "broker/server.hpp"

#include <algorithm>

namespace fulmar {

namespace {

[[nodiscard]] grpc::grpc_options grpc_options_of(broker::settings const& s)
{
    grpc::grpc_options made;
    made.event_bytes_max = s.http.event_bytes_max;
    // One message of the greatest size always fits, with everything that goes with it.
    made.message_bytes_max = std::max<std::size_t>(made.message_bytes_max, made.event_bytes_max + 128 * 1024);
    made.publish_window = s.grpc.publish_window;
    made.topics_max = s.http.topics_per_stream;
    made.calls_max = s.grpc.calls_max;
    made.calls_per_connection = s.grpc.calls_per_connection;
    made.keep_alive = s.grpc.keep_alive;
    made.retain_available = s.mqtt.retain_available;
    made.loopback_known = s.proxy_protocol.trusted.empty();
    return made;
}

[[nodiscard]] grpc::call_server_tls tls_of(broker::tls_settings const& s)
{
    grpc::call_server_tls made;
    made.certificate = s.cert;
    made.key = s.key;
    if (s.client_certificates != broker::client_certificates::no)
        made.client_ca = s.client_ca;
    made.client_certificate_required = s.client_certificates == broker::client_certificates::required;
    return made;
}

}  // namespace

void node::build_grpc()
{
    struct row
    {
        char const* name;
        broker::listener_settings const* where;
        bool secure;
    };
    std::vector<row> wanted;
    for (auto const& each :
         {row{"grpc", &settings_.listeners.grpc, false}, row{"grpcs", &settings_.listeners.grpcs, true}})
        if (each.where->enabled)
            wanted.push_back(each);
    if (wanted.empty())
        return;
    grpc_ = std::make_unique<grpc::grpc_frontend>(*context_, http_->access(), pusher_->presence(),
                                                  grpc_options_of(settings_));
    for (auto const& each : wanted) {
        if (each.secure)
            grpc_->listen(each.where->address, each.where->port, tls_of(settings_.tls));
        else
            grpc_->listen(each.where->address, each.where->port);
    }
    auto const ports = grpc_->start();
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        auto const& where = *wanted[i].where;
        if (ports[i] == 0)
            throw start_failure{static_cast<int>(exit_code::listen), std::string{"listeners."} + wanted[i].name +
                                                                         ": cannot listen on " + where.address + ":" +
                                                                         std::to_string(where.port)};
        bound_.push_back({wanted[i].name, where.address, ports[i]});
    }
}

void write_grpc_metrics(grpc::grpc_frontend const& calls, admin::metric_writer& out)
{
    struct row
    {
        char const* name;
        char const* help;
        broker::counter grpc::call_metrics::*what;
    };
    constexpr row rows[] = {
        {"fulmar_grpc_calls_total", "gRPC calls opened", &grpc::call_metrics::opened},
        {"fulmar_grpc_failed_total", "gRPC calls that the broker ended with an error", &grpc::call_metrics::failed},
        {"fulmar_grpc_published_total", "Messages published over gRPC", &grpc::call_metrics::published},
        {"fulmar_grpc_replayed_total", "Messages that gRPC streams read from the log", &grpc::call_metrics::replayed},
        {"fulmar_grpc_gaps_total", "gRPC clients told that something is missing", &grpc::call_metrics::gaps},
        {"fulmar_grpc_slow_closed_total", "gRPC streams ended because the client did not read",
         &grpc::call_metrics::slow},
    };
    for (auto const& each : rows)
        out.counter(each.name, each.help, static_cast<double>(calls.total(each.what)));
    out.gauge("fulmar_grpc_calls", "gRPC calls open now", static_cast<double>(calls.server().open_calls()));
    out.counter("fulmar_grpc_calls_refused_total", "gRPC calls refused because too many are open",
                static_cast<double>(calls.server().refused_calls()));
}

}  // namespace fulmar
