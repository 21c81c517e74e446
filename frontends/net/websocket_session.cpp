#include "frontends/net/websocket_session.hpp"

#include "broker/shard.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace fulmar::net {

namespace {

constexpr std::size_t scratch_bytes_kept = 1024 * 1024;  // a larger scratch is given back after use

// What arrives is unmasked into this and handed on from it: one per thread, so that a connection owns no buffer.
// Not used across a call into the inner protocol that could come back here: sessions do not call each other.
std::vector<char>& scratch()
{
    thread_local std::vector<char> mine;
    return mine;
}

void give_back(std::vector<char>& bytes)
{
    bytes.clear();
    if (bytes.capacity() > scratch_bytes_kept)
        bytes.shrink_to_fit();
}

}  // namespace

websocket_session::websocket_session(wire& outer, websocket_settings const& settings,
                                     std::optional<deflate_parameters> deflate, stream_factory const& make)
    : outer_(outer),
      settings_(settings),
      decoder_(settings.message_bytes_max, deflate.has_value()),
      deflate_bits_(deflate ? deflate->server_window_bits : std::uint8_t{0})
{
    count(true);
    inner_ = make(*this);
}

websocket_session::websocket_session(wire& outer, websocket_settings const& settings,
                                     std::optional<deflate_parameters> deflate, message_factory const& make)
    : outer_(outer),
      settings_(settings),
      decoder_(settings.message_bytes_max, deflate.has_value()),
      deflate_bits_(deflate ? deflate->server_window_bits : std::uint8_t{0})
{
    count(true);
    auto made = make(*this);
    messages_ = made.get();
    inner_ = std::move(made);
}

websocket_session::~websocket_session()
{
    if (alive_)
        *alive_ = false;
    count(false);
}

void websocket_session::count(bool opened)
{
    auto& metrics = outer_.home().metrics();
    auto const secure = outer_.remote().over == broker::transport::tls;
    auto const at = static_cast<std::size_t>(secure ? broker::transport::websocket_tls : broker::transport::websocket);
    if (opened) {
        metrics.connections[at].add();
        metrics.connections_total[at].add();
    } else {
        metrics.connections[at].subtract();
    }
}

// --- what arrives --------------------------------------------------------------------------------

std::size_t websocket_session::on_bytes(std::span<char const> in)
{
    auto left = in;
    auto const consumed = [&] { return in.size() - left.size(); };
    websocket_control control;
    while (phase_ != phase::closed && !paused_outside_) {
        switch (decoder_.next(left, control)) {
        case websocket_decoder::event::need_more: offer_scratch(); return consumed();
        case websocket_decoder::event::payload:
            if (!on_payload(left))
                return consumed();
            break;
        case websocket_decoder::event::ping: answer_ping(control.payload()); break;
        case websocket_decoder::event::pong:
            if (messages_ && phase_ == phase::open)
                messages_->on_websocket_pong(control.payload());
            break;
        case websocket_decoder::event::close:
            offer_scratch();
            on_close_frame(control);
            break;
        case websocket_decoder::event::failed:
            offer_scratch();
            fail(decoder_.failure());
            break;
        }
    }
    offer_scratch();
    return phase_ == phase::closed ? in.size() : consumed();
}

bool websocket_session::on_payload(std::span<char const>& in)
{
    if (phase_ != phase::open) {
        // Only the peer's close frame is of interest now.
        auto& nowhere = scratch();
        nowhere.clear();
        (void)decoder_.take(in, nowhere);
        give_back(nowhere);
        return true;
    }
    if (!messages_ && decoder_.kind() != websocket_opcode::binary) {
        offer_scratch();
        if (phase_ == phase::open)
            fail(close_code::unsupported_kind);  // [MQTT-6.0.0-1]
        return true;
    }
    return messages_ || decoder_.compressed() ? take_whole(in) : take_stream(in);
}

// The payload is gathered behind what the inner protocol has not consumed yet, and offered when `in` is used up.
bool websocket_session::take_stream(std::span<char const>& in)
{
    if (decoder_.take(in, rest_.empty() ? scratch() : rest_) == websocket_decoder::taken::failed) {
        offer_scratch();
        fail(decoder_.failure());
    }
    return true;
}

bool websocket_session::take_whole(std::span<char const>& in)
{
    offer_scratch();
    if (phase_ != phase::open || paused_outside_)
        return phase_ == phase::closing;
    auto& target = message_.empty() ? scratch() : message_;
    switch (decoder_.take(in, target)) {
    case websocket_decoder::taken::failed: fail(decoder_.failure()); break;
    case websocket_decoder::taken::more:
    case websocket_decoder::taken::frame_end:
        if (!keep_whole(target))
            fail(close_code::too_big);
        break;
    case websocket_decoder::taken::message_end:
        if (&target != &message_)
            message_.swap(target);  // the callee may need the scratch
        if (decoder_.compressed()) {
            deliver_compressed();
        } else {
            auto message = std::move(message_);
            message_ = {};
            deliver_message(message);
        }
        break;
    }
    return true;
}

