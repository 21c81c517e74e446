#include "bench/load/run.hpp"

#include "bench/load/process_probe.hpp"
#include "bench/load/scenarios.hpp"

#include <CLI/CLI.hpp>

#include <unistd.h>
#include <cstdio>
#include <fstream>

namespace fulmar::load {

client_settings client_of(options const& o, std::uint32_t number)
{
    client_settings settings;
    settings.connect.client_id = "load-" + std::to_string(getpid()) + "-" + std::to_string(number);
    settings.connect.user = o.user;
    settings.connect.password = o.password;
    settings.number = number;
    return settings;
}

void forget_sessions(swarm& all, std::size_t from, std::size_t to, std::size_t parallel)
{
    for (auto i = from; i < to; ++i) {
        all.drop(all[i]);
        all[i].settings.connect.clean = true;
        all[i].settings.connect.durable = false;
        all[i].settings.filter.clear();
    }
    (void)all.open_all(from, to, parallel, connect_timeout_ns);
    for (auto i = from; i < to; ++i)
        all.leave(all[i]);
    all.flush();
}

progress_line::progress_line(bool wanted) : wanted_{wanted && isatty(STDERR_FILENO) != 0} {}

progress_line::~progress_line()
{
    if (shown_)
        std::fputs("\r\x1b[K", stderr);
}

bool progress_line::due(std::int64_t now_ns) noexcept
{
    if (!wanted_ || now_ns < next_)
        return false;
    next_ = now_ns + second_ns / 2;
    return true;
}

void progress_line::show(std::string const& text)
{
    std::fprintf(stderr, "\r\x1b[K  %s", text.c_str());
    std::fflush(stderr);
    shown_ = true;
}

namespace {

void run_scenario(options const& o, report& out)
{
    switch (o.which) {
    case scenario::mixed: return run_mixed(o, out);
    case scenario::offline: return run_offline(o, out);
    case scenario::idle: return run_idle(o, out);
    case scenario::storm: return run_storm(o, out);
    case scenario::churn: return run_churn(o, out);
    default: return run_traffic(o, out);
    }
}

}  // namespace

namespace {

bool write_page(std::string const& path, report const& out)
{
    std::ofstream file{path};
    file << out.html();
    file.close();
    if (!file)
        std::fprintf(stderr, "%s cannot be written\n", path.c_str());
    return file.good();
}

int measure(options const& o)
{
    (void)raise_descriptor_limit();
    if (o.pin >= 0 && !pin_to(o.pin)) {
        std::fprintf(stderr, "cannot pin to processor %d\n", o.pin);
        return 2;
    }
    report out{to_string(o.which)};
    out.text("protocol", to_string(o.broker.speaks));
    if (o.publishing.speaks != o.broker.speaks)
        out.text("publishing", to_string(o.publishing.speaks));
    if (speaks_mqtt(o.broker.speaks))
        out.text("mqtt_version", o.broker.v5 ? "5" : "3.1.1");
    out.text("tls", o.broker.tls ? "yes" : "no");
    run_scenario(o, out);
    std::fputs(o.json ? out.json().c_str() : out.table().c_str(), stdout);
    if (!o.html.empty() && !write_page(o.html, out))
        return 2;
    return out.failed() ? 1 : 0;
}

}  // namespace

int run(int argc, char** argv, char const* program)
{
    try {
        return measure(parse_options(argc, argv, program));
    } catch (CLI::ParseError const&) {
        return 2;  // it was said
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
}

}  // namespace fulmar::load
