#include "frontends/sse/event_stream.hpp"

#include "broker/history_rules.hpp"
#include "broker/router.hpp"
#include "broker/shard.hpp"
#include "broker/topic.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/net/message_json.hpp"
#include "frontends/sse/event.hpp"
#include "frontends/sse/sse_frontend.hpp"

#include <algorithm>
#include <random>

namespace fulmar::sse {

using namespace broker;

namespace {

constexpr std::size_t page_messages_max = 256;
constexpr std::size_t page_bytes_max = 256 * 1024;
constexpr std::size_t newest_bytes_max = 16 * 1024 * 1024;
constexpr std::uint32_t window_max = 65'536;
// Closer to the end of the log than this, a page being read also keeps what is new meanwhile.
constexpr log_sequence join_distance = 4'096;

// The message that was encoded last on this thread: receivers that cannot share runs share this.
struct encoded_message
{
    message_ptr message;
    log_sequence sequence = 0;
    event_format format = event_format::raw;
    std::vector<char> bytes;
};

[[nodiscard]] std::string_view encoded(logged_message const& item, event_format format)
{
    thread_local encoded_message last;
    if (last.message != item.message || last.sequence != item.sequence || last.format != format) {
        last.bytes.clear();
        append_event(format, *item.message, item.sequence, last.bytes);
        last = {item.message, item.sequence, format, std::move(last.bytes)};
    }
    return {last.bytes.data(), last.bytes.size()};
}

}  // namespace

event_stream::event_stream(sse_frontend& owner, net::wire& wire, stream_request&& wanted, identity who)
    : owner_{owner}, wire_{wire}, request_{std::move(wanted)}, who_{std::move(who)}
{
}

event_stream::~event_stream() { leave(); }

// --- opening -------------------------------------------------------------------------------------

void event_stream::begin()
{
    owner_.opened(home(), *this);
    arm_deadline();
    auto& routes = home().routes();
    if (auto const* const rules = routes.history(); rules != nullptr)
        for (auto const& filter : request_.topics)
            (void)rules->append_sources(who_.app, filter, sources_);
    shares_runs_ = sources_.empty();
    find_beginning();
    unconfirmed_ = request_.topics.size();
    for (auto const& filter : request_.topics)
        routes.subscribe(who_.app, *this, filter, {}, false, [this, alive = std::weak_ptr<int>{alive_}] {
            if (!alive.expired() && --unconfirmed_ == 0)
                on_subscribed();
        });
}

void event_stream::find_beginning()
{
    after_ = told_ = home().position();
    switch (request_.begin.what) {
    case starting_point::kind::now:
    case starting_point::kind::newest: break;
    case starting_point::kind::cursor: after_ = request_.begin.sequence; break;
    case starting_point::kind::earliest:
    case starting_point::kind::time: after_ = 0; break;
    }
}

void event_stream::on_subscribed()
{
    if (phase_ == phase::closed)
        return;
    phase_ = phase::behind;
    send_ready();
    if (sources_.empty())
        return go_live();
    auto const& store = home().node().store;
    if (request_.begin.what == starting_point::kind::cursor) {
        // A position that is not reached yet is none of this log.
        if (auto const last = std::max(store.last_committed(), home().position()); after_ > last) {
            send_gap(0, last);
            after_ = last;
        } else if (auto const lost = store.low_water(); lost > after_) {
            send_gap(after_, lost);
            after_ = lost;
        }
    }
    if (request_.begin.what == starting_point::kind::newest)
        return read_newest();
    go_on();
}

void event_stream::send_ready()
{
    if (request_.format == event_format::ndjson)
        return;
    auto text = farewell();
    std::string topics = "{\"topics\":[";
    for (auto const& filter : request_.topics) {
        topics += topics.back() == '[' ? "{\"topic\":" : ",{\"topic\":";
        net::append_json_text(topics, filter);
        std::vector<queue_filter> sources;
        auto const* const rules = home().routes().history();
        auto const kept = rules != nullptr && rules->append_sources(who_.app, filter, sources);
        topics += kept ? ",\"history\":true}" : ",\"history\":false}";
    }
    topics += "]}";
    // The id lets a client that is cut off before its first event come back to this very place.
    auto const fresh = request_.begin.what == starting_point::kind::now && !sources_.empty();
    append_notice(request_.format, "ready", topics, fresh ? std::optional{after_} : std::nullopt, text);
    write_text(text);
}

void event_stream::send_gap(log_sequence from, log_sequence to)
{
    owner_.metrics_of(home()).gaps.add();
    std::string text;
    append_notice(request_.format, "gap",
                  R"({"from":")" + net::cursor_text(from) + R"(","to":")" + net::cursor_text(to) + "\"}", to, text);
    write_text(text);
}

