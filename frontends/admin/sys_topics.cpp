#include "frontends/admin/sys_topics.hpp"

#include "broker/retained_index.hpp"
#include "broker/router.hpp"
#include "broker/shard.hpp"
#include "frontends/admin/node_totals.hpp"
#include "frontends/admin/resource_usage.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/steady_timer.hpp>
#include <cmath>
#include <cstdio>
#include <unordered_map>

namespace fulmar::admin {

namespace {

using metrics = broker::shard_metrics;

// A rate per minute, smoothed over a period as load averages are.
struct load_average
{
    char const* topic;
    double minutes;
    double value = 0;

    void update(double per_minute, double passed_s) noexcept
    {
        value = per_minute + std::exp(-passed_s / (60 * minutes)) * (value - per_minute);
    }
};

// One counter whose rate is published.
struct load
{
    explicit load(std::string name) : prefix("load/" + std::move(name) + "/") {}

    void update(std::uint64_t total, double passed_s) noexcept
    {
        auto const grown = total >= last ? total - last : 0;
        last = total;
        for (auto& average : averages)
            average.update(static_cast<double>(grown) * 60 / passed_s, passed_s);
    }

    std::string prefix;
    std::uint64_t last = 0;
    std::array<load_average, 3> averages{{{"1min", 1}, {"5min", 5}, {"15min", 15}}};
};

[[nodiscard]] std::string two_digits(double value)
{
    std::array<char, 40> text{};
    auto const size = std::snprintf(text.data(), text.size(), "%.2f", value);
    return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace

struct sys_topics::impl
{
    impl(broker::shard& shard, sys_options&& with) : home(shard), options(std::move(with)), timer(shard.io())
    {
        started = previous = home.now();
    }

    void arm(std::chrono::milliseconds after);
    void round();
    void publish(std::string const& name, std::string value);
    void publish(std::string const& name, std::uint64_t value) { publish(name, std::to_string(value)); }
    void publish_clients();
    void publish_traffic();
    void publish_loads();

    broker::shard& home;
    sys_options options;
    boost::asio::steady_timer timer;
    broker::steady_time started;
    broker::steady_time previous;
    std::unordered_map<std::string, std::string> published;
    std::uint64_t clients_maximum = 0;
    load messages_received{"messages/received"}, messages_sent{"messages/sent"};
    load publish_received{"publish/received"}, publish_sent{"publish/sent"}, publish_dropped{"publish/dropped"};
    load bytes_received{"bytes/received"}, bytes_sent{"bytes/sent"};
    load connections{"connections"};
};

void sys_topics::impl::arm(std::chrono::milliseconds after)
{
    timer.expires_after(after);
    timer.async_wait([this](boost::system::error_code const& ec) {
        if (ec)
            return;
        round();
        arm(options.interval);
    });
}

void sys_topics::impl::round()
{
    publish("version", "fulmar version " + options.version);
    auto const up = std::chrono::duration_cast<std::chrono::seconds>(home.now() - started).count();
    publish("uptime", std::to_string(up) + " seconds");
    publish_clients();
    publish_traffic();
    publish_loads();
}

void sys_topics::impl::publish(std::string const& name, std::string value)
{
    auto& last = published[name];
    if (last == value)
        return;
    last = value;
    auto const topic = "$SYS/broker/" + name;
    auto const make = [&](bool retain) {
        broker::message_fields fields;
        fields.topic = topic;
        fields.payload = value;
        fields.retain = retain;
        fields.published_at = home.wall();
        return broker::message::make(std::move(fields));
    };
    // Retained in memory only: what this process says about itself is worth nothing to the next one.
    home.node().retained.set(make(true));
    home.routes().publish({.message = make(false), .publisher = {}, .token = 0, .received_by = {}, .received_id = 0});
}

void sys_topics::impl::publish_clients()
{
    auto const& node = home.node();
    auto const sessions = total(node, &metrics::sessions);
    auto const connected = std::min(sessions, sum_of(each_once(totals(node, &metrics::connections))));
    clients_maximum = std::max(clients_maximum, connected);
    publish("clients/total", sessions);
    publish("clients/connected", connected);
    publish("clients/active", connected);  // the older name
    publish("clients/disconnected", sessions - connected);
    publish("clients/inactive", sessions - connected);
    publish("clients/maximum", clients_maximum);
    publish("subscriptions/count", total(node, &metrics::subscriptions));
    publish("shared_subscriptions/count", total(node, &metrics::shared_groups));
    publish("retained messages/count", node.retained.size());
    auto const kept = node.store.last_committed() - std::min(node.store.last_committed(), node.store.low_water());
    publish("store/messages/count", node.retained.size() + kept);
    publish("store/messages/bytes", node.retained.bytes());
    publish("heap/current", current_usage().resident_bytes);
}

void sys_topics::impl::publish_traffic()
{
    auto const& node = home.node();
    publish("messages/received", total(node, &metrics::packets_in));
    publish("messages/sent", total(node, &metrics::packets_out));
    publish("bytes/received", total(node, &metrics::bytes_in));
    publish("bytes/sent", total(node, &metrics::bytes_out));
    publish("publish/messages/received", sum_of(totals(node, &metrics::messages_in)));
    publish("publish/messages/sent", sum_of(totals(node, &metrics::messages_out)));
    publish("publish/messages/dropped", sum_of(totals(node, &metrics::dropped)));
}

void sys_topics::impl::publish_loads()
{
    auto const& node = home.node();
    auto const passed = std::chrono::duration<double>(home.now() - previous).count();
    if (passed <= 0)
        return;
    previous = home.now();
    messages_received.update(total(node, &metrics::packets_in), passed);
    messages_sent.update(total(node, &metrics::packets_out), passed);
    publish_received.update(sum_of(totals(node, &metrics::messages_in)), passed);
    publish_sent.update(sum_of(totals(node, &metrics::messages_out)), passed);
    publish_dropped.update(sum_of(totals(node, &metrics::dropped)), passed);
    bytes_received.update(total(node, &metrics::bytes_in), passed);
    bytes_sent.update(total(node, &metrics::bytes_out), passed);
    connections.update(sum_of(each_once(totals(node, &metrics::connections_total))), passed);
    for (auto const* one : {&messages_received, &messages_sent, &publish_received, &publish_sent, &publish_dropped,
                            &bytes_received, &bytes_sent, &connections})
        for (auto const& average : one->averages)
            publish(one->prefix + average.topic, two_digits(average.value));
}

sys_topics::sys_topics(broker::shard& home, sys_options options)
    : impl_(std::make_unique<impl>(home, std::move(options)))
{
}

sys_topics::~sys_topics() = default;

void sys_topics::start()
{
    if (impl_->options.interval.count() > 0)
        impl_->arm(std::chrono::milliseconds{0});
}

void sys_topics::publish_changes() { impl_->round(); }

}  // namespace fulmar::admin
