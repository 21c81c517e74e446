// idle, storm and churn: what connections cost, without messages.

#include "bench/load/process_probe.hpp"
#include "bench/load/scenarios.hpp"

#include <algorithm>
#include <stdexcept>

namespace fulmar::load {

namespace {

class quiet_events : public swarm_events
{
};

// Notes how long every client took from connect() to SUBACK.
class ready_times : public swarm_events
{
public:
    explicit ready_times(swarm const& all) : all_{all} {}
    void on_ready(client& c) override { taken.record(all_.now_ns() - c.opened_at()); }
    void on_message(client&, publish_view const&) override { ++received; }
    void on_closed(client& c) override { failure = c.failure(); }
    void reset()
    {
        taken = {};
        received = 0;
        failure.clear();
    }
    histogram taken;
    std::size_t received = 0;
    std::string failure;

private:
    swarm const& all_;
};

// Client `number`, which is number `place` of those that share presence channels.
client_settings subscriber_of(options const& o, std::uint32_t number, std::size_t place, std::string const& what)
{
    auto settings = client_of(o, number);
    settings.filter = o.topic + "/" + what + "/" + std::to_string(number);
    for (std::size_t i = 1; i < o.channels; ++i)
        settings.more.push_back(settings.filter + "/" + std::to_string(i));
    if (o.presence_members != 0)
        (settings.more.empty() ? settings.filter : settings.more.back()) =
            "presence-" + o.topic + "/" + what + "/" + std::to_string(place / o.presence_members);
    return settings;
}

// Its session outlives its connection. What a Pusher client leaves unacknowledged comes again: every round has sessions of its own.
void make_durable(client_settings& settings, std::size_t round)
{
    settings.connect.clean = false;
    settings.connect.durable = true;
    settings.qos = 1;
    settings.session = settings.connect.client_id + "-" + std::to_string(round);
}

// Publishes what the durable sessions of the first `o.clients` clients miss, each on a topic of its own.
class missed_messages final : public swarm_events
{
public:
    explicit missed_messages(options const& o, swarm& all) : options_{o}, all_{all} {}

