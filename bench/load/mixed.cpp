// A described workload (profile.hpp): every publisher sends at its own rate, latency counts from the intended time.

#include "bench/load/order_check.hpp"
#include "bench/load/process_probe.hpp"
#include "bench/load/profile.hpp"
#include "bench/load/publisher.hpp"
#include "bench/load/scenarios.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>
#include <random>
#include <stdexcept>

namespace fulmar::load {

namespace {

// One kind of message while it runs.
struct running_flow
{
    profile_flow what;
    payload_shape shape;
    std::uint32_t first_publisher = 0;
    std::uint64_t published = 0;
    std::uint64_t delivered = 0;
    histogram latency;

    [[nodiscard]] std::size_t publishers() const noexcept { return what.topics * what.publishers; }
    [[nodiscard]] std::uint64_t receivers() const noexcept { return what.subscribers + what.watchers; }
};

// What a subscribing client must get: the streams of the publishers [first, first + count).
struct receiver
{
    std::size_t flow = 0;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::size_t first_stream = 0;
};

struct due_publisher
{
    std::int64_t at_ns;  // when to try
    std::uint32_t number;
    [[nodiscard]] bool operator>(due_publisher const& other) const noexcept { return at_ns > other.at_ns; }
};

class mixed_run final : swarm_events
{
public:
    mixed_run(options const& o, profile const& what);
    void run(report& out);

private:
    void add_flow(std::size_t flow);
    void add_receiver(std::size_t flow, std::string filter, std::uint32_t first, std::size_t count);
    void add_publisher(std::size_t flow, std::string topic);
    [[nodiscard]] std::string topic_of(profile_flow const& what, std::size_t topic) const;

    void run_until(std::int64_t end_ns, bool publishing);
    void publish_what_is_due();
    void drain();
    [[nodiscard]] std::uint64_t expected() const;
    void report_figures(report& out, double seconds, double own_cpu, process_usage const& before,
                        process_usage const& after);

    void on_message(client& c, publish_view const& view) override;
    void on_published(client& c, std::uint16_t id) override;
    void on_closed(client& c) override;

    options const& options_;
    profile const& profile_;
    swarm swarm_;
    progress_line progress_;
    std::vector<running_flow> flows_;
    std::vector<receiver> receivers_;
    std::vector<publisher> publishers_;
    std::vector<std::size_t> flow_of_;  // by publisher
    std::vector<std::int64_t> intervals_;
    std::vector<stream_check> streams_;
    std::priority_queue<due_publisher, std::vector<due_publisher>, std::greater<>> due_;
    order_faults faults_;
    histogram ack_latency_;
    throughput rate_;
    std::uint64_t published_ = 0;
    std::uint64_t delivered_ = 0;
    std::uint64_t measured_published_ = 0;
    std::uint64_t measured_delivered_ = 0;
    std::uint64_t held_back_ = 0;
    bool measuring_ = false;
    bool finished_ = false;
    std::string broken_;
};

mixed_run::mixed_run(options const& o, profile const& what)
    : options_{o}, profile_{what}, swarm_{o.broker, o.publishing}, progress_{!o.quiet && !o.json}
{
    std::size_t publishers = 0;
    for (auto flow : what.flows) {
        flow.topics =
            std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(static_cast<double>(flow.topics) * o.scale)));
        if (flow.watchers > 0 && !has_wildcards(o.broker.speaks))
            throw std::runtime_error(std::string{to_string(o.broker.speaks)} + " has no wildcards, which flow " +
                                     flow.name + " needs for its watchers");
        if (!speaks_mqtt(o.broker.speaks))
            flow.qos = std::min<std::uint8_t>(flow.qos, 1);
        flows_.push_back({flow, {std::max(flow.payload_bytes, text_stamp_bytes), o.text()}, 0, 0, 0, {}});
        publishers += flows_.back().publishers();
    }
    publishers_.reserve(publishers);
    for (std::size_t i = 0; i < flows_.size(); ++i)
        add_flow(i);
}

std::string mixed_run::topic_of(profile_flow const& what, std::size_t topic) const
{
    return options_.named(options_.topic + "/" + profile_.name + "/" + what.name + "/" + std::to_string(topic));
}

