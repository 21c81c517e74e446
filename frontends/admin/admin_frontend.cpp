#include "frontends/admin/admin_frontend.hpp"

#include "broker/retained_index.hpp"
#include "broker/shard.hpp"
#include "frontends/admin/node_metrics.hpp"
#include "frontends/admin/node_totals.hpp"
#include "frontends/admin/resource_usage.hpp"

#include <array>
#include <cstdio>

namespace fulmar::admin {

namespace {

using metrics_of_shard = broker::shard_metrics;

// A JSON object, written member by member.
class json_object
{
public:
    json_object& text(std::string_view name, std::string_view value)
    {
        member(name);
        quote(value);
        return *this;
    }
    template <class Number>
    json_object& number(std::string_view name, Number value)
    {
        member(name);
        out_ += std::to_string(value);
        return *this;
    }
    json_object& raw(std::string_view name, std::string_view json)
    {
        member(name);
        out_ += json;
        return *this;
    }
    json_object& list(std::string_view name, std::vector<std::string> const& values)
    {
        member(name);
        out_ += '[';
        for (auto const& value : values) {
            out_ += &value == values.data() ? "" : ",";
            quote(value);
        }
        out_ += ']';
        return *this;
    }
    [[nodiscard]] std::string done() const { return out_ + "}"; }

private:
    void member(std::string_view name)
    {
        out_ += out_.size() == 1 ? "" : ",";
        quote(name);
        out_ += ':';
    }
    void quote(std::string_view text)
    {
        out_ += '"';
        for (auto const c : text) {
            if (c == '"' || c == '\\') {
                out_ += '\\';
                out_ += c;
            } else if (static_cast<unsigned char>(c) < 0x20) {
                std::array<char, 8> escape{};
                std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
                out_ += escape.data();
            } else {
                out_ += c;
            }
        }
        out_ += '"';
    }

    std::string out_ = "{";
};

[[nodiscard]] char const* name_of(broker::store_state state) noexcept
{
    switch (state) {
    case broker::store_state::healthy: return "healthy";
    case broker::store_state::full: return "full";
    case broker::store_state::failed: return "failed";
    }
    return "unknown";
}

[[nodiscard]] std::string shard_list(broker::node_context const& node)
{
    std::string list = "[";
    for (auto const& shard : node.shards) {
        auto const& m = std::as_const(*shard).metrics();
        list += list.size() == 1 ? "" : ",";
        list += json_object{}
                    .number("id", shard->id())
                    .number("sessions", m.sessions.get())
                    .number("subscriptions", m.subscriptions.get())
                    .number("outbox_bytes", m.outbox_bytes.get())
                    .number("loop_lag_us", m.loop_lag_us.get())
                    .number("loop_lag_us_max", m.loop_lag_us_max.get())
                    .done();
    }
    return list + "]";
}

[[nodiscard]] net::http_response json_response(unsigned status, std::string body)
{
    return {status, "application/json", {{"Cache-Control", "no-store"}}, std::move(body) + "\n"};
}

}  // namespace

admin_frontend::admin_frontend(broker::node_context const& node, admin_options options)
    : node_(node), options_(std::move(options)), started_(std::chrono::steady_clock::now())
{
    if (options_.loopback_only)
        settings_.allowed_hosts = {"localhost", "127.0.0.1", "[::1]"};
    settings_.backlog_bytes_max = node.limits.outbox_bytes;
    add_routes();
}

void admin_frontend::add_routes()
{
    routes_.get("/metrics", [this](net::http_request const&) {
        return net::http_response{200, "text/plain; version=0.0.4; charset=utf-8", {}, metrics()};
    });
    routes_.get("/healthz", [](net::http_request const&) { return net::plain_response(200, "ok"); });
    routes_.get("/readyz", [this](net::http_request const&) { return readiness(); });
    routes_.get("/status", [this](net::http_request const&) { return json_response(200, status()); });
}

std::unique_ptr<net::protocol> admin_frontend::make_protocol(net::wire& connection) const
{
    return net::make_http_protocol(connection, routes_, settings_);
}

std::vector<std::string> admin_frontend::obstacles() const
{
    std::vector<std::string> why;
    if (phase_ == phase::starting)
        why.emplace_back("starting");
    if (phase_ == phase::draining)
        why.emplace_back("draining");
    if (auto const state = node_.store.state(); state != broker::store_state::healthy)
        why.push_back(std::string{"store "} + name_of(state));
    return why;
}

net::http_response admin_frontend::readiness() const
{
    auto const why = obstacles();
    return json_response(why.empty() ? 200 : 503,
                         json_object{}.raw("ready", why.empty() ? "true" : "false").list("reasons", why).done());
}

std::string admin_frontend::metrics() const
{
    metric_writer out;
    out.gauge("fulmar_build_info", "1, labelled with the version.", 1, {{"version", options_.version}});
    auto const up = std::chrono::steady_clock::now() - started_;
    out.gauge("fulmar_uptime_seconds", "Seconds since the start.", std::chrono::duration<double>(up).count());
    out.gauge("fulmar_ready", "1 if /readyz says so.", obstacles().empty() ? 1 : 0);
    write_node_metrics(node_, out);
    for (auto const& source : sources_)
        source(out);
    return out.take();
}

std::string admin_frontend::status() const
{
    auto const why = obstacles();
    auto const open = each_once(totals(node_, &metrics_of_shard::connections));
    auto const usage = current_usage();
    auto const up = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started_);
    return json_object{}
        .text("name", node_.node_name)
        .text("version", options_.version)
        .number("uptime_s", up.count())
        .raw("ready", why.empty() ? "true" : "false")
        .list("reasons", why)
        .raw("connections", json_object{}
                                .number("tcp", open[0])
                                .number("tls", open[1])
                                .number("websocket", open[2])
                                .number("websocket_tls", open[3])
                                .done())
        .number("sessions", total(node_, &metrics_of_shard::sessions))
        .number("sessions_durable", total(node_, &metrics_of_shard::sessions_durable))
        .number("subscriptions", total(node_, &metrics_of_shard::subscriptions))
        .number("messages_received", sum_of(totals(node_, &metrics_of_shard::messages_in)))
        .number("messages_sent", sum_of(totals(node_, &metrics_of_shard::messages_out)))
        .number("messages_dropped", sum_of(totals(node_, &metrics_of_shard::dropped)))
        .raw("retained",
             json_object{}.number("messages", node_.retained.size()).number("bytes", node_.retained.bytes()).done())
        .raw("store", json_object{}
                          .text("state", name_of(node_.store.state()))
                          .number("last_sequence", node_.store.last_committed())
                          .number("low_water", node_.store.low_water())
                          .number("pending_bytes", node_.store.pending_bytes())
                          .done())
        .raw("process", json_object{}
                            .number("resident_bytes", usage.resident_bytes)
                            .number("cpu_seconds", usage.cpu_seconds)
                            .number("open_descriptors", usage.open_descriptors)
                            .done())
        .raw("shards", shard_list(node_))
        .done();
}

}  // namespace fulmar::admin