    void publish()
    {
        auto const first = all_.size();
        for (std::size_t i = 0; i < options_.publishers; ++i) {
            auto settings = client_of(options_, static_cast<std::uint32_t>(first + i));
            settings.publishes = true;
            (void)all_.create(std::move(settings), *this);
        }
        if (!all_.open_all(first, all_.size(), options_.parallel, connect_timeout_ns))
            throw std::runtime_error("publishers cannot connect: " + all_.failure());
        std::string const payload(64, 'x');
        auto const total = options_.missed * options_.clients;
        auto const window = options_.window * options_.publishers;
        for (std::size_t sent = 0; answered_ < total;) {
            for (; sent < total && sent - answered_ < window; ++sent)
                all_.publish(all_[first + sent % options_.publishers], all_[sent % options_.clients].settings.filter,
                             payload, 1, static_cast<std::uint16_t>(1 + sent / options_.publishers % 60'000));
            all_.turn(monotonic_ns() + second_ns / 10);
            if (!failure_.empty())
                throw std::runtime_error("a publisher was cut off: " + failure_);
        }
        leaving_ = true;
        for (auto i = first; i < all_.size(); ++i)
            all_.drop(all_[i]);
    }

    void on_published(client&, std::uint16_t) override { ++answered_; }
    void on_closed(client& c) override
    {
        if (!leaving_)
            failure_ = c.failure().empty() ? "closed" : c.failure();
    }

private:
    options const& options_;
    swarm& all_;
    std::size_t answered_ = 0;
    bool leaving_ = false;
    std::string failure_;
};

// Seconds since `start` at which every client had got what it missed.
[[nodiscard]] double wait_for_missed(swarm& all, ready_times const& events, std::size_t wanted, std::int64_t start)
{
    while (events.received < wanted) {
        if (!events.failure.empty())
            throw std::runtime_error("a client was cut off: " + events.failure);
        if (monotonic_ns() - start > connect_timeout_ns)
            throw std::runtime_error("only " + std::to_string(events.received) + " of " + std::to_string(wanted) +
                                     " missed messages arrived");
        all.turn(monotonic_ns() + second_ns / 10);
    }
    return static_cast<double>(monotonic_ns() - start) / 1e9;
}

// Turns the swarm for a while.
void settle(swarm& all, std::int64_t ns)
{
    for (auto const end = monotonic_ns() + ns; monotonic_ns() < end;)
        all.turn(std::min(end, monotonic_ns() + second_ns / 10));
}

[[nodiscard]] double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    auto const middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void report_memory(report& out, process_usage const& before, process_usage const& after, std::size_t clients)
{
    if (!before.known || !after.known)
        return;
    auto const per_client = [clients](std::uint64_t from, std::uint64_t to) {
        return (static_cast<double>(to) - static_cast<double>(from)) / static_cast<double>(clients);
    };
    out.number("anonymous_per_connection", per_client(before.anonymous_bytes, after.anonymous_bytes), "bytes");
    out.number("resident_per_connection", per_client(before.resident_bytes, after.resident_bytes), "bytes");
    out.count("anonymous_before_bytes", before.anonymous_bytes);
    out.count("anonymous_after_bytes", after.anonymous_bytes);
}

}  // namespace

void run_idle(options const& o, report& out)
{
    quiet_events nothing;
    swarm all{o.broker};
    // The first connections pay for what is allocated once.
    auto const first = std::min<std::size_t>(o.clients, 100);
    for (std::uint32_t i = 0; i < first + o.clients; ++i) {
        auto settings = i < first ? subscriber_of(o, i, i, "first") : subscriber_of(o, i, i - first, "idle");
        if (o.durable_sessions)
            make_durable(settings, 0);
        (void)all.create(std::move(settings), nothing);
    }
    if (!all.open_all(0, first, o.parallel, connect_timeout_ns))
        throw std::runtime_error("cannot connect: " + all.failure());
    settle(all, second_ns);
    auto const before = usage_of(o.pid, true);
    auto const start = monotonic_ns();
    if (!all.open_all(first, all.size(), o.parallel, connect_timeout_ns))
        throw std::runtime_error("cannot connect: " + all.failure());
    auto const connected_ns = monotonic_ns() - start;
    settle(all, 2 * second_ns);
    auto const after = usage_of(o.pid, true);
    auto const cpu_before = after.cpu_s;
    settle(all, static_cast<std::int64_t>(o.duration_s * 1e9));
    auto const idle_cpu = usage_of(o.pid).cpu_s - cpu_before;
    out.count("clients", o.clients);
    out.text("sessions", o.durable_sessions ? "durable" : "clean");
    out.number("connecting", static_cast<double>(connected_ns) / 1e9, "s");
    if (after.known)
        out.number("broker_cpu_per_client", (after.cpu_s - before.cpu_s) / static_cast<double>(o.clients) * 1e6, "us");
    report_memory(out, before, after, o.clients);
    if (after.known)
        out.number("broker_cpu_while_idle", idle_cpu / o.duration_s * 100, "%");
    if (all.ready_count() != all.size())
        out.fail(std::to_string(all.size() - all.ready_count()) + " connections were lost");
    if (o.durable_sessions)
        forget_sessions(all, 0, all.size(), o.parallel);
}

namespace {

// The sessions of the clients come into being, and miss something.
void make_sessions(options const& o, swarm& all)
{
    if (!all.open_all(0, all.size(), o.parallel, connect_timeout_ns))
        throw std::runtime_error("cannot connect: " + all.failure());
    for (std::size_t i = 0; i < all.size(); ++i)
        all.drop(all[i]);
    settle(all, second_ns);
    missed_messages{o, all}.publish();
    settle(all, second_ns);
}

}  // namespace

void run_storm(options const& o, report& out)
{
    std::vector<double> seconds;
    std::vector<double> caught_up;
    std::vector<double> cpu;
    histogram taken;
    auto const overflows = listen_overflows();
    for (std::size_t round = 0; round < o.rounds; ++round) {
        swarm all{o.broker, o.publishing};
        ready_times events{all};
        for (std::uint32_t i = 0; i < o.clients; ++i) {
            auto settings = subscriber_of(o, i, i, "storm");
            if (o.durable_sessions)
                make_durable(settings, round);
            (void)all.create(std::move(settings), events);
        }
        if (o.durable_sessions)
            make_sessions(o, all);
        events.reset();
        auto const before = usage_of(o.pid);
        auto const start = monotonic_ns();
        if (!all.open_all(0, o.clients, o.clients, connect_timeout_ns))
            throw std::runtime_error("cannot connect: " + all.failure());
        seconds.push_back(static_cast<double>(monotonic_ns() - start) / 1e9);
        if (o.missed > 0)
            caught_up.push_back(wait_for_missed(all, events, o.missed * o.clients, start));
        cpu.push_back((usage_of(o.pid).cpu_s - before.cpu_s) / static_cast<double>(o.clients) * 1e6);
        taken = events.taken;
        for (std::size_t i = 0; i < all.size(); ++i)
            all.drop(all[i]);
        settle(all, second_ns);  // the broker notices that they are gone
        if (o.durable_sessions && speaks_mqtt(o.broker.speaks))
            forget_sessions(all, 0, o.clients, o.parallel);
    }
    out.count("clients", o.clients);
    out.count("rounds", o.rounds);
    out.number("all_ready", median(seconds), "s");
    out.number("all_ready_fastest", *std::min_element(seconds.begin(), seconds.end()), "s");
    out.number("all_ready_slowest", *std::max_element(seconds.begin(), seconds.end()), "s");
    if (!caught_up.empty()) {
        out.count("missed_messages_each", o.missed);
        out.number("all_caught_up", median(caught_up), "s");
        out.number("all_caught_up_slowest", *std::max_element(caught_up.begin(), caught_up.end()), "s");
    }
    if (usage_of(o.pid).known)
        out.number("broker_cpu_per_client", median(cpu), "us");
    out.latency("client_ready", taken);
    out.count("listen_overflows", listen_overflows() - overflows);
}

namespace {

// Every client connects, subscribes, leaves, and begins again.
class churn final : public swarm_events
{
public:
    explicit churn(swarm& all) : all_{all} {}