// --- catching up ---------------------------------------------------------------------------------

bool event_stream::crowded() { return wire_.backlog_bytes() > home().limit().outbox_bytes / 2; }

void event_stream::go_on()
{
    if (phase_ != phase::behind || reading_ || crowded())
        return;
    if (after_ >= home().position() && after_ >= home().node().store.last_committed())
        return catch_up_done(after_);
    read();
}

void event_stream::read()
{
    reading_ = true;
    joining_ = home().position() < after_ + join_distance;
    joined_.clear();
    queue_read request;
    request.filters = sources_;
    request.after = after_;
    request.messages_max = page_messages_max;
    request.bytes_max = page_bytes_max;
    if (std::exchange(first_page_, false) && request_.topics.size() == 1 && !has_wildcard(request_.topics.front())) {
        auto const* const rule = home().routes().history()->find(who_.app, request_.topics.front());
        request.newest_max = rule == nullptr ? 0 : rule->max_messages;
        request.newest_bytes_max = rule == nullptr ? 0 : rule->max_bytes;
    }
    home().read(std::move(request), [this, alive = std::weak_ptr<int>{alive_}](queue_page&& page) {
        if (!alive.expired())
            on_page(std::move(page));
    });
}

void event_stream::on_page(queue_page&& page)
{
    reading_ = false;
    if (phase_ != phase::behind)
        return;
    if (page.error)
        return close();  // it comes back to where it was
    if (request_.begin.what == starting_point::kind::cursor && page.gap + page.skipped > 0)
        send_gap(after_, page.messages.empty() ? page.reached : page.messages.front().sequence - 1);
    write_page(page.messages);
    after_ = std::max(after_, page.reached);
    if (page.complete && (joining_ || after_ >= home().position()))
        return catch_up_done(after_);
    joining_ = false;
    joined_.clear();
    go_on();
}

// The newest so many of what is wanted: with wildcards a stream of the log also holds what is not, so look further back.
void event_stream::read_newest()
{
    reading_ = true;
    joining_ = true;
    joined_.clear();
    auto const least = static_cast<std::uint32_t>(request_.begin.count);
    window_ = window_ == 0 ? least : std::min(window_max, 4 * window_);
    queue_read request;
    request.filters = sources_;
    request.newest_max = window_;
    request.messages_max = window_;
    request.bytes_max = newest_bytes_max;
    home().read(std::move(request), [this, alive = std::weak_ptr<int>{alive_}](queue_page&& page) {
        if (!alive.expired())
            on_newest(std::move(page));
    });
}

void event_stream::on_newest(queue_page&& page)
{
    reading_ = false;
    if (phase_ != phase::behind)
        return;
    if (page.error)
        return close();
    auto& found = page.messages;
    std::erase_if(found, [this](logged_message const& item) { return !wanted(*item.message); });
    if (found.size() < request_.begin.count && page.skipped > 0 && window_ < window_max)
        return read_newest();
    if (page.complete && found.size() > request_.begin.count)
        found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(request_.begin.count));
    write_page(found);
    after_ = page.reached;
    first_page_ = false;
    if (page.complete && (joining_ || after_ >= home().position()))
        return catch_up_done(after_);
    joining_ = false;
    joined_.clear();
    go_on();
}

void event_stream::write_page(std::vector<logged_message> const& messages)
{
    for (auto const& item : messages) {
        if (!wanted(*item.message))
            continue;
        owner_.metrics_of(home()).replayed.add();
        write(item);
    }
}

void event_stream::catch_up_done(log_sequence reached)
{
    for (auto const& item : std::exchange(joined_, {}))
        if (item.sequence > reached)
            write(item);
    joining_ = false;
    skip_upto_ = reached;
    go_live();
}

void event_stream::go_live()
{
    phase_ = phase::live;
    if (home().position() >= skip_upto_)
        share_runs();
}

// Everything that is logged from now on is new: the bytes may be shared with all others, if they have an order.
void event_stream::share_runs()
{
    if (shares_runs_ || request_.topics.size() > 1 || has_wildcard(request_.topics.front()))
        return;
    shares_runs_ = true;
    home().routes().changed();
}

