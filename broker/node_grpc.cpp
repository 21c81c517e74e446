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
    auto const& listeners = settings_.listeners;
    if (!listeners.grpc.enabled && !listeners.grpcs.enabled)
        return;
    grpc_ = std::make_unique<grpc::grpc_frontend>(*context_, http_->access(), pusher_->presence(),
                                                  grpc_options_of(settings_));
    try {
        grpc_->start(listeners.grpcs.enabled ? std::optional{tls_of(settings_.tls)} : std::nullopt);
    } catch (std::exception const& problem) {
        throw start_failure{static_cast<int>(exit_code::listen), problem.what()};
    }
    auto const service = [this](bool secure) {
        auto made = make_service([this, secure](net::wire& wire) { return grpc_->make_protocol(wire, secure); }, false);
        made->tls_by_borrower = secure;
        return made;
    };
    listen("grpc", listeners.grpc, service(false), true);
    listen("grpcs", listeners.grpcs, service(true), true);
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