// Called once per flow, in order: subscribers are created before the publishers of the same flow.
void mixed_run::add_flow(std::size_t flow)
{
    auto const& what = flows_[flow].what;
    auto const first = static_cast<std::uint32_t>(publishers_.size());
    flows_[flow].first_publisher = first;
    for (std::size_t topic = 0; topic < what.topics; ++topic) {
        auto const of_topic = first + static_cast<std::uint32_t>(topic * what.publishers);
        for (std::size_t i = 0; i < what.subscribers; ++i)
            add_receiver(flow, topic_of(what, topic), of_topic, what.publishers);
    }
    for (std::size_t i = 0; i < what.watchers; ++i)
        add_receiver(flow, options_.topic + "/" + profile_.name + "/" + what.name + "/+", first,
                     flows_[flow].publishers());
    for (std::size_t topic = 0; topic < what.topics; ++topic) {
        for (std::size_t i = 0; i < what.publishers; ++i)
            add_publisher(flow, topic_of(what, topic));
    }
}

void mixed_run::add_receiver(std::size_t flow, std::string filter, std::uint32_t first, std::size_t count)
{
    auto settings = client_of(options_, static_cast<std::uint32_t>(swarm_.size()));
    settings.filter = std::move(filter);
    settings.qos = flows_[flow].what.qos;
    settings.number = static_cast<std::uint32_t>(receivers_.size());
    (void)swarm_.create(std::move(settings), *this);
    receivers_.push_back({flow, first, static_cast<std::uint32_t>(count), streams_.size()});
    streams_.resize(streams_.size() + count);
}

void mixed_run::add_publisher(std::size_t flow, std::string topic)
{
    auto settings = client_of(options_, static_cast<std::uint32_t>(swarm_.size()));
    settings.number = static_cast<std::uint32_t>(publishers_.size());
    settings.publishes = true;
    publisher_settings how;
    how.number = settings.number;
    how.topic = std::move(topic);
    how.payload = flows_[flow].shape;
    how.qos = always_acknowledges(options_.publishing.speaks) ? std::max<std::uint8_t>(flows_[flow].what.qos, 1)
                                                              : flows_[flow].what.qos;
    how.windowed = false;
    how.outstanding_max = 256;
    publishers_.emplace_back(std::move(how), swarm_.create(std::move(settings), *this));
    flow_of_.push_back(flow);
    intervals_.push_back(static_cast<std::int64_t>(1e9 / flows_[flow].what.rate));
}

void mixed_run::on_message(client& c, publish_view const& view)
{
    auto const& to = receivers_[c.settings.number];
    auto& flow = flows_[to.flow];
    stamp s;
    if (!flow.shape.read(view.payload, s) || s.publisher < to.first || s.publisher - to.first >= to.count) {
        ++faults_.corrupt;
        return;
    }
    if (streams_[to.first_stream + s.publisher - to.first].note(s.sequence, faults_) ==
        stream_check::verdict::duplicate)
        return;
    ++delivered_;
    ++flow.delivered;
    if (measuring_) {
        ++measured_delivered_;
        flow.latency.record(swarm_.now_ns() - s.sent_at_ns);
    }
}

void mixed_run::on_published(client& c, std::uint16_t id)
{
    auto const waited = publishers_[c.settings.number].on_acknowledged(id, swarm_.now_ns());
    if (waited < 0)
        broken_ = "the broker acknowledged what was not in flight";
    else if (measuring_)
        ack_latency_.record(waited);
}

void mixed_run::on_closed(client& c)
{
    if (!finished_)
        broken_ = "client " + c.settings.connect.client_id + ": " + (c.failure().empty() ? "closed" : c.failure());
}

void mixed_run::publish_what_is_due()
{
    auto const now = monotonic_ns();
    while (!due_.empty() && due_.top().at_ns <= now) {
        auto const number = due_.top().number;
        due_.pop();
        auto& p = publishers_[number];
        if (!p.may_publish()) {  // the intended time stays what it was
            ++held_back_;
            due_.push({now + 1'000'000, number});
            continue;
        }
        p.publish(swarm_, p.due_ns);
        p.due_ns += intervals_[number];
        due_.push({p.due_ns, number});
        ++published_;
        ++flows_[flow_of_[number]].published;
        measured_published_ += measuring_;
    }
}

