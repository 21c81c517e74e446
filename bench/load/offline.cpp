// Durable sessions go away, messages are published, the sessions come back and must get every one of them in order.

#include "bench/load/order_check.hpp"
#include "bench/load/process_probe.hpp"
#include "bench/load/publisher.hpp"
#include "bench/load/scenarios.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace fulmar::load {

namespace {

class offline_run final : swarm_events
{
public:
    explicit offline_run(options const& o)
        : options_{o}, pid_{o.pid}, swarm_{o.broker, o.publishing}, progress_{!o.quiet && !o.json}
    {
    }
    void run(report& out);

private:
    void create_clients();
    void connect_and_leave();
    void enqueue(report& out);
    void restart(report& out);
    void replay(report& out);
    void close_publishers();

    void on_message(client& c, publish_view const& view) override;
    void on_published(client& c, std::uint16_t id) override;
    void on_closed(client& c) override;

    // More sessions than this process may have sockets are created one part after the other; the first part comes back.
    static constexpr std::size_t connected_max = 15'000;
    [[nodiscard]] std::size_t replayed_sessions() const
    {
        return std::min({options_.subscribers, options_.returning, connected_max});
    }

    options const& options_;
    pid_t pid_;
    swarm swarm_;
    progress_line progress_;
    std::vector<publisher> publishers_;
    std::vector<stream_check> streams_;
    order_faults faults_;
    histogram ack_latency_;
    std::uint64_t published_ = 0;
    std::uint64_t acknowledged_ = 0;
    std::uint64_t delivered_ = 0;
    bool closing_ = false;
    std::string broken_;
};

void offline_run::create_clients()
{
    auto const topic = options_.topic + "/offline";
    for (std::uint32_t i = 0; i < options_.subscribers; ++i) {
        auto settings = client_of(options_, i);
        settings.connect.clean = false;
        settings.connect.durable = true;
        settings.filter = topic;
        settings.qos = 1;
        (void)swarm_.create(std::move(settings), *this);
    }
    publishers_.reserve(options_.publishers);
    for (std::uint32_t i = 0; i < options_.publishers; ++i) {
        auto settings = client_of(options_, static_cast<std::uint32_t>(options_.subscribers) + i);
        settings.number = i;
        settings.publishes = true;
        publisher_settings how;
        how.number = i;
        how.topic = topic;
        how.payload = options_.shape();
        how.qos = 1;
        how.window = options_.window;
        how.window_by_ack = true;
        publishers_.emplace_back(std::move(how), swarm_.create(std::move(settings), *this));
    }
    streams_.resize(replayed_sessions() * options_.publishers);
}

void offline_run::on_message(client& c, publish_view const& view)
{
    stamp s;
    if (!options_.shape().read(view.payload, s) || s.publisher >= publishers_.size()) {
        ++faults_.corrupt;
        return;
    }
    if (streams_[c.settings.number * publishers_.size() + s.publisher].note(s.sequence, faults_) !=
        stream_check::verdict::duplicate)
        ++delivered_;
}

void offline_run::on_published(client& c, std::uint16_t id)
{
    auto const waited = publishers_[c.settings.number].on_acknowledged(id, swarm_.now_ns());
    if (waited < 0)
        broken_ = "the broker acknowledged a packet identifier that was not in flight";
    ack_latency_.record(waited);
    ++acknowledged_;
}

void offline_run::on_closed(client& c)
{
    if (!closing_)
        broken_ = "client " + c.settings.connect.client_id + ": " + (c.failure().empty() ? "closed" : c.failure());
}

void offline_run::connect_and_leave()
{
    for (std::size_t from = 0; from < options_.subscribers; from += connected_max) {
        auto const to = std::min(from + connected_max, options_.subscribers);
        if (!swarm_.open_all(from, to, options_.parallel, connect_timeout_ns))
            throw std::runtime_error("cannot connect: " + swarm_.failure());
        closing_ = true;
        for (auto i = from; i < to; ++i)
            swarm_.leave(swarm_[i]);
        swarm_.flush();
        for (auto const end = monotonic_ns() + second_ns; monotonic_ns() < end;)
            swarm_.turn(monotonic_ns() + second_ns / 10);
        closing_ = false;
    }
}

void offline_run::close_publishers()
{
    closing_ = true;
    for (auto& p : publishers_)
        swarm_.leave(p.connection());
    swarm_.flush();
    closing_ = false;
}

void offline_run::enqueue(report& out)
{
    if (!swarm_.open_all(options_.subscribers, swarm_.size(), options_.parallel, connect_timeout_ns))
        throw std::runtime_error("cannot connect: " + swarm_.failure());
    auto const before = usage_of(pid_, true);
    auto const start = monotonic_ns();
    auto last_progress = start;
    while (acknowledged_ < options_.messages && broken_.empty()) {
        for (auto& p : publishers_) {
            for (; published_ < options_.messages && p.may_publish(); ++published_)
                p.publish(swarm_, swarm_.now_ns());
        }
        auto const had = acknowledged_;
        swarm_.turn(monotonic_ns() + second_ns / 10);
        if (acknowledged_ != had)
            last_progress = swarm_.now_ns();
        if (swarm_.now_ns() - last_progress > 10 * second_ns)
            broken_ = "no acknowledgement for ten seconds";
        if (progress_.due(swarm_.now_ns()))
            progress_.show("enqueued " + std::to_string(acknowledged_) + " of " + std::to_string(options_.messages));
    }
    auto const seconds = static_cast<double>(monotonic_ns() - start) / 1e9;
    auto const after = usage_of(pid_, true);
    auto const queued = static_cast<double>(acknowledged_) * static_cast<double>(options_.subscribers);
    out.number("enqueue", seconds, "s");
    out.number("acknowledged", static_cast<double>(acknowledged_) / seconds, "/s");
    if (before.known) {
        out.number("broker_cpu_per_publish", (after.cpu_s - before.cpu_s) / static_cast<double>(acknowledged_) * 1e6,
                   "us");
        out.number("broker_cpu_per_queued", (after.cpu_s - before.cpu_s) / queued * 1e6, "us");
        out.number("anonymous_per_queued",
                   (static_cast<double>(after.anonymous_bytes) - static_cast<double>(before.anonymous_bytes)) / queued,
                   "bytes");
    }
    out.latency("acknowledgement", ack_latency_);
    close_publishers();
}

void offline_run::restart(report& out)
{
    if (options_.restart_command.empty())
        return;
    auto const start = monotonic_ns();
    auto* const pipe = popen(options_.restart_command.c_str(), "r");
    if (pipe == nullptr)
        throw std::runtime_error("cannot run the restart command");
    std::array<char, 256> text{};
    std::string said;
    while (std::fgets(text.data(), static_cast<int>(text.size()), pipe) != nullptr)
        said += text.data();
    if (pclose(pipe) != 0)
        throw std::runtime_error("the restart command failed");
    auto const pid = static_cast<pid_t>(std::strtol(said.c_str(), nullptr, 10));
    pid_ = pid > 0 ? pid : pid_;
    out.number("restart", static_cast<double>(monotonic_ns() - start) / 1e9, "s");
}

void offline_run::replay(report& out)
{
    auto const expected = acknowledged_ * replayed_sessions();
    auto const before = usage_of(pid_, true);
    auto const own = own_cpu_s();
    auto const start = monotonic_ns();
    if (!swarm_.open_all(0, replayed_sessions(), options_.parallel, connect_timeout_ns))
        throw std::runtime_error("cannot reconnect: " + swarm_.failure());
    for (std::size_t i = 0; i < replayed_sessions(); ++i) {
        if (!swarm_[i].connack().session_present)
            broken_ = "a durable session was gone";
    }
    auto last_progress = monotonic_ns();
    while (delivered_ < expected && broken_.empty() && monotonic_ns() - last_progress < 10 * second_ns) {
        auto const had = delivered_;
        swarm_.turn(monotonic_ns() + second_ns / 10);
        if (delivered_ != had)
            last_progress = swarm_.now_ns();
        if (progress_.due(swarm_.now_ns()))
            progress_.show("replayed " + std::to_string(delivered_) + " of " + std::to_string(expected));
    }
    auto const seconds = static_cast<double>(monotonic_ns() - start) / 1e9;
    auto const after = usage_of(pid_, true);
    out.number("replay", seconds, "s");
    out.number("replayed", static_cast<double>(delivered_) / seconds, "/s");
    if (before.known) {
        out.number("broker_cpu_per_replayed", (after.cpu_s - before.cpu_s) / static_cast<double>(delivered_) * 1e6,
                   "us");
        out.count("anonymous_after_replay_bytes", after.anonymous_bytes);
    }
    out.number("generator_cpu_per_replayed", (own_cpu_s() - own) / static_cast<double>(delivered_) * 1e6, "us");
}

void offline_run::run(report& out)
{
    out.count("sessions", options_.subscribers);
    out.count("messages", options_.messages);
    out.count("publishers", options_.publishers);
    out.count("payload_bytes", options_.payload_bytes);
    create_clients();
    connect_and_leave();
    enqueue(out);
    if (broken_.empty())
        restart(out);
    if (broken_.empty())
        replay(out);
    for (std::size_t i = 0; i < replayed_sessions() * publishers_.size(); ++i)
        streams_[i].finish(publishers_[i % publishers_.size()].published(), faults_);
    out.count("messages_delivered", delivered_);
    out.faults(faults_);
    if (!broken_.empty())
        out.fail(broken_);
    closing_ = true;
    for (std::size_t from = 0; from < options_.subscribers; from += connected_max)
        forget_sessions(swarm_, from, std::min(from + connected_max, options_.subscribers), options_.parallel);
}

}  // namespace

void run_offline(options const& o, report& out)
{
    offline_run run{o};
    run.run(out);
}

}  // namespace fulmar::load
