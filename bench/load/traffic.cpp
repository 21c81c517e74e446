#include "bench/load/order_check.hpp"
#include "bench/load/process_probe.hpp"
#include "bench/load/publisher.hpp"
#include "bench/load/scenarios.hpp"

#include <algorithm>
#include <stdexcept>

namespace fulmar::load {

namespace {

// Everything that counts up during a run; the measured figures are differences of two of these.
struct sums
{
    std::int64_t at_ns = 0;
    std::uint64_t published = 0;
    std::uint64_t delivered = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t receives = 0;
    double own_cpu_s = 0;
    process_usage broker;
};

class traffic final : swarm_events
{
public:
    explicit traffic(options const& o) : options_{o}, swarm_{o.broker, o.publishing}, progress_{!o.quiet && !o.json} {}

    void run(report& out);

private:
    void connect();
    void add_subscribers();
    void add_publishers();
    [[nodiscard]] std::string topic_of(std::size_t publisher) const;
    [[nodiscard]] std::string filter_of(std::size_t subscriber) const;

    void run_until(std::int64_t end_ns, bool publishing);
    void drain();
    void publish_what_may();
    void publish_what_is_due();
    [[nodiscard]] std::int64_t next_due_ns() const;
    void check_stall();
    [[nodiscard]] sums sums_now();
    void report_figures(report& out, sums const& from, sums const& to) const;
    void report_proof(report& out);

    void on_message(client& c, publish_view const& view) override;
    void on_published(client& c, std::uint16_t id) override;
    void on_closed(client& c) override;

    [[nodiscard]] std::uint64_t progress() const noexcept
    {
        return options_.subscribers > 0 ? delivered_ : acknowledged_;
    }
    void may_publish_again(publisher& p)
    {
        if (p.listed)
            return;
        p.listed = true;
        waiting_.push_back(&p);
    }

