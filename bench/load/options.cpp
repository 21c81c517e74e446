#include "bench/load/options.hpp"

#include <CLI/CLI.hpp>

namespace fulmar::load {

namespace {

void add_connection_options(CLI::App& app, options& o, std::string& protocol, int& version)
{
    app.add_option("--host", o.broker.host, "Broker's IPv4 address")->capture_default_str();
    app.add_option("--port", o.broker.port, "Broker's port")->capture_default_str();
    app.add_option("--protocol", protocol, "mqtt (TCP) or mqtt-ws (WebSocket)")
        ->check(CLI::IsMember({"mqtt", "mqtt-ws"}))
        ->capture_default_str();
    app.add_option("--mqtt-version", version, "4 (MQTT 3.1.1) or 5")
        ->check(CLI::IsMember({4, 5}))
        ->capture_default_str();
    app.add_option("--path", o.broker.path, "WebSocket path")->capture_default_str();
    app.add_option("--user", o.user, "User name");
    app.add_option("--password", o.password, "Password");
    app.add_option("--topic", o.topic, "First level of all topics")->capture_default_str();
    app.add_option("--parallel", o.parallel, "Connections on their way at a time")->capture_default_str();
}

void add_measuring_options(CLI::App& app, options& o)
{
    app.add_option("--pid", o.pid, "Broker's process id: measures its processor time and memory");
    app.add_option("--pin", o.pin, "Pins the load generator to this processor");
    app.add_flag("--json", o.json, "Prints the result as one JSON object");
    app.add_flag("--quiet", o.quiet, "No progress line");
    app.add_option("--duration", o.duration_s, "Seconds measured")->capture_default_str();
    app.add_option("--warmup", o.warmup_s, "Seconds before measuring")->capture_default_str();
}

void add_traffic_options(CLI::App& sub, options& o)
{
    sub.add_option("--publishers,-P", o.publishers, "Number of publishers")->capture_default_str();
    sub.add_option("--subscribers,-S", o.subscribers, "Number of subscribers")->capture_default_str();
    sub.add_option("--payload", o.payload_bytes, "Payload bytes, at least 24")
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

    auto* const idle = add(scenario::idle, "Memory of connections with one subscription that do nothing");
    idle->add_option("--clients,-N", o.clients, "Connections")->capture_default_str();
    idle->add_flag("--durable-sessions", o.durable_sessions, "Sessions that outlive the connection");

    auto* const storm = add(scenario::storm, "All clients connect and subscribe at once");
    storm->add_option("--clients,-N", o.clients, "Connections")->capture_default_str();
    storm->add_option("--rounds", o.rounds, "How often")->capture_default_str();

    auto* const churn = add(scenario::churn, "Clients that connect, subscribe and leave, over and over");
    churn->add_option("--clients,-N", o.clients, "Clients at a time")->capture_default_str();
}

// What a scenario means by default where that differs from the others.
void fill_in(options& o, CLI::App const& sub)
{
    auto const said = [&](char const* name) {
        auto const* const option = sub.get_option_no_throw(name);
        return option != nullptr && option->count() > 0;
    };
    auto const many_publishers =
        o.which == scenario::fanin || o.which == scenario::durable || o.which == scenario::offline;
    if (many_publishers && !said("--publishers"))
        o.publishers = 100;
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
    if (o.which == scenario::churn && !said("--clients"))
        o.clients = 100;
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
    case scenario::offline: return "offline";
    case scenario::idle: return "idle";
    case scenario::storm: return "storm";
    case scenario::churn: return "churn";
    }
    return "unknown";
}

options parse_options(int argc, char** argv)
{
    options o;
    std::string protocol = "mqtt";
    int version = 4;
    CLI::App app{"Measures an MQTT broker and verifies every delivery while doing so."};
    app.require_subcommand(1);
    app.fallthrough();
    add_connection_options(app, o, protocol, version);
    add_measuring_options(app, o);
    add_scenarios(app, o);
    try {
        app.parse(argc, argv);
    } catch (CLI::ParseError const& error) {
        if (app.exit(error) == 0)
            std::exit(0);
        throw;
    }
    o.broker.websocket = protocol == "mqtt-ws";
    o.broker.v5 = version == 5;
    fill_in(o, *app.get_subcommand(to_string(o.which)));
    return o;
}

}  // namespace fulmar::load
