#include "broker/server.hpp"

#include "broker/development_app.hpp"
#include "broker/log.hpp"
#include "broker/node.hpp"

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <fstream>

namespace fulmar {

using namespace std::chrono_literals;

namespace {

constexpr auto drain_patience = 10s;

void write_ports(std::string const& path, std::vector<node::bound_listener> const& listening)
{
    std::string text = "{";
    for (auto const& bound : listening)
        text += (text.size() > 1 ? ",\"" : "\"") + bound.name + "\":" + std::to_string(bound.port);
    text += "}\n";
    auto const unfinished = path + ".part";
    std::ofstream{unfinished} << text;
    std::rename(unfinished.c_str(), path.c_str());  // appears whole or not at all
}

// For whoever started it by hand: where it listens, the credentials, and two lines that show it works.
void greet(broker::settings const& settings, node const& running)
{
    std::printf("Fulmar %s is ready.\n", FULMAR_VERSION);
    std::uint16_t mqtt_port = 0;
    for (auto const& bound : running.listening()) {
        std::printf("  %-6s %s:%u\n", bound.name.c_str(), bound.address.c_str(), bound.port);
        if (bound.name == "mqtt")
            mqtt_port = bound.port;
    }
    if (settings.apps.empty()) {
        if (auto const app = broker::development_app(settings.node.data_dir))
            std::printf("  development app: id %s, key %s, secret %s\n", app->name.c_str(),
                        app->keys.front().key.c_str(), app->keys.front().secret.c_str());
    }
    if (mqtt_port != 0)
        std::printf(
            "\nIn one terminal:      mosquitto_sub -p %u -v -t 'hello/#'\n"
            "and in another one:   mosquitto_pub -p %u -t hello/world -m 'It works'\n",
            mqtt_port, mqtt_port);
    std::fflush(stdout);
}

// Signals are taken from construction on: one that comes during the start, or right after somebody saw that we are ready, is
// obeyed as soon as the start is done.
class signals
{
public:
    // Runs until it is time to end.
    void obey(node& running)
    {
        reload_when_asked(running);
        ending_.async_wait([&](broker::error_code, int) { reloading_.cancel(); });
        io_.run();
    }

private:
    void reload_when_asked(node& running)
    {
        reloading_.async_wait([&](broker::error_code error, int) {
            if (error)
                return;
            running.reload();
            reload_when_asked(running);
        });
    }

    boost::asio::io_context io_{1};
    boost::asio::signal_set ending_{io_, SIGTERM, SIGINT};
    boost::asio::signal_set reloading_{io_, SIGHUP};
};

}  // namespace

int serve(broker::settings const& settings)
{
    std::signal(SIGPIPE, SIG_IGN);
    signals from_outside;
    node running{settings};
    try {
        running.build();
    } catch (start_failure const& failure) {
        broker::log_error("cannot start", {{"problem", failure.what}});
        return failure.exit_code;
    }
    running.start();
    greet(settings, running);
    if (!settings.run.ports_file.empty())
        write_ports(settings.run.ports_file, running.listening());
    from_outside.obey(running);
    broker::log_info("draining");
    running.drain(drain_patience);
    broker::log_info("stopped");
    return static_cast<int>(exit_code::success);
}

}  // namespace fulmar
