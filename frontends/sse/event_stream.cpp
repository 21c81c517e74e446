#include "frontends/sse/event_stream.hpp"

#include "broker/router.hpp"
#include "broker/shard.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/net/message_json.hpp"
#include "frontends/sse/event.hpp"
#include "frontends/sse/sse_frontend.hpp"

#include <algorithm>
#include <random>
#include <utility>

namespace fulmar::sse {

using namespace broker;

namespace {

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

event_stream::event_stream(sse_frontend& owner, net::wire& wire, stream_request&& wanted, identity who,
                           std::unique_ptr<session_reader> session)
    : topic_follower{wire.home(), who.app, std::move(wanted.topics), wanted.begin},
      owner_{owner},
      wire_{wire},
      format_{wanted.format},
      who_{std::move(who)},
      session_{std::move(session)}
{
}

event_stream::~event_stream() { give_up(); }

// --- opening -------------------------------------------------------------------------------------

void event_stream::begin()
{
    owner_.opened(home(), *this);
    told_ = home().position();
    if (session_)
        session_->alive_again_at(home().now() + owner_.options().keep_alive);
    arm_deadline();
    if (!session_)
        return follow();
    session_->claim().on_end([this](reader_end why) { on_session_end(why); });
    if (session_)
        follow_durably(session_->grant().begins);
}

void event_stream::on_ready(log_sequence position)
{
    if (format_ != event_format::ndjson)
        say_ready(position);
    // A place of a session that is no more: what topics without history had since then is lost.
    if (!session_ || session_->grant().known)
        return;
    auto const& begins = session_->grant().begins;
    for (std::size_t i = 0; i < begins.size(); ++i)
        if (begins[i].logged > position && !keeps_history(topics()[i]))
            return say_gap(position, begins[i].logged, position);
}

void event_stream::say_ready(log_sequence position)
{
    auto text = farewell();
    std::string list = "{\"topics\":[";
    for (auto const& filter : topics()) {
        list += list.back() == '[' ? "{\"topic\":" : ",{\"topic\":";
        net::append_json_text(list, filter);
        list += keeps_history(filter) ? ",\"history\":true}" : ",\"history\":false}";
    }
    list += ']';
    if (session_) {
        list += ",\"session\":{\"name\":";
        net::append_json_text(list, session_->name());
        list += session_->grant().known ? ",\"resumed\":true}" : ",\"resumed\":false}";
    }
    list += '}';
    // The id lets a client that is cut off before its first event come back to this very place.
    auto const fresh = beginning().what == (session_ ? starting_point::kind::cursor : starting_point::kind::now) &&
                       keeps_history() && position <= home().node().store.last_committed();
    append_notice(format_, "ready", list, fresh ? std::optional{position} : std::nullopt, text);
    write_text(text);
}

void event_stream::on_gap(log_sequence from, log_sequence to) { say_gap(from, to, to); }

void event_stream::say_gap(log_sequence from, log_sequence to, log_sequence go_on_after)
{
    owner_.metrics_of(home()).gaps.add();
    std::string text;
    append_notice(format_, "gap",
                  R"({"from":")" + net::cursor_text(from) + R"(","to":")" + net::cursor_text(to) + "\"}", go_on_after,
                  text);
    write_text(text);
}

// --- events --------------------------------------------------------------------------------------

bool event_stream::crowded() { return wire_.backlog_bytes() > home().limit().outbox_bytes / 2; }

wire_variant const* event_stream::shared_variant() const noexcept
{
    return session_ ? nullptr : &variant_for(format_, shares_runs());
}

void event_stream::take_run(frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame)
{
    if (!ended())
        wire_.send_run(run, first_byte, first_frame);
}

bool event_stream::may_receive(std::string_view topic) const { return who_.allowed->may_receive(topic); }

void event_stream::hand_on(logged_message const& item, bool replayed)
{
    if (replayed)
        owner_.metrics_of(home()).replayed.add();
    if (wire_.backlog_bytes() > home().limit().outbox_bytes && live())
        return end_slow();
    home().metrics().messages_out[0].add();
    wire_.send(encoded(item, format_));
    if (session_ && item.sequence != 0 && session_->note_sent())
        arm_deadline();
}

// Everything wanted at or before this was sent.
log_sequence event_stream::written() const { return live() ? std::max(reached(), wire_.home().position()) : reached(); }

// --- signs of life, and the end ------------------------------------------------------------------

void event_stream::arm_deadline()
{
    auto next = owner_.options().keep_alive;
    if (session_) {
        auto const left = std::chrono::ceil<std::chrono::milliseconds>(session_->alive_at() - home().now());
        next = std::clamp(left, std::chrono::milliseconds{1},
                          session_->unacknowledged() ? session_reader::look_after : next);
    }
    auto const now = home().wall();
    if (who_.expires_at != 0)
        next = std::min(next, std::chrono::milliseconds{who_.expires_at - std::min(now, who_.expires_at) + 1});
    wire_.set_deadline(next);
}

void event_stream::on_deadline()
{
    if (ended())
        return;
    if (who_.expires_at != 0 && who_.expires_at <= home().wall())
        return close();  // what was opened with a token ends with it
    auto alive = true;
    if (session_) {
        session_->look(wire_, written());
        alive = home().now() >= session_->alive_at();
        if (alive)
            session_->alive_again_at(home().now() + owner_.options().keep_alive);
    }
    arm_deadline();
    if (alive && wire_.backlog_bytes() == 0)  // else it does not read what there is
        say_alive();
}

void event_stream::say_alive()
{
    // An id without data is no event, but moves the place to come back to past what was not wanted.
    auto const here = home().position();
    if (format_ == event_format::ndjson)
        write_text("\n");
    else if (live() && keeps_history() && here > told_ && here >= reached())
        write_text("id: " + net::cursor_text(told_ = here) + "\n\n");
    else
        write_text(":\n\n");
}

void event_stream::on_drained() { go_on(); }

void event_stream::on_frames_dropped() { end_slow(); }

void event_stream::end_slow()
{
    if (ended())
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

// The last id makes EventSource, which comes back by itself, say that it was told: two readers of one session would take it
// from each other for ever.
void event_stream::on_session_end(reader_end why)
{
    if (ended())
        return;
    auto const position = written();
    session_.reset();
    if (why == reader_end::taken_over && format_ == event_format::ndjson)
        write_text("{\"taken-over\":{}}\n");
    else if (why == reader_end::taken_over)
        write_text("event: taken-over\nid: " + taken_over_id(position) + "\ndata: {}\n\n");
    close();
}

void event_stream::close()
{
    if (ended())
        return;
    if (session_)
        session_->look(wire_, written());
    if (format_ != event_format::ndjson)
        write_text(farewell());
    end();
    wire_.close();
}

bool event_stream::describe(net::client_description& out) const
{
    if (ended())
        return false;
    out.protocol = "sse";
    out.transport = "http";
    out.app = who_.app;
    out.user = who_.user;
    return true;
}

void event_stream::on_closed(bool)
{
    end();
    give_up();
}

void event_stream::give_up()
{
    if (std::exchange(gone_, true))
        return;
    leave();
    owner_.closed(home(), *this);
}

}  // namespace fulmar::sse
