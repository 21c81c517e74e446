// The wire that the inner protocol of a WebSocket session sees.
#include "broker/errors.hpp"
#include "broker/shard.hpp"
#include "frontends/net/websocket_session.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <utility>

namespace fulmar::net {

namespace {

constexpr std::size_t joined_bytes_max = 512;                    // header and head are joined on the stack up to here
constexpr std::size_t deflate_scratch_bytes_kept = 1024 * 1024;  // larger ones are given back after use

// One per thread, so that a connection owns no buffer.
std::vector<char>& deflate_scratch()
{
    thread_local std::vector<char> mine;
    return mine;
}

}  // namespace

void websocket_session::send(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep)
{
    send_frame(messages_ ? websocket_opcode::text : websocket_opcode::binary, head, tail, std::move(keep));
}

void websocket_session::send_message(websocket_opcode kind, std::string_view payload)
{
    send_frame(kind, payload, {}, {});
}

void websocket_session::send_ping(std::string_view payload)
{
    if (phase_ == phase::open)
        send_control(websocket_opcode::ping, payload);
}

void websocket_session::send_frame(websocket_opcode kind, std::string_view head, std::string_view tail,
                                   std::shared_ptr<void const> keep)
{
    if (phase_ != phase::open)
        return;
    answered_ = true;
    auto const size = head.size() + tail.size();
    std::array<char, frame_header_bytes_max + joined_bytes_max> joined;
    if (deflate_bits_ != 0 && size >= settings_.compress_above) {
        auto& smaller = deflate_scratch();
        smaller.clear();
        if (shard_deflater(deflate_bits_).deflate(head, tail, smaller)) {
            outer_.send({joined.data(), write_frame_header(joined.data(), kind, smaller.size(), true)},
                        {smaller.data(), smaller.size()});
            smaller.clear();
            if (smaller.capacity() > deflate_scratch_bytes_kept)
                smaller.shrink_to_fit();
            return;
        }
    }
    auto const header = write_frame_header(joined.data(), kind, size);
    if (head.size() <= joined_bytes_max) {
        std::copy(head.begin(), head.end(), joined.begin() + static_cast<std::ptrdiff_t>(header));
        outer_.send({joined.data(), header + head.size()}, tail, std::move(keep));
        return;
    }
    outer_.send({joined.data(), header});
    outer_.send(head, tail, std::move(keep));
}

// Not compressed: that would be done for each receiver anew.
void websocket_session::send_shared(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep)
{
    if (phase_ != phase::open)
        return;
    answered_ = true;
    std::array<char, frame_header_bytes_max> header;
    auto const kind = messages_ ? websocket_opcode::text : websocket_opcode::binary;
    outer_.send({header.data(), write_frame_header(header.data(), kind, head.size() + tail.size())}, head);
    outer_.send_shared({}, tail, std::move(keep));
}

void websocket_session::send_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame)
{
    if (phase_ == phase::open)
        outer_.send_run(run, first_byte, first_frame);
}

wire::framing_kind websocket_session::framing() const noexcept
{
    return messages_ ? framing_kind::websocket_text : framing_kind::websocket_binary;
}

void websocket_session::send_close(std::uint16_t code, std::string_view reason)
{
    std::vector<char> frame;
    append_close_frame(frame, code, reason);
    outer_.send({frame.data(), frame.size()});
}

void websocket_session::close(std::uint16_t code, std::string_view reason)
{
    if (phase_ != phase::open)
        return;
    send_close(code, reason);
    phase_ = phase::closing;
    outer_.set_deadline(settings_.close_wait);
    if (std::exchange(paused_outside_, false))
        outer_.resume_reading();  // or the peer's close frame is never seen
}

void websocket_session::abort()
{
    phase_ = phase::closed;
    outer_.abort();
}

void websocket_session::set_deadline(std::chrono::milliseconds after)
{
    if (phase_ == phase::open)
        outer_.set_deadline(after);
}

void websocket_session::pause_reading()
{
    if (phase_ != phase::open)
        return;
    ++pauses_;
    if (!std::exchange(paused_outside_, true))
        outer_.pause_reading();
}

void websocket_session::resume_reading()
{
    if (phase_ != phase::open || pauses_ == 0 || --pauses_ != 0)
        return;
    if (rest_.empty()) {
        paused_outside_ = false;
        outer_.resume_reading();
        return;
    }
    // What was left unconsumed comes first, but not from inside the call that resumes.
    if (!alive_)
        alive_ = std::make_shared<bool>(true);
    auto task = [this, alive = alive_] {
        if (*alive)
            offer_rest();
    };
    if (settings_.later)
        settings_.later(outer_, std::move(task));
    else
        boost::asio::post(outer_.home().io(), std::move(task));
}

void websocket_session::offer_rest()
{
    if (phase_ != phase::open || pauses_ != 0)
        return;
    if (!rest_.empty())
        offer_stream(rest_);
    if (phase_ == phase::open && pauses_ == 0 && std::exchange(paused_outside_, false))
        outer_.resume_reading();
}

void websocket_session::replace_protocol(std::unique_ptr<protocol>)
{
    FULMAR_ASSERT(!"a protocol inside a WebSocket cannot hand the connection on");
}

}  // namespace fulmar::net
