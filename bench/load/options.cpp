#include "bench/load/options.hpp"

#include "bench/load/profile.hpp"

#include <CLI/CLI.hpp>

#include <optional>

namespace fulmar::load {

namespace {

constexpr char const* help_footer = R"(Examples:
  fulmar bench fanout -S 1000 --payload 1024 --pid $(pidof fulmar)     processor time per delivery
  fulmar bench latency --rate 500 --html latency.html                  percentiles to p99.99, as a page with plots
  fulmar bench pairs --qos 1 --protocol mqtt-ws
  fulmar bench fanout --protocol pusher --key KEY --secret SECRET --app-id 1
  fulmar bench fanout --protocol sse --user KEY --password SECRET
  fulmar bench fanin --protocol rest -P 8                              requests per second, nobody listens
  fulmar bench mixed --profile telemetry --scale 0.5
  fulmar bench mixed --profile my.toml                                 bench/README.md says what is in it
  fulmar bench idle -N 10000 --pid $(pidof fulmar)                     memory per connection
  fulmar bench offline --restart-command ./restart-the-broker          is everything still there?

Every payload carries publisher, number, time and checksum, and every delivery is checked while it is measured.
Without --rate the loop is closed: a publisher has a window of messages that not all receivers have. With --rate, latency
counts from the time at which a message should have been sent, so that a stall of the broker is not hidden.

The generator needs about as much processor time per delivery as a fast broker. It prints its own: when it uses a whole
processor, read "broker cpu per delivery" (with --pid), not throughput.

Exit codes: 0 measured and proven; 1 something was lost, double, out of order, corrupt or refused; 2 could not measure.)";

// What is looked at once everything is parsed.
struct raw_options
{
    std::string protocol = "mqtt";
    std::string publish_protocol;
    int version = 4;
    std::optional<std::uint16_t> port;
    std::optional<std::uint16_t> publish_port;
    std::string publish_path;
};

void add_connection_options(CLI::App& app, options& o, raw_options& raw)
{
    app.add_option("--host", o.broker.host, "Broker's IPv4 address")->capture_default_str();
    app.add_option("--port", raw.port,
                   "Broker's port [1883; 8080 over WebSocket and HTTP; with --tls 8883, 8443; gRPC 50051]");
    app.add_option(
           "--protocol", raw.protocol,
           "mqtt, mqtt-ws (WebSocket), pusher, sse (with REST publishers), rest (publishers only), grpc, socket.io")
        ->check(CLI::IsMember({"mqtt", "mqtt-ws", "pusher", "sse", "rest", "grpc", "socket.io"}))
        ->capture_default_str();
    app.add_option("--publish-protocol", raw.publish_protocol,
                   "What publishers speak, if not the same: mqtt, mqtt-ws, pusher-http, rest or grpc")
        ->check(CLI::IsMember({"mqtt", "mqtt-ws", "pusher-http", "rest", "grpc"}));
    app.add_option("--publish-port", raw.publish_port, "Publishers' port, if not the same");
    app.add_option("--mqtt-version", raw.version, "4 (MQTT 3.1.1) or 5")
        ->check(CLI::IsMember({4, 5}))
        ->capture_default_str();
    app.add_flag("--tls", o.broker.tls, "Over TLS (certificates are verified only with --ca)");
    app.add_option("--ca", o.broker.ca_file, "Authorities that sign the broker's certificate, PEM")->type_name("FILE");
    app.add_option("--path", o.broker.path, "Path of WebSocket or /sse; {topic} and {qos} are filled in");
    app.add_option("--publish-path", raw.publish_path, "Path of REST publishes; {topic} and {qos} are filled in");
    app.add_option("--user", o.user, "User name; REST, SSE and gRPC: or an app's key");
    app.add_option("--password", o.password, "Password; REST, SSE and gRPC: or an app's secret");
    app.add_option("--token", o.broker.token, "REST, SSE and gRPC: bearer token");
    app.add_option("--app-id", o.broker.app_id, "Pusher: app")->capture_default_str();
    app.add_option("--key", o.broker.key, "Pusher: the app's key")->capture_default_str();
    app.add_option("--secret", o.broker.secret, "Pusher: the app's secret, which signs requests")
        ->capture_default_str();
    app.add_option("--pipeline", o.broker.pipeline, "HTTP and gRPC publishers: requests without an answer yet")
        ->check(CLI::Range(1, 1'000))
        ->capture_default_str();
    app.add_option("--topic", o.topic, "First level of all topics")->capture_default_str();
    app.add_option("--parallel", o.parallel, "Connections on their way at a time")->capture_default_str();
}

void add_measuring_options(CLI::App& app, options& o)
{
    app.add_option("--pid", o.pid, "Broker's process id: measures its processor time and memory");
    app.add_option("--pin", o.pin, "Pins the load generator to this processor");
    app.add_flag("--json", o.json, "Prints the result as one JSON object");
    app.add_option("--html", o.html, "Writes a page with plots, complete in one file")->type_name("FILE");
    app.add_flag("--quiet", o.quiet, "No progress line");
    app.add_option("--duration", o.duration_s, "Seconds measured")->capture_default_str();
    app.add_option("--warmup", o.warmup_s, "Seconds before measuring")->capture_default_str();
}

void add_traffic_options(CLI::App& sub, options& o)
{
    sub.add_option("--publishers,-P", o.publishers, "Number of publishers")->capture_default_str();
    sub.add_option("--subscribers,-S", o.subscribers, "Number of subscribers")->capture_default_str();
    sub.add_option("--payload", o.payload_bytes, "Payload bytes, at least 24; 48 where payloads are text")
        ->check(CLI::Range(24, 16 * 1024 * 1024))
        ->capture_default_str();
    sub.add_option("--qos", o.qos, "Quality of service of publishers and subscribers")
        ->check(CLI::Range(0, 2))
        ->capture_default_str();
    sub.add_option("--window,-W", o.window, "Messages of one publisher on their way at a time")
        ->check(CLI::Range(1, 60'000))
        ->capture_default_str();
    sub.add_option("--rate", o.rate,
                   "Publishes per second in all instead of a window; latency counts from the intended time")
        ->capture_default_str();
}

void add_mixed_options(CLI::App& sub, options& o)
{
    sub.add_option("--profile", o.profile, "One of " + profile_names() + ", or a file")->capture_default_str();
    sub.add_option("--scale", o.scale, "Multiplies the number of topics, and so of clients")
        ->check(CLI::Range(0.001, 1000.0))
        ->capture_default_str();
}

void add_scenarios(CLI::App& app, options& o)
{
    auto const add = [&](scenario s, char const* what) {
        auto* const sub = app.add_subcommand(to_string(s), what);
        sub->callback([&o, s] { o.which = s; });
        return sub;
    };
    add_traffic_options(*add(scenario::fanout, "Every message goes to all subscribers"), o);
    add_traffic_options(*add(scenario::pairs, "Publisher i to subscriber i on a topic of their own (-S pairs)"), o);
    add_traffic_options(*add(scenario::fanin, "All publishers to one subscriber"), o);
    add_traffic_options(
        *add(scenario::durable, "Publishers with a window of unacknowledged messages, one durable subscriber"), o);
    add_traffic_options(*add(scenario::latency, "Fan-out at a fixed rate"), o);

    add_mixed_options(*add(scenario::mixed, "A described workload of several kinds of messages at their own rates"), o);

    auto* const offline = add(scenario::offline, "Durable sessions miss messages, come back and are sent them");
    offline->add_option("--sessions,-S", o.subscribers, "Durable sessions")->capture_default_str();
    offline->add_option("--publishers,-P", o.publishers, "Number of publishers")->capture_default_str();
    offline->add_option("--messages", o.messages, "Messages published in all while the sessions are offline")
        ->capture_default_str();
    offline->add_option("--payload", o.payload_bytes, "Payload bytes, at least 24")
        ->check(CLI::Range(24, 16 * 1024 * 1024));
    offline->add_option("--window,-W", o.window, "Unacknowledged messages of one publisher")
        ->check(CLI::Range(1, 60'000));
    offline->add_option("--returning", o.returning, "Sessions that come back, at most")->capture_default_str();
    offline->add_option("--restart-command", o.restart_command,
                        "Run between enqueue and replay; it restarts the broker and prints the new process id");

    auto const add_channels = [&o](CLI::App& sub) {
        sub.add_option("--channels", o.channels, "Pusher: subscriptions of each client")
            ->check(CLI::Range(1, 1'000))
            ->capture_default_str();
        sub.add_option("--presence-members", o.presence_members,
                       "Pusher: one of them is a presence channel with so many members; 0: none is")
            ->capture_default_str();
    };
    auto* const idle = add(scenario::idle, "Memory of connections with one subscription that do nothing");
    idle->add_option("--clients,-N", o.clients, "Connections")->capture_default_str();
    idle->add_flag("--durable-sessions", o.durable_sessions, "Sessions that outlive the connection");
    add_channels(*idle);

    auto* const storm = add(scenario::storm, "All clients connect and subscribe at once");
    storm->add_option("--clients,-N", o.clients, "Connections")->capture_default_str();
    storm->add_option("--rounds", o.rounds, "How often")->capture_default_str();
    storm
        ->add_option(
            "--missed", o.missed,
            "Messages that each client then gets: of a history that --path asks for, or of its durable session")
        ->capture_default_str();
    storm->add_flag(
        "--durable-sessions", o.durable_sessions,
        "MQTT and Pusher: clients come back to sessions, for which --missed messages were published meanwhile");
    add_channels(*storm);

    auto* const churn = add(scenario::churn, "Clients that connect, subscribe and leave, over and over");
    churn->add_option("--clients,-N", o.clients, "Clients at a time")->capture_default_str();
    add_channels(*churn);
}

// What a scenario means by default where that differs from the others.
void fill_in(options& o, raw_options const& raw, CLI::App const& sub)
{
    auto const said = [&](char const* name) {
        auto const* const option = sub.get_option_no_throw(name);
        return option != nullptr && option->count() > 0;
    };
    auto const many_publishers =
        o.which == scenario::fanin || o.which == scenario::durable || o.which == scenario::offline;
    if (many_publishers && !said("--publishers"))
        o.publishers = 100;
    if (o.which == scenario::storm)
        o.publishers = 8;
    if (o.which == scenario::pairs)
        o.publishers = o.subscribers;
    if ((o.which == scenario::fanin || o.which == scenario::durable) && !said("--subscribers"))
        o.subscribers = 1;
    if (o.which == scenario::durable && !said("--qos"))
        o.qos = 1;
    if ((o.which == scenario::durable || o.which == scenario::offline) && !said("--window"))
        o.window = 20;
    if (o.which == scenario::offline && !said("--sessions"))
        o.subscribers = 1'000;
    if (o.which == scenario::latency && o.rate <= 0)
        o.rate = 500;
    if (raw.protocol == "rest" && !said("--subscribers"))
        o.subscribers = 0;
    if (o.which == scenario::churn && !said("--clients"))
        o.clients = 100;
}

protocol protocol_named(std::string const& name)
{
    for (auto const p : {protocol::mqtt, protocol::mqtt_ws, protocol::pusher, protocol::pusher_http, protocol::sse,
                         protocol::rest, protocol::socket_io, protocol::grpc}) {
        if (name == to_string(p))
            return p;
    }
    throw CLI::ValidationError("--protocol", "there is no protocol " + name);
}

std::uint16_t usual_port(broker_address const& address)
{
    if (address.speaks == protocol::mqtt)
        return address.tls ? 8883 : 1883;
    if (address.speaks == protocol::grpc)
        return 50051;
    return address.tls ? 8443 : 8080;
}

void fill_in_addresses(options& o, raw_options const& raw)
{
    auto speaks = protocol_named(raw.protocol);
    o.broker.v5 = raw.version == 5;
    o.broker.user = o.user;
    o.broker.password = o.password;
    o.publishing = o.broker;
    o.publishing.path = raw.publish_path;
    o.publishing.speaks = raw.publish_protocol.empty() ? publishing_for(speaks) : protocol_named(raw.publish_protocol);
    o.broker.speaks = speaks == protocol::rest ? protocol::sse : speaks;
    if (o.publishing.speaks == o.broker.speaks && raw.publish_path.empty())
        o.publishing.path = o.broker.path;
    o.broker.port = raw.port.value_or(usual_port(o.broker));
    auto const one_port = raw.port && (o.publishing.speaks == protocol::mqtt) == (o.broker.speaks == protocol::mqtt);
    o.publishing.port = raw.publish_port.value_or(one_port ? *raw.port : usual_port(o.publishing));
}

void refuse(std::string const& what) { throw CLI::ValidationError("impossible", what); }

// What a protocol cannot do is said before anything connects.
void check_fit(options const& o)
{
    auto const p = o.broker.speaks;
    auto const durable = o.which == scenario::durable || o.which == scenario::offline || o.durable_sessions;
    auto const pusher_sessions = o.which == scenario::storm && p == protocol::pusher;
    if (durable && !pusher_sessions && !(speaks_mqtt(p) && speaks_mqtt(o.publishing.speaks)))
        refuse("durable sessions are MQTT's: use --protocol mqtt or mqtt-ws");
    if (o.which == scenario::fanin && o.subscribers > 0 && o.publishing.speaks == protocol::pusher_http)
        refuse("Pusher's channels have no levels, which the wildcard of fanin needs");
    if (o.which == scenario::fanin && o.subscribers > 0 && !has_wildcards(p))
        refuse(std::string{to_string(p)} + " has no wildcards, which fanin needs");
    if (p != protocol::pusher && (o.channels != 1 || o.presence_members != 0))
        refuse("several subscriptions and presence channels are measured with --protocol pusher");
    if (o.subscribers == 0 && o.publish_qos() == 0)
        refuse("without subscribers publishes must be acknowledged: use --qos 1");
    if (!speaks_mqtt(p) && o.qos > 1)
        refuse(std::string{to_string(p)} + " has no QoS 2");
    auto const least = o.text() ? text_stamp_bytes : stamp_bytes;
    if (o.payload_bytes < least)
        refuse("--payload must be at least " + std::to_string(least) + " here");
}

}  // namespace

char const* to_string(scenario s) noexcept
{
    switch (s) {
    case scenario::fanout: return "fanout";
    case scenario::pairs: return "pairs";
    case scenario::fanin: return "fanin";
    case scenario::durable: return "durable";
    case scenario::latency: return "latency";
    case scenario::mixed: return "mixed";
    case scenario::offline: return "offline";
    case scenario::idle: return "idle";
    case scenario::storm: return "storm";
    case scenario::churn: return "churn";
    }
    return "unknown";
}

options parse_options(int argc, char** argv, char const* program)
{
    options o;
    raw_options raw;
    CLI::App app{"Measures a broker over any of its protocols and verifies every delivery while doing so."};
    app.name(program);
    app.footer(help_footer);
    app.require_subcommand(1);
    app.fallthrough();
    add_connection_options(app, o, raw);
    add_measuring_options(app, o);
    add_scenarios(app, o);
    try {
        app.parse(argc, argv);
        fill_in(o, raw, *app.get_subcommand(to_string(o.which)));
        fill_in_addresses(o, raw);
        check_fit(o);
    } catch (CLI::ParseError const& error) {
        if (app.exit(error) == 0)
            std::exit(0);
        throw;
    }
    return o;
}

}  // namespace fulmar::load