    options const& options_;
    swarm swarm_;
    progress_line progress_;
    std::vector<publisher> publishers_;
    std::vector<stream_check> streams_;  // by subscriber and publisher; pairs: by publisher
    std::vector<publisher*> waiting_;    // may publish
    order_faults faults_;
    throughput rate_;
    histogram delivery_latency_;
    histogram ack_latency_;
    std::uint64_t published_ = 0;
    std::uint64_t delivered_ = 0;
    std::uint64_t acknowledged_ = 0;
    std::uint64_t stalls_ = 0;
    std::int64_t last_progress_ns_ = 0;
    std::uint64_t progress_mark_ = 0;
    std::uint64_t shown_progress_ = 0;
    std::int64_t shown_at_ns_ = 0;
    bool measuring_ = false;
    bool finished_ = false;
    std::string broken_;
};

std::string traffic::topic_of(std::size_t publisher) const
{
    switch (options_.which) {
    case scenario::pairs: return options_.named(options_.topic + "/pair/" + std::to_string(publisher));
    case scenario::fanin: return options_.named(options_.topic + "/in/" + std::to_string(publisher));
    case scenario::durable: return options_.named(options_.topic + "/durable/" + std::to_string(publisher));
    default: return options_.named(options_.topic + "/fanout");
    }
}

std::string traffic::filter_of(std::size_t subscriber) const
{
    switch (options_.which) {
    case scenario::pairs: return topic_of(subscriber);
    case scenario::fanin: return options_.named(options_.topic + "/in/+");
    case scenario::durable: return options_.named(options_.topic + "/durable/+");
    default: return options_.named(options_.topic + "/fanout");
    }
}

void traffic::add_subscribers()
{
    for (std::uint32_t i = 0; i < options_.subscribers; ++i) {
        auto settings = client_of(options_, i);
        settings.filter = filter_of(i);
        settings.qos = options_.qos;
        if (options_.which == scenario::durable) {
            settings.connect.clean = false;
            settings.connect.durable = true;
        }
        (void)swarm_.create(std::move(settings), *this);
    }
    auto const per_subscriber = options_.which == scenario::pairs ? 1 : options_.publishers;
    streams_.resize(options_.subscribers * per_subscriber);
}

void traffic::add_publishers()
{
    publishers_.reserve(options_.publishers);
    for (std::uint32_t i = 0; i < options_.publishers; ++i) {
        auto settings = client_of(options_, static_cast<std::uint32_t>(options_.subscribers) + i);
        settings.number = i;
        settings.publishes = true;
        publisher_settings how;
        how.number = i;
        how.topic = topic_of(i);
        how.payload = options_.shape();
        how.qos = options_.publish_qos();
        how.window = options_.window;
        how.receivers = options_.which == scenario::pairs ? 1 : static_cast<std::uint32_t>(options_.subscribers);
        how.window_by_ack = options_.subscribers == 0 || (options_.which == scenario::durable && options_.qos > 0);
        how.windowed = options_.rate <= 0;
        publishers_.emplace_back(std::move(how), swarm_.create(std::move(settings), *this));
    }
}

void traffic::connect()
{
    add_subscribers();
    add_publishers();
    if (!swarm_.open_all(0, swarm_.size(), options_.parallel, connect_timeout_ns))
        throw std::runtime_error("cannot connect: " + swarm_.failure());
}

void traffic::on_message(client& c, publish_view const& view)
{
    stamp s;
    if (!options_.shape().read(view.payload, s) || s.publisher >= publishers_.size()) {
        ++faults_.corrupt;
        return;
    }
    auto const stream = options_.which == scenario::pairs ? std::size_t{s.publisher}
                                                          : c.settings.number * publishers_.size() + s.publisher;
    if (options_.which == scenario::pairs && c.settings.number != s.publisher) {
        ++faults_.corrupt;
        return;
    }
    if (streams_[stream].note(s.sequence, faults_) == stream_check::verdict::duplicate)
        return;
    ++delivered_;
    if (measuring_)
        delivery_latency_.record(swarm_.now_ns() - s.sent_at_ns);
    auto& p = publishers_[s.publisher];
    if (p.on_received(s.sequence))
        may_publish_again(p);
}

void traffic::on_published(client& c, std::uint16_t id)
{
    auto& p = publishers_[c.settings.number];
    auto const waited = p.on_acknowledged(id, swarm_.now_ns());
    if (waited < 0) {
        broken_ = "the broker acknowledged a packet identifier that was not in flight";
        return;
    }
    ++acknowledged_;
    if (measuring_)
        ack_latency_.record(waited);
    may_publish_again(p);
}

void traffic::on_closed(client& c)
{
    if (!finished_)
        broken_ = "client " + c.settings.connect.client_id + ": " + (c.failure().empty() ? "closed" : c.failure());
}

void traffic::publish_what_may()
{
    auto const now = swarm_.now_ns();
    for (auto* const p : waiting_) {
        p->listed = false;
        for (; p->connection().ready() && p->may_publish(); ++published_)
            p->publish(swarm_, now);
    }
    waiting_.clear();
}

void traffic::publish_what_is_due()
{
    auto const interval = static_cast<std::int64_t>(1e9 * static_cast<double>(publishers_.size()) / options_.rate);
    auto const now = monotonic_ns();
    for (auto& p : publishers_) {
        for (; p.due_ns <= now && p.connection().ready() && p.may_publish(); p.due_ns += interval, ++published_)
            p.publish(swarm_, p.due_ns);
    }
}

std::int64_t traffic::next_due_ns() const
{
    auto const first = std::min_element(publishers_.begin(), publishers_.end(),
                                        [](auto const& a, auto const& b) { return a.due_ns < b.due_ns; });
    return first->due_ns;
}

// QoS 0 may be lost: a window that waits for a lost message would wait for ever.
void traffic::check_stall()
{
    auto const mark = delivered_ + acknowledged_;
    if (mark != progress_mark_ || options_.rate > 0) {
        progress_mark_ = mark;
        last_progress_ns_ = swarm_.now_ns();
        return;
    }
    if (swarm_.now_ns() - last_progress_ns_ < second_ns)
        return;
    last_progress_ns_ = swarm_.now_ns();
    ++stalls_;
    for (auto& p : publishers_) {
        p.give_up();
        may_publish_again(p);
    }
}

void traffic::run_until(std::int64_t end_ns, bool publishing)
{
    while (swarm_.now_ns() < end_ns && broken_.empty()) {
        auto until = std::min(end_ns, swarm_.now_ns() + second_ns / 10);
        if (publishing && options_.rate > 0) {
            publish_what_is_due();
            until = std::min(until, next_due_ns());
        } else if (publishing) {
            publish_what_may();
        }
        swarm_.turn(until);
        if (publishing)
            check_stall();
        if (measuring_)
            rate_.note(swarm_.now_ns(), progress());
        if (progress_.due(swarm_.now_ns())) {
            auto const elapsed = static_cast<double>(swarm_.now_ns() - shown_at_ns_) / 1e9;
            progress_.show(std::to_string(static_cast<std::uint64_t>(static_cast<double>(progress() - shown_progress_) /
                                                                     elapsed)) +
                           (options_.subscribers > 0 ? " deliveries/s" : " publishes/s"));
            shown_progress_ = progress();
            shown_at_ns_ = swarm_.now_ns();
        }
        if (!publishing && delivered_ + faults_.corrupt >= progress_mark_)
            return;
    }
}

// Receives what is still on its way: until everything is there or nothing came for three seconds.
void traffic::drain()
{
    auto const receivers = options_.which == scenario::pairs ? 1 : options_.subscribers;
    progress_mark_ = published_ * receivers;
    for (auto before = ~std::uint64_t{0}; before != delivered_ && delivered_ < progress_mark_ && broken_.empty();) {
        before = delivered_;
        run_until(monotonic_ns() + 3 * second_ns, false);
    }
    if (options_.publish_qos() > 0 && acknowledged_ < published_) {
        progress_mark_ = ~std::uint64_t{0};
        run_until(monotonic_ns() + second_ns, false);
    }
}

sums traffic::sums_now()
{
    return {monotonic_ns(),        published_, delivered_, acknowledged_, swarm_.receives(), own_cpu_s(),
            usage_of(options_.pid)};
}

void traffic::run(report& out)
{
    connect();
    auto const start = monotonic_ns();
    last_progress_ns_ = shown_at_ns_ = start;
    std::int64_t offset = 0;
    for (auto& p : publishers_) {
        p.due_ns =
            start +
            (options_.rate > 0 ? static_cast<std::int64_t>(1e9 * static_cast<double>(offset++) / options_.rate) : 0);
        may_publish_again(p);
    }
    run_until(start + static_cast<std::int64_t>(options_.warmup_s * 1e9), true);
    auto const from = sums_now();
    measuring_ = true;
    rate_.begin(from.at_ns, progress());
    run_until(from.at_ns + static_cast<std::int64_t>(options_.duration_s * 1e9), true);
    auto const to = sums_now();
    measuring_ = false;
    drain();
    report_figures(out, from, to);
    report_proof(out);
    finished_ = true;
    if (options_.which == scenario::durable)
        forget_sessions(swarm_, 0, options_.subscribers, options_.parallel);
}

void traffic::report_figures(report& out, sums const& from, sums const& to) const
{
    auto const seconds = static_cast<double>(to.at_ns - from.at_ns) / 1e9;
    auto const delivered = static_cast<double>(to.delivered - from.delivered);
    auto const published = static_cast<double>(to.published - from.published);
    auto const own = to.own_cpu_s - from.own_cpu_s;
    out.count("publishers", options_.publishers);
    out.count("subscribers", options_.subscribers);
    out.count("payload_bytes", options_.payload_bytes);
    out.count("qos", options_.publish_qos());
    if (options_.rate > 0)
        out.number("rate", options_.rate, "/s");
    else
        out.count("window", options_.window);
    out.number("seconds", seconds, "");
    out.number("published", published / seconds, "/s");
    if (options_.publish_qos() > 0)
        out.number("acknowledged", static_cast<double>(to.acknowledged - from.acknowledged) / seconds, "/s");
    out.number("delivered", delivered / seconds, "/s");
    if (from.broker.known && to.broker.known) {
        auto const used = to.broker.cpu_s - from.broker.cpu_s;
        out.number("broker_cpu_per_delivery", used / delivered * 1e6, "us");
        out.number("broker_cpu_per_publish", used / published * 1e6, "us");
        out.number("broker_cpu", used / seconds * 100, "%");
    }
    out.number("generator_cpu_per_delivery", own / delivered * 1e6, "us");
    out.number("generator_cpu_per_publish", own / published * 1e6, "us");
    out.number("generator_cpu", own / seconds * 100, "%");
    out.number("deliveries_per_receive", delivered / static_cast<double>(to.receives - from.receives), "");
    out.latency("delivery", delivery_latency_);
    out.latency("acknowledgement", ack_latency_);
    out.over_time(options_.subscribers > 0 ? "deliveries" : "publishes", rate_);
}

void traffic::report_proof(report& out)
{
    auto const pairs = options_.which == scenario::pairs;
    for (std::size_t i = 0; i < streams_.size(); ++i)
        streams_[i].finish(publishers_[pairs ? i : i % publishers_.size()].published(), faults_);
    out.count("messages_published", published_);
    out.count("messages_delivered", delivered_);
    out.count("stalls", stalls_);
    out.faults(faults_);
    if (!broken_.empty())
        out.fail(broken_);
    else if (options_.publish_qos() > 0 && acknowledged_ < published_)
        out.fail(std::to_string(published_ - acknowledged_) + " publishes were never acknowledged");
}

}  // namespace

void run_traffic(options const& o, report& out)
{
    traffic run{o};
    run.run(out);
}

}  // namespace fulmar::load
