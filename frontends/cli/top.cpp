#include "frontends/cli/top.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <limits>

namespace fulmar::cli {

namespace {

namespace json = boost::json;
using steady = std::chrono::steady_clock;

constexpr double millisecond = 1e-3;

// How much a counter grew in a second; a broker that was restarted begins at zero.
[[nodiscard]] double rate(double before, double now, double seconds)
{
    return seconds <= 0 ? 0 : (now >= before ? now - before : now) / seconds;
}

// Counts are whole numbers: 12 rather than 1.2E1.
[[nodiscard]] json::value number(double value)
{
    auto const rounded = std::round(value * 1000) / 1000;
    if (rounded == std::floor(rounded) && std::abs(rounded) < 1e15)
        return static_cast<std::int64_t>(rounded);
    return rounded;
}

void read_commits(metrics_page const& before, metrics_page const& now, activity& out)
{
    auto const name = std::string{"fulmar_store_commit_seconds"};
    auto const count = rate(before.sum(name + "_count"), now.sum(name + "_count"), 1);
    if (count <= 0)
        return;
    out.commit_mean_ms = rate(before.sum(name + "_sum"), now.sum(name + "_sum"), 1) / count / millisecond;
    auto const earlier = before.by(name + "_bucket", "le");
    double bound = std::numeric_limits<double>::infinity();
    for (auto const& [le, value] : now.by(name + "_bucket", "le")) {
        auto const known = earlier.find(le);
        auto const grown = rate(known == earlier.end() ? 0 : known->second, value, 1);
        if (le != "+Inf" && grown >= 0.99 * count)
            bound = std::min(bound, std::stod(le));
    }
    out.commit_p99_ms = std::isinf(bound) ? 0 : bound / millisecond;
}

[[nodiscard]] json::object object_of(std::map<std::string, double> const& values)
{
    json::object out;
    for (auto const& [name, value] : values)
        out[name] = number(value);
    return out;
}

[[nodiscard]] std::string fixed(double value, int digits)
{
    std::array<char, 48> out{};
    std::snprintf(out.data(), out.size(), "%.*f", digits, value);
    return out.data();
}

[[nodiscard]] std::string listed(std::map<std::string, double> const& values, std::string_view unit)
{
    std::string out;
    for (auto const& [name, value] : values)
        if (value > 0)
            out += (out.empty() ? "" : ", ") + printable_line(name) + " " + short_number(value) + std::string{unit};
    return out.empty() ? "none" : out;
}

[[nodiscard]] attempt<metrics_page> read_page(http_client& admin)
{
    auto const answer = admin.ask({"GET", "/metrics"});
    if (!answer) {
        auto failed = answer.error();
        if (failed.code == exit_code::unreachable)
            failed.what += " (fulmar top reads the admin listener: --admin http://127.0.0.1:9090)";
        return failed;
    }
    auto page = metrics_page::parse(answer->body);
    if (answer->status != 200 || !page.has("fulmar_connections"))
        return failure{exit_code::failure, admin.where().url +
                                               " has no metrics of a broker: --admin names the admin listener, "
                                               "usually port 9090"};
    return page;
}

}  // namespace

activity activity_between(metrics_page const& before, metrics_page const& now, double seconds)
{
    auto const per_second = [&](char const* name) { return rate(before.sum(name), now.sum(name), seconds); };
    activity out;
    out.connections = now.by("fulmar_connections", "transport");
    out.pusher_connections = now.sum("fulmar_pusher_connections");
    out.sse_streams = now.sum("fulmar_sse_streams");
    out.sessions = now.sum("fulmar_sessions");
    out.sessions_durable = now.sum("fulmar_sessions_durable");
    out.subscriptions = now.sum("fulmar_subscriptions");
    out.messages_in_per_s = per_second("fulmar_messages_received_total");
    out.messages_out_per_s = per_second("fulmar_messages_sent_total");
    out.rest_published_per_s = per_second("fulmar_rest_published_total");
    out.bytes_in_per_s = per_second("fulmar_received_bytes_total");
    out.bytes_out_per_s = per_second("fulmar_sent_bytes_total");
    auto const dropped = before.by("fulmar_messages_dropped_total", "reason");
    for (auto const& [reason, total] : now.by("fulmar_messages_dropped_total", "reason")) {
        auto const known = dropped.find(reason);
        auto const grown = rate(known == dropped.end() ? 0 : known->second, total, seconds);
        if (grown > 0)
            out.dropped_per_s[reason] = grown;
        out.dropped_total += total;
    }
    for (auto const& [state, is] : now.by("fulmar_store_state", "state"))
        if (is > 0)
            out.store_state = state;
    out.commits_per_s = per_second("fulmar_store_commits_total");
    read_commits(before, now, out);
    out.log_bytes = now.sum("fulmar_store_log_bytes");
    out.store_pending_bytes = now.sum("fulmar_store_pending_bytes");
    out.loop_lag_ms = now.largest("fulmar_loop_lag_seconds") / millisecond;
    out.loop_lag_max_ms = now.largest("fulmar_loop_lag_max_seconds") / millisecond;
    out.memory_bytes = now.sum("fulmar_process_resident_memory_bytes");
    out.cpu_percent = per_second("fulmar_process_cpu_seconds_total") * 100;
    out.open_fds = now.sum("fulmar_process_open_fds");
    out.max_fds = now.sum("fulmar_process_max_fds");
    out.outbox_bytes = now.sum("fulmar_outbox_bytes");
    return out;
}

json::object json_of(activity const& a)
{
    return {
        {"connections", object_of(a.connections)},
        {"pusher_connections", number(a.pusher_connections)},
        {"sse_streams", number(a.sse_streams)},
        {"sessions", number(a.sessions)},
        {"sessions_durable", number(a.sessions_durable)},
        {"subscriptions", number(a.subscriptions)},
        {"messages_in_per_s", number(a.messages_in_per_s)},
        {"messages_out_per_s", number(a.messages_out_per_s)},
        {"rest_published_per_s", number(a.rest_published_per_s)},
        {"bytes_in_per_s", number(a.bytes_in_per_s)},
        {"bytes_out_per_s", number(a.bytes_out_per_s)},
        {"dropped_per_s", object_of(a.dropped_per_s)},
        {"dropped_total", number(a.dropped_total)},
        {"store_state", a.store_state},
        {"commits_per_s", number(a.commits_per_s)},
        {"commit_mean_ms", number(a.commit_mean_ms)},
        {"commit_p99_ms_at_most", number(a.commit_p99_ms)},
        {"log_bytes", number(a.log_bytes)},
        {"store_pending_bytes", number(a.store_pending_bytes)},
        {"loop_lag_ms", number(a.loop_lag_ms)},
        {"loop_lag_max_ms", number(a.loop_lag_max_ms)},
        {"outbox_bytes", number(a.outbox_bytes)},
        {"memory_bytes", number(a.memory_bytes)},
        {"cpu_percent", number(a.cpu_percent)},
        {"open_fds", number(a.open_fds)},
        {"max_fds", number(a.max_fds)},
    };
}

std::string screen_of(activity const& a, output const& out)
{
    auto const row = [&](std::string_view name, std::string const& text) {
        return out.bold(std::string{name}.append(14 - name.size(), ' ')) + text + "\n";
    };
    auto commit = short_number(a.commits_per_s) + "/s";
    if (a.commit_mean_ms > 0)
        commit += ", mean " + fixed(a.commit_mean_ms, 1) + " ms";
    if (a.commit_p99_ms > 0)
        commit += ", 99 % within " + fixed(a.commit_p99_ms, 1) + " ms";
    std::string text;
    text += row("connections", listed(a.connections, ""));
    text += row("", "Pusher " + short_number(a.pusher_connections) + ", SSE streams " + short_number(a.sse_streams));
    text += row("sessions", short_number(a.sessions) + " MQTT, " + short_number(a.sessions_durable) +
                                " of them durable; subscriptions " + short_number(a.subscriptions));
    text +=
        row("messages", "in " + short_number(a.messages_in_per_s) + "/s, out " + short_number(a.messages_out_per_s) +
                            "/s (MQTT); published over REST " + short_number(a.rest_published_per_s) + "/s");
    text +=
        row("bytes", "in " + short_number(a.bytes_in_per_s, "B") + "/s, out " + short_number(a.bytes_out_per_s, "B") +
                         "/s, waiting for sockets " + short_number(a.outbox_bytes, "B"));
    text +=
        row("dropped", listed(a.dropped_per_s, "/s") + " now, " + short_number(a.dropped_total) + " since the start");
    text += row("store", printable_line(a.store_state) + ", log " + short_number(a.log_bytes, "B") + ", waiting " +
                             short_number(a.store_pending_bytes, "B"));
    text += row("commits", commit);
    text += row("loop lag", fixed(a.loop_lag_ms, 1) + " ms, at worst " + fixed(a.loop_lag_max_ms, 1) + " ms");
    text += row("process", "memory " + short_number(a.memory_bytes, "B") + ", CPU " + fixed(a.cpu_percent, 0) +
                               " %, files " + short_number(a.open_fds) + " of " + short_number(a.max_fds));
    return text;
}

attempt<exit_code> top(http_client& admin, top_arguments const& arguments, output& out)
{
    admin.catch_signals();
    auto before = read_page(admin);
    if (!before)
        return before.error();
    auto const full_screen = out.terminal() && !out.json() && !arguments.once;
    auto measured = steady::now();
    while (admin.pause(arguments.interval)) {
        auto now = read_page(admin);
        if (admin.interrupted())
            break;
        if (!now)
            return now.error();
        auto const at = steady::now();
        auto const seconds = std::chrono::duration<double>(at - measured).count();
        auto const found = activity_between(*before, *now, seconds);
        if (out.json()) {
            auto object = json_of(found);
            object["time"] = static_cast<std::int64_t>(std::time(nullptr));
            out.line(json::serialize(object));
        } else {
            // Home and erase, rather than clear: nothing flickers.
            out.write(full_screen ? "\x1b[H\x1b[J" : "");
            out.line(out.bold("fulmar top") + "  " + admin.where().url + "  " +
                     time_text(static_cast<std::uint64_t>(std::time(nullptr)) * 1000).substr(0, 19) +
                     (full_screen ? "  (Ctrl-C ends)" : ""));
            out.write(screen_of(found, out));
        }
        if (!out.flush() || arguments.once)
            break;
        before = std::move(now);
        measured = at;
    }
    return exit_code::success;
}

}  // namespace fulmar::cli
