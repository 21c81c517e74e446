#include "frontends/pusher/fallback_session.hpp"

#include "broker/errors.hpp"
#include "frontends/pusher/event.hpp"
#include "frontends/pusher/fallback_shard.hpp"

#include <algorithm>
#include <utility>

namespace fulmar::pusher {

fallback_session::fallback_session(fallback_shard& owner, std::string name, net::http_request const& first)
    : owner_{owner},
      name_{std::move(name)},
      peer_{first.from},
      origin_{first.joined("Origin")},
      since_{owner.home().wall()},
      quiet_since_{owner.home().now()}
{
}

fallback_session::~fallback_session()
{
    if (protocol_)
        protocol_->on_closed(false);
}

void fallback_session::open(frontend& shared, net::http_request const& first)
{
    protocol_ = make_protocol(shared, *this, first);
    touch();
}

// Numbered by its name, apart from the kernel's numbers for sockets.
void fallback_session::introduce(net::client_visitor& visitor) const
{
    net::client_description what;
    if (phase_ != phase::open || !protocol_->describe(what))
        return;
    what.transport = "http";
    what.peer_address = peer_.address;
    what.peer_port = peer_.port;
    what.tls = peer_.over == broker::transport::tls;
    what.since_ms = since_;
    what.backlog_bytes = queued_bytes_;
    auto const number = std::hash<std::string>{}(name_) | std::uint64_t{1} << 63;
    (void)visitor.on_client(number, std::move(what), *protocol_);
}

broker::shard& fallback_session::home() noexcept { return owner_.home(); }

// --- receivers ---------------------------------------------------------------------------------------------------

void fallback_session::attach(receiver_id who, receive_kind kind)
{
    if (receiver_.serial != 0)
        owner_.write(receiver_, closed_frame(2010, "Another connection still open"), true);
    receiver_ = who;
    served_ = {};
    kind_ = kind;
    ready_ = true;
    under_way_ = 0;
    response_length_ = 0;
    quiet_since_ = home().now();
    if (kind == receive_kind::polling)
        answer_due_ = false;  // a poll is as good as an answer
    touch();
}

void fallback_session::ready(receiver_id who)
{
    if (who != receiver_)
        return;
    ready_ = true;
    under_way_ = 0;
    touch();
}

// pusher-js does not come back to a session whose response was cut off, and what it has got of it nobody knows.
void fallback_session::lost(receiver_id who)
{
    if (who.serial == 0 || (who != receiver_ && who != served_))
        return;
    receiver_ = {};
    end();
}

// --- what the client says ----------------------------------------------------------------------------------------

bool fallback_session::take(std::vector<std::string> const& messages)
{
    if (phase_ != phase::open)
        return false;
    // An empty array answers our "h", or else wants one.
    if (messages.empty() && !std::exchange(answer_due_, false)) {
        alive_due_ = true;
        touch();
    }
    for (auto const& text : messages)
        if (phase_ == phase::open)
            protocol_->on_message(net::websocket_opcode::text, text);
    return true;
}

// --- the wire ----------------------------------------------------------------------------------------------------

void fallback_session::send(std::string_view head, std::string_view tail, std::shared_ptr<void const>)
{
    send_message(net::websocket_opcode::text, std::string{head}.append(tail));
}

void fallback_session::send_message(net::websocket_opcode, std::string_view payload)
{
    if (phase_ != phase::open)
        return;
    pieces_.push_back({std::string{payload}});
    touch();
}

void fallback_session::send_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame)
{
    if (phase_ != phase::open)
        return;
    pieces_.push_back({{}, &run, first_byte, first_frame});
    touch();
}

std::size_t fallback_session::backlog_bytes() const noexcept
{
    auto bytes = queued_bytes_ + under_way_;
    for (auto const& one : pieces_)
        bytes += one.run == nullptr ? one.text.size() : one.run->bytes.size() - one.first_byte;
    return bytes;
}

void fallback_session::close(std::uint16_t code, std::string_view reason)
{
    if (phase_ != phase::open)
        return;
    phase_ = phase::closing;
    closing_since_ = home().now();
    farewell_ = closed_frame(code, reason);
    deadline_.reset();
    touch();
}

void fallback_session::abort() { end(); }

void fallback_session::set_deadline(std::chrono::milliseconds after)
{
    if (phase_ != phase::open)
        return;
    deadline_ = after.count() == 0 ? std::nullopt : std::optional{home().now() + after};
    owner_.arm(due());
}

void fallback_session::replace_protocol(std::unique_ptr<net::protocol>)
{
    FULMAR_ASSERT(!"a protocol inside an HTTP session cannot hand the connection on");
}

// --- the end of a turn -------------------------------------------------------------------------------------------

void fallback_session::touch()
{
    if (!std::exchange(touched_, true))
        owner_.touch(*this);
}