// --- what is new ---------------------------------------------------------------------------------

wire_variant const* event_stream::shared_variant() const noexcept
{
    return &variant_for(request_.format, shares_runs_);
}

void event_stream::take_run(frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame)
{
    if (phase_ != phase::closed)
        wire_.send_run(run, first_byte, first_frame);
}

void event_stream::deliver(message_ptr const& m, matched_subscription const&)
{
    if (phase_ != phase::closed)
        write({0, m});
}

void event_stream::deliver_history(logged_message const& item)
{
    if (phase_ == phase::live) {
        if (item.sequence <= skip_upto_)
            return;
        write(item);
        if (phase_ == phase::live)
            share_runs();
    } else if (phase_ == phase::behind && joining_) {
        if (joined_.size() < joined_messages_max)
            return joined_.push_back(item);
        joining_ = false;
        joined_ = {};
    }
}

bool event_stream::may_receive(std::string_view topic) const { return who_.allowed->may_receive(topic); }

// Of a stream of the log: is it for one of our topics, may we read it, and is it still to be read?
bool event_stream::wanted(message const& m) const
{
    auto const named = [&](std::string const& filter) { return filter == m.topic() || matches(filter, m.topic()); };
    auto const& topics = request_.topics;
    if (std::none_of(topics.begin(), topics.end(), named) || !may_receive(m.topic()))
        return false;
    if (request_.begin.what == starting_point::kind::time && m.published_at < request_.begin.time)
        return false;
    auto& here = wire_.home();
    auto const* const rules = here.routes().history();
    auto const* const rule = rules == nullptr ? nullptr : rules->find(m.app, m.topic());
    return rule != nullptr && (rule->max_age_ms == 0 || m.published_at + rule->max_age_ms > here.wall());
}

void event_stream::write(logged_message const& item)
{
    if (wire_.backlog_bytes() > home().limit().outbox_bytes && phase_ == phase::live)
        return end_slow();
    home().metrics().messages_out[0].add();
    wire_.send(encoded(item, request_.format));
}

// --- signs of life, and the end ------------------------------------------------------------------

void event_stream::arm_deadline()
{
    auto next = owner_.options().keep_alive;
    auto const now = home().wall();
    if (who_.expires_at != 0)
        next = std::min(next, std::chrono::milliseconds{who_.expires_at - std::min(now, who_.expires_at) + 1});
    wire_.set_deadline(next);
}

void event_stream::on_deadline()
{
    if (phase_ == phase::closed)
        return;
    if (who_.expires_at != 0 && who_.expires_at <= home().wall())
        return close();  // what was opened with a token ends with it
    arm_deadline();
    if (wire_.backlog_bytes() > 0)
        return;  // it does not read what there is
    // An id without data is no event, but moves the place to come back to past what was not wanted.
    auto const here = home().position();
    if (request_.format == event_format::ndjson)
        write_text("\n");
    else if (phase_ == phase::live && !sources_.empty() && here > told_ && here >= skip_upto_)
        write_text("id: " + net::cursor_text(told_ = here) + "\n\n");
    else
        write_text(":\n\n");
}

void event_stream::on_drained()
{
    if (phase_ == phase::behind)
        go_on();
}

void event_stream::on_frames_dropped() { end_slow(); }

void event_stream::end_slow()
{
    if (phase_ == phase::closed)
        return;
    home().metrics().slow_consumers_closed.add();
    owner_.metrics_of(home()).slow.add();
    close();
}

// "retry", spread over a range: clients that are cut off together do not come back together.
std::string event_stream::farewell() const
{
    thread_local std::minstd_rand engine{std::random_device{}()};
    auto const& options = owner_.options();
    std::uniform_int_distribution<std::int64_t> between{options.retry_min.count(), options.retry_max.count()};
    return "retry: " + std::to_string(between(engine)) + "\n\n";
}

void event_stream::close()
{
    if (phase_ == phase::closed)
        return;
    if (request_.format != event_format::ndjson)
        write_text(farewell());
    phase_ = phase::closed;
    wire_.close();
}

void event_stream::on_closed(bool)
{
    phase_ = phase::closed;
    leave();
}

void event_stream::leave()
{
    if (alive_ == nullptr)
        return;
    alive_.reset();
    joined_ = {};
    for (auto const& filter : request_.topics)
        home().routes().unsubscribe(who_.app, *this, filter);
    owner_.closed(home(), *this);
}

}  // namespace fulmar::sse