    void on_ready(client& c) override
    {
        ++cycles;
        if (measuring)
            taken.record(all_.now_ns() - c.opened_at());
        all_.leave(c);
    }
    void on_closed(client& c) override
    {
        failures += !c.failure().empty();
        if (c.failure().empty() || failure.empty())
            failure = c.failure();
        closed.push_back(&c);
    }

    histogram taken;
    std::vector<client*> closed;
    std::uint64_t cycles = 0;
    std::uint64_t failures = 0;
    std::string failure;
    bool measuring = false;

private:
    swarm& all_;
};

void churn_until(swarm& all, churn& events, std::int64_t end_ns)
{
    std::vector<client*> again;
    while (all.now_ns() < end_ns) {
        all.turn(std::min(end_ns, all.now_ns() + second_ns / 10));
        again.swap(events.closed);
        for (auto* const c : again)
            all.open(*c);
        again.clear();
    }
}

}  // namespace

void run_churn(options const& o, report& out)
{
    swarm all{o.broker};
    churn events{all};
    for (std::uint32_t i = 0; i < o.clients; ++i)
        all.open(all.create(subscriber_of(o, i, i, "churn"), events));
    churn_until(all, events, monotonic_ns() + static_cast<std::int64_t>(o.warmup_s * 1e9));
    auto const cycles = events.cycles;
    auto const own = own_cpu_s();
    auto const before = usage_of(o.pid, true);
    auto const start = monotonic_ns();
    events.measuring = true;
    churn_until(all, events, start + static_cast<std::int64_t>(o.duration_s * 1e9));
    auto const after = usage_of(o.pid, true);
    auto const seconds = static_cast<double>(monotonic_ns() - start) / 1e9;
    auto const done = static_cast<double>(events.cycles - cycles);
    out.count("clients", o.clients);
    out.number("seconds", seconds, "");
    out.number("cycles", done / seconds, "/s");
    if (before.known) {
        out.number("broker_cpu_per_cycle", (after.cpu_s - before.cpu_s) / done * 1e6, "us");
        out.number("anonymous_growth",
                   static_cast<double>(after.anonymous_bytes) - static_cast<double>(before.anonymous_bytes), "bytes");
    }
    out.number("generator_cpu_per_cycle", (own_cpu_s() - own) / done * 1e6, "us");
    out.latency("client_ready", events.taken);
    out.count("failures", events.failures);
    if (events.failures != 0)
        out.fail("connections failed: " + events.failure);
}

}  // namespace fulmar::load