void fallback_session::flush()
{
    touched_ = false;
    if (phase_ == phase::ended)
        return;
    absorb();
    note_backlog();
    if (receiver_.serial != 0 && ready_)
        if (auto part = next_part(); !part.empty())
            hand_over(std::move(part), kind_ == receive_kind::polling);
    note_backlog();
    if (phase_ != phase::ended)
        owner_.arm(due());
}

// Runs are valid until the turn ends.
void fallback_session::absorb()
{
    for (auto const& one : std::exchange(pieces_, {})) {
        if (one.run == nullptr)
            push(one.text);
        else
            absorb_run(one);
    }
}

void fallback_session::absorb_run(piece const& from)
{
    auto& metrics = home().metrics();
    std::size_t begin = from.first_byte;
    for (std::size_t i = from.first_frame; i < from.run->frame_ends.size(); ++i) {
        std::size_t const end = from.run->frame_ends[i];
        if (queued_bytes_ + under_way_ + end - begin > home().limit().outbox_bytes) {
            auto const dropped = from.run->frame_ends.size() - i;
            metrics.dropped[static_cast<std::size_t>(broker::drop_reason::outbox_full)].add(dropped);
            if (protocol_)
                protocol_->on_frames_dropped();
            return;
        }
        push(text_of_frame({from.run->bytes.data() + begin, end - begin}));
        metrics.messages_out[0].add();
        begin = end;
    }
}

void fallback_session::push(std::string_view text)
{
    std::string quoted;
    quoted.reserve(text.size() + text.size() / 4 + 2);
    append_json_string(quoted, text);
    queued_bytes_ += quoted.size();
    queue_.push_back(std::move(quoted));
}

// Frames for the receiver, or nothing if there are none.
std::string fallback_session::next_part()
{
    std::string part;
    if (!std::exchange(greeted_, true))
        part = opened_frame;
    if (!queue_.empty()) {
        part += "a[";
        for (auto first = true; !queue_.empty() && (first || part.size() < part_bytes_max); first = false) {
            part.append(first ? "" : ",").append(queue_.front());
            queued_bytes_ -= queue_.front().size();
            queue_.pop_front();
        }
        part += "]\n";
    }
    if (queue_.empty() && phase_ == phase::closing)
        part += farewell_;
    if (std::exchange(alive_due_, false) && part.empty()) {
        part = alive_frame;
        answer_due_ = kind_ == receive_kind::streaming;
    }
    return part;
}

void fallback_session::hand_over(std::string part, bool last)
{
    auto const said_goodbye = phase_ == phase::closing && queue_.empty();
    response_length_ += utf16_length(part);
    last = last || said_goodbye || response_length_ > response_length_max;
    under_way_ = last ? 0 : part.size();
    ready_ = false;
    quiet_since_ = home().now();
    auto const to = receiver_;
    if (last) {
        served_ = std::exchange(receiver_, {});
        if (said_goodbye)
            end();
    }
    owner_.write(to, std::move(part), last);
}

void fallback_session::note_backlog()
{
    auto const half = home().limit().outbox_bytes / 2;
    if (backlog_bytes() > half)
        crowded_ = true;
    else if (std::exchange(crowded_, false)) {
        drained_ = true;
        owner_.defer(*this);
    }
}

// Not while runs are written out: the protocol may leave channels, and whoever stays is told so in such a run.
void fallback_session::after_turn()
{
    if (std::exchange(drained_, false) && phase_ == phase::open)
        protocol_->on_drained();
}

// --- time, and the end -------------------------------------------------------------------------------------------

broker::steady_time fallback_session::due() const
{
    auto when = quiet_since_ + (receiver_.serial != 0 ? alive_period : away_max);
    if (phase_ == phase::closing)
        when = std::min(when, closing_since_ + away_max);
    return deadline_ ? std::min(when, *deadline_) : when;
}

void fallback_session::on_time(broker::steady_time now)
{
    if (phase_ == phase::ended)
        return;
    if (receiver_.serial == 0 && now >= quiet_since_ + away_max) {
        owner_.metrics().http_sessions_expired.add();
        return end();
    }
    if (phase_ == phase::closing && now >= closing_since_ + away_max)
        return end();  // it does not read
    if (receiver_.serial != 0 && now >= quiet_since_ + alive_period) {
        quiet_since_ = now;
        alive_due_ = ready_;  // if not, there is something to read
        touch();
    }
    if (deadline_ && now >= *deadline_) {
        deadline_.reset();
        protocol_->on_deadline();
    }
}

void fallback_session::end()
{
    if (std::exchange(phase_, phase::ended) == phase::ended)
        return;
    deadline_.reset();
    pieces_.clear();
    if (auto const to = std::exchange(receiver_, {}); to.serial != 0)
        owner_.write(to, {}, true);
    owner_.defer(*this);
}

}  // namespace fulmar::pusher