// Keeps an unfinished message. False: too much for a peer that has not been answered yet.
bool websocket_session::keep_whole(std::vector<char>& bytes)
{
    if (&bytes != &message_) {
        message_.assign(bytes.begin(), bytes.end());
        give_back(bytes);
    }
    return messages_ || answered_ || message_.size() <= settings_.early_bytes_max;
}

void websocket_session::deliver_compressed()
{
    auto const compressed = std::move(message_);
    message_ = {};
    std::vector<char> whole;
    auto const hand_on = [&](std::string_view piece) {
        if (messages_) {
            whole.insert(whole.end(), piece.begin(), piece.end());
            return true;
        }
        auto& target = rest_.empty() ? scratch() : rest_;
        target.insert(target.end(), piece.begin(), piece.end());
        offer_stream(target);
        return phase_ == phase::open;
    };
    switch (shard_inflater().inflate({compressed.data(), compressed.size()}, settings_.message_bytes_max, hand_on)) {
    case message_inflater::outcome::complete: break;
    case message_inflater::outcome::stopped: return;
    case message_inflater::outcome::too_big: fail(close_code::too_big); return;
    case message_inflater::outcome::corrupt: fail(close_code::invalid_payload); return;
    }
    if (!messages_)
        return;
    utf8_validator text;
    if (decoder_.kind() == websocket_opcode::text && !(text.feed({whole.data(), whole.size()}) && text.complete()))
        fail(close_code::invalid_payload);
    else
        deliver_message(whole);
}

void websocket_session::deliver_message(std::vector<char>& message)
{
    messages_->on_message(decoder_.kind(), {message.data(), message.size()});
    // The scratch got its capacity from us or the other way round: keep one of them warm.
    auto& spare = scratch();
    if (spare.capacity() < message.capacity() && message.capacity() <= scratch_bytes_kept)
        spare.swap(message);
    spare.clear();
}

// Offers what was gathered since the last call.
void websocket_session::offer_scratch()
{
    auto& gathered = scratch();
    if (!rest_.empty()) {
        if (phase_ == phase::open && pauses_ == 0)
            offer_stream(rest_);
    } else if (!gathered.empty()) {
        offer_stream(gathered);
    }
}

void websocket_session::offer_stream(std::vector<char>& bytes)
{
    auto consumed = bytes.size();
    if (phase_ == phase::open && pauses_ == 0)
        consumed = std::min(inner_->on_bytes({bytes.data(), bytes.size()}), bytes.size());
    else if (phase_ == phase::open)
        consumed = 0;
    if (phase_ != phase::open)
        consumed = bytes.size();
    if (&bytes == &rest_) {
        if (consumed == rest_.size())
            rest_ = std::vector<char>{};  // ={} would keep its memory
        else
            rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(consumed));
        return;
    }
    rest_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(consumed), bytes.end());
    give_back(bytes);
}

void websocket_session::answer_ping(std::string_view payload)
{
    // A peer that does not read must not make us hoard pongs (RFC 6455 §5.5.3 lets us answer only the latest ping).
    if (phase_ == phase::open && outer_.backlog_bytes() <= settings_.pong_backlog_max)
        send_control(websocket_opcode::pong, payload);
}

void websocket_session::send_control(websocket_opcode kind, std::string_view payload)
{
    std::array<char, 2 + control_payload_bytes_max> frame{};
    auto const header = write_frame_header(frame.data(), kind, payload.size());
    std::copy(payload.begin(), payload.end(), frame.begin() + static_cast<std::ptrdiff_t>(header));
    outer_.send({frame.data(), header + payload.size()});
}

void websocket_session::on_close_frame(websocket_control const& frame)
{
    if (phase_ == phase::open)
        send_close(frame.code(), {});
    phase_ = phase::closed;
    outer_.close();
}

// RFC 6455 §7.1.7: say why, and do not wait for the peer.
void websocket_session::fail(std::uint16_t code)
{
    if (phase_ == phase::open) {
        if (settings_.on_failure)
            settings_.on_failure(outer_, code);
        send_close(code, {});
    }
    phase_ = phase::closed;
    rest_ = std::vector<char>{};
    message_ = std::vector<char>{};
    outer_.close();
}

// --- what the connection says --------------------------------------------------------------------

void websocket_session::on_deadline()
{
    if (phase_ == phase::open) {
        inner_->on_deadline();
    } else {
        phase_ = phase::closed;
        outer_.close();
    }
}

void websocket_session::on_drained()
{
    if (phase_ == phase::open)
        inner_->on_drained();
}

void websocket_session::on_frames_dropped()
{
    if (phase_ == phase::open)
        inner_->on_frames_dropped();
}

bool websocket_session::describe(client_description& out) const
{
    if (phase_ != phase::open || !inner_->describe(out))
        return false;
    out.transport = "websocket";
    return true;
}

void websocket_session::on_closed(bool clean)
{
    phase_ = phase::closed;
    inner_->on_closed(clean);
}

}  // namespace fulmar::net
