#include "tests/ledger/load_run.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <ostream>

namespace fulmar::ledger {

namespace {

using namespace std::chrono_literals;

constexpr auto tick_every = 5ms;
constexpr auto report_every = 200ms;
constexpr auto quiet_at_the_end = 300ms;  // late duplicates get the time to show themselves

std::uint8_t qos_of(std::string const& kind, std::uint32_t number)
{
    if (kind == "mix")
        return number % 2 == 0 ? 1 : 2;
    return kind == "2" ? 2 : 1;
}

double seconds_since(event_loop::clock::time_point begin)
{
    return std::chrono::duration<double>(event_loop::clock::now() - begin).count();
}

}  // namespace

load_run::load_run(run_settings settings) : settings_(std::move(settings))
{
    std::filesystem::create_directories(settings_.journals);
    make_publishers();
    make_sessions();
}

load_run::~load_run() = default;

void load_run::make_publishers()
{
    for (std::uint32_t i = 0; i < settings_.publishers; ++i) {
        publisher_settings p;
        p.connection = {settings_.port, i % 2 == 0 ? version::v3_1_1 : version::v5,
                        "ledger-" + std::to_string(settings_.run) + "-p" + std::to_string(i), 0,
                        settings_.seed * 1'000 + i};
        p.run = settings_.run;
        p.number = i;
        p.topics = settings_.topics;
        p.qos = qos_of(settings_.qos, i / 2);
        p.window = settings_.window;
        p.payload_bytes = settings_.payload_bytes;
        p.rate_per_s = settings_.rate_per_s / settings_.publishers;
        journals_.push_back(
            std::make_unique<journal>(settings_.journals / ("publisher-" + std::to_string(i) + ".log")));
        publishers_.push_back(std::make_unique<publisher>(loop_, std::move(p), *journals_.back()));
    }
}

void load_run::make_sessions()
{
    auto const run = std::to_string(settings_.run);
    for (std::uint32_t i = 0; i < settings_.sessions; ++i) {
        subscriber_settings s;
        s.connection = {settings_.port, i % 2 == 0 ? version::v5 : version::v3_1_1,
                        "ledger-" + run + "-s" + std::to_string(i), static_cast<std::uint16_t>(i % 4 == 0 ? 20 : 0),
                        settings_.seed * 1'000 + 500 + i};
        s.run = settings_.run;
        s.number = i;
        s.fault = settings_.fault;
        // Every session follows one publisher: by a wildcard, by its exact topics, or (one of them) by both.
        auto const followed = i % settings_.publishers;
        s.qos = qos_of(settings_.qos, followed / 2);
        auto const stem = "ledger/" + run + "/" + std::to_string(followed) + "/";
        for (std::uint32_t topic = 0; topic < settings_.topics; ++topic)
            s.expects.push_back({followed, topic});
        if (i % 3 != 1)
            s.filters.push_back(stem + (i % 2 == 0 ? "+" : "#"));
        if (i % 3 != 0) {
            for (auto const& stream : s.expects)
                s.filters.push_back(topic_name(settings_.run, stream));
        }
        journals_.push_back(std::make_unique<journal>(settings_.journals / ("session-" + std::to_string(i) + ".log")));
        sessions_.push_back(std::make_unique<subscriber>(loop_, std::move(s), *journals_.back()));
    }
}

load_run::habit load_run::habit_of(std::size_t session) const
{
    if (settings_.all_online)
        return habit::steady;
    // Not a simple remainder, so that habits and followed publishers are mixed.
    switch ((session + session / settings_.publishers) % 4) {
    case 0: return habit::steady;
    case 3: return habit::away;
    default: return habit::flapping;
    }
}

bool load_run::execute(std::ostream& progress)
{
    if (settings_.seconds == 0) {
        ::fcntl(STDIN_FILENO, F_SETFL, ::fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
        loop_.watch(STDIN_FILENO, EPOLLIN, [this](std::uint32_t) { read_orders(); });
    }
    phase_began_ = last_tick_ = event_loop::clock::now();
    for (auto const& s : sessions_)
        s->go_online();
    for (auto const& p : publishers_)
        p->go_online();
    tick();
    report(progress);
    while (phase_ != phase::done)
        loop_.turn();
    for (auto const& j : journals_)
        j->flush();
    return complete_;
}

void load_run::tick()
{
    auto const now = event_loop::clock::now();
    auto const since = std::chrono::duration_cast<std::chrono::milliseconds>(now - last_tick_);
    last_tick_ += since;
    for (auto const& p : publishers_)
        p->tick(since);
    advance();
    loop_.after(tick_every, [this] { tick(); });
}

void load_run::advance()
{
    switch (phase_) {
    case phase::subscribing:
        if (all_subscribed())
            begin_publishing();
        else if (seconds_since(phase_began_) > settings_.drain_seconds)
            phase_ = phase::done;  // nobody can subscribe: complete_ stays false
        break;
    case phase::publishing:
        if (stop_ordered_ || (settings_.seconds > 0 && seconds_since(phase_began_) >= settings_.seconds))
            end_publishing();
        break;
    case phase::settling:
        if (all_settled() || seconds_since(phase_began_) > settings_.drain_seconds)
            begin_draining();
        break;
    case phase::draining:
        if (!all_delivered())
            delivered_since_ = event_loop::clock::now();
        else if (event_loop::clock::now() - delivered_since_ > quiet_at_the_end)
            complete_ = all_settled();
        if (complete_ || seconds_since(phase_began_) > settings_.drain_seconds)
            phase_ = phase::done;
        break;
    case phase::done: break;
    }
}

void load_run::begin_publishing()
{
    phase_ = phase::publishing;
    phase_began_ = event_loop::clock::now();
    for (std::size_t i = 0; i < sessions_.size(); ++i) {
        if (habit_of(i) == habit::flapping)
            sessions_[i]->begin_flapping(std::chrono::milliseconds{settings_.flap_ms});
        else if (habit_of(i) == habit::away)
            sessions_[i]->go_offline(i % 2 == 0 ? goodbye::reset : goodbye::disconnect_packet);
    }
    for (auto const& p : publishers_)
        p->start();
}

void load_run::end_publishing()
{
    phase_ = phase::settling;
    phase_began_ = event_loop::clock::now();
    for (auto const& p : publishers_)
        p->stop();
}

void load_run::begin_draining()
{
    phase_ = phase::draining;
    phase_began_ = delivered_since_ = event_loop::clock::now();
    for (auto const& s : sessions_)
        s->end_flapping();
}

bool load_run::all_subscribed() const
{
    return std::all_of(sessions_.begin(), sessions_.end(), [](auto const& s) { return s->subscribed(); }) &&
           std::all_of(publishers_.begin(), publishers_.end(), [](auto const& p) { return p->online(); });
}

bool load_run::all_settled() const
{
    return std::all_of(publishers_.begin(), publishers_.end(), [](auto const& p) { return p->settled(); });
}

bool load_run::all_delivered() const
{
    return std::all_of(sessions_.begin(), sessions_.end(), [this](auto const& s) {
        return std::all_of(s->expects().begin(), s->expects().end(), [&](stream_id stream) {
            return s->highest(stream) >= publishers_[stream.publisher]->last_acknowledged(stream.topic);
        });
    });
}

void load_run::read_orders()
{
    std::array<char, 256> bytes;
    auto const count = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    // The only order is to stop; so is the end of the input, because then the driver has died.
    loop_.forget(STDIN_FILENO);
    stop_ordered_ = true;
}

void load_run::report(std::ostream& progress)
{
    static constexpr std::array<char const*, 5> names{"subscribing", "publishing", "settling", "draining", "done"};
    std::uint64_t acknowledged = 0;
    std::uint64_t deliveries = 0;
    std::size_t online = 0;
    for (auto const& p : publishers_)
        acknowledged += p->acknowledged();
    for (auto const& s : sessions_) {
        deliveries += s->deliveries();
        online += s->online() ? 1 : 0;
    }
    progress << "{\"phase\":\"" << names[static_cast<std::size_t>(phase_)] << "\",\"acknowledged\":" << acknowledged
             << ",\"deliveries\":" << deliveries << ",\"sessions_online\":" << online << "}\n"
             << std::flush;
    loop_.after(report_every, [this, &progress] { report(progress); });
}

}  // namespace fulmar::ledger