void mixed_run::run_until(std::int64_t end_ns, bool publishing)
{
    while (swarm_.now_ns() < end_ns && broken_.empty()) {
        auto until = std::min(end_ns, swarm_.now_ns() + second_ns / 10);
        if (publishing) {
            publish_what_is_due();
            until = std::min(until, due_.top().at_ns);
        }
        swarm_.turn(until);
        if (measuring_)
            rate_.note(swarm_.now_ns(), delivered_);
        if (progress_.due(swarm_.now_ns()))
            progress_.show(std::to_string(delivered_) + " deliveries of " + std::to_string(published_) + " messages");
        if (!publishing && delivered_ + faults_.corrupt >= expected())
            return;
    }
}

std::uint64_t mixed_run::expected() const
{
    std::uint64_t sum = 0;
    for (auto const& flow : flows_)
        sum += flow.published * flow.receivers();
    return sum;
}

// Receives what is still on its way: until everything is there or nothing came for three seconds.
void mixed_run::drain()
{
    for (auto before = ~std::uint64_t{0}; before != delivered_ && delivered_ < expected() && broken_.empty();) {
        before = delivered_;
        run_until(monotonic_ns() + 3 * second_ns, false);
    }
}

void mixed_run::run(report& out)
{
    if (!swarm_.open_all(0, swarm_.size(), options_.parallel, connect_timeout_ns))
        throw std::runtime_error("cannot connect: " + swarm_.failure());
    auto const start = monotonic_ns();
    std::minstd_rand random{1};
    for (std::uint32_t i = 0; i < publishers_.size(); ++i) {  // not all at once
        publishers_[i].due_ns = start + static_cast<std::int64_t>(static_cast<double>(random()) /
                                                                  static_cast<double>(std::minstd_rand::max()) *
                                                                  static_cast<double>(intervals_[i]));
        due_.push({publishers_[i].due_ns, i});
    }
    run_until(start + static_cast<std::int64_t>(options_.warmup_s * 1e9), true);
    auto const before = usage_of(options_.pid);
    auto const own = own_cpu_s();
    auto const from = monotonic_ns();
    measuring_ = true;
    rate_.begin(from, delivered_);
    run_until(from + static_cast<std::int64_t>(options_.duration_s * 1e9), true);
    auto const seconds = static_cast<double>(monotonic_ns() - from) / 1e9;
    auto const own_used = own_cpu_s() - own;
    auto const after = usage_of(options_.pid, true);
    measuring_ = false;
    drain();
    report_figures(out, seconds, own_used, before, after);
    finished_ = true;
}

void mixed_run::report_figures(report& out, double seconds, double own_cpu, process_usage const& before,
                               process_usage const& after)
{
    auto const delivered = static_cast<double>(measured_delivered_);
    out.text("profile", profile_.name);
    out.text("workload", profile_.description);
    out.number("scale", options_.scale, "");
    out.count("clients", swarm_.size());
    out.number("seconds", seconds, "");
    out.number("published", static_cast<double>(measured_published_) / seconds, "/s");
    out.number("delivered", delivered / seconds, "/s");
    if (before.known && after.known) {
        out.number("broker_cpu_per_delivery", (after.cpu_s - before.cpu_s) / delivered * 1e6, "us");
        out.number("broker_cpu", (after.cpu_s - before.cpu_s) / seconds * 100, "%");
        out.count("broker_resident_bytes", after.resident_bytes);
    }
    out.number("generator_cpu_per_delivery", own_cpu / delivered * 1e6, "us");
    out.number("generator_cpu", own_cpu / seconds * 100, "%");
    out.count("held_back", held_back_);
    histogram all;
    for (auto const& flow : flows_) {
        out.latency(flow.what.name, flow.latency);
        all.add(flow.latency);
    }
    out.latency("delivery", all);
    out.latency("acknowledgement", ack_latency_);
    out.over_time("deliveries", rate_);
    for (auto const& to : receivers_) {
        for (std::uint32_t i = 0; i < to.count; ++i)
            streams_[to.first_stream + i].finish(publishers_[to.first + i].published(), faults_);
    }
    out.count("messages_published", published_);
    out.count("messages_delivered", delivered_);
    out.faults(faults_);
    if (!broken_.empty())
        out.fail(broken_);
}

}  // namespace

void run_mixed(options const& o, report& out)
{
    auto const what = load_profile(o.profile);
    mixed_run run{o, what};
    run.run(out);
}

}  // namespace fulmar::load
