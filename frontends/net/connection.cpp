#include "frontends/net/connection.hpp"

#include "frontends/net/connection_opening.hpp"
#include "frontends/net/connection_quota.hpp"
#include "frontends/net/frontend.hpp"
#include "frontends/net/tls.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace fulmar::net {

using namespace std::chrono_literals;

namespace {

// While the shard is congested nothing is read, so silence proves nothing: deadlines wait.
constexpr auto held_recheck = 1s;

}  // namespace

connection::connection(shard_frontend& owner, int fd, std::optional<socket_address> const& from)
    : since_s_(static_cast<std::uint32_t>(owner.home().wall() / 1000)), fd_(fd), owner_(owner)
{
    if (from) {
        ip_ = from->ip;
        port_ = from->port;
    }
    on_this_machine_ = !from || ip_.is_loopback();  // other families never leave it
}

connection::~connection()
{
    if (flushing_) {
        owner_.home().withdraw(*this);
    }
    if (quota_ != nullptr) {
        quota_->leave(ip_);
    }
}

broker::shard& connection::home() noexcept { return owner_.home(); }

peer const& connection::remote() const noexcept
{
    auto& out = owner_.peer_asked_for();
    auto const claimed = facts_ != nullptr && facts_->claimed;
    out.address = claimed ? facts_->claimed->ip.text() : ip_.text();
    out.port = claimed ? facts_->claimed->port : port_;
    out.loopback = on_this_machine_;
    out.certificate_subject = facts_ == nullptr ? std::string{} : facts_->certificate_subject;
    out.over = secure_ ? broker::transport::tls : broker::transport::tcp;
    return out;
}

bool connection::introduce(client_visitor& visitor)
{
    client_description what;
    if (!in_use() || !protocol_->describe(what)) {
        return true;
    }
    auto const& who = remote();
    what.peer_address = who.address;
    what.peer_port = who.port;
    what.tls = secure_;
    what.since_ms = std::uint64_t{since_s_} * 1000;
    what.backlog_bytes = backlog_bytes();
    std::uint64_t number = 0;  // the kernel's: no other socket gets it again
    socklen_t size = sizeof number;
    ::getsockopt(fd_, SOL_SOCKET, SO_COOKIE, &number, &size);
    return visitor.on_client(number, std::move(what), *protocol_);
}

std::size_t connection::transport_index() const noexcept
{
    return static_cast<std::size_t>(secure_ ? broker::transport::tls : broker::transport::tcp);
}

// --- wire ---------------------------------------------------------------------------------------

void connection::send(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep)
{
    if (stage_ == stage::open) {
        box().append(head, tail, std::move(keep));
        flush_this_turn();
    }
}

void connection::send_shared(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep)
{
    if (stage_ == stage::open) {
        box().append(head);
        box().append_shared(tail, std::move(keep));
        flush_this_turn();
    }
}

void connection::send_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame)
{
    if (stage_ == stage::open) {
        box().append_run(run, first_byte, first_frame);
        flush_this_turn();
    }
}

std::size_t connection::backlog_bytes() const noexcept { return outbox_ == nullptr ? 0 : outbox_->waiting_bytes(); }

std::size_t connection::shared_backlog_bytes() const noexcept
{
    return outbox_ == nullptr ? 0 : outbox_->shared_bytes();
}

delivery_receipt connection::receipt() const noexcept
{
    if (stage_ != stage::open) {
        return {};
    }
    auto out = io().receipt();
    if ((outbox_ != nullptr && !outbox_->empty()) || io().holds_unsent()) {
        out.written.reset();
    }
    return out;
}

void connection::close(std::uint16_t /*websocket_code*/, std::string_view /*websocket_reason*/) { begin_closing(true); }

void connection::abort()
{
    if (stage_ != stage::gone) {
        end_for_borrower();
        linger const none{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &none, sizeof none);
        finish(false);
    }
}

void connection::set_deadline(std::chrono::milliseconds after)
{
    if (!in_use()) {
        return;
    }
    if (after == 0ms) {
        owner_.deadlines().disarm(*this);
    } else {
        owner_.deadlines().arm(*this, after);
    }
}

void connection::pause_reading() { ++pauses_; }

void connection::resume_reading()
{
    FULMAR_ASSERT(pauses_ > 0);
    if (--pauses_ == 0) {
        offer_tail_ = true;
        schedule();
    }
}

void connection::replace_protocol(std::unique_ptr<protocol> next)
{
    if (stage_ == stage::gone) {
        return;
    }
    std::swap(protocol_, next);
    owner_.retire(std::move(next));
    offer_tail_ = true;
    schedule();  // bytes that the old one left, when this was not called from on_bytes
}

int connection::lend_socket()
{
    FULMAR_ASSERT(stage_ == stage::open && tls_ == nullptr);
    auto const lent = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
    if (lent < 0) {
        return -1;
    }
    if (owner_.events().modify(fd_, poller::end_events, *this)) {
        ::close(lent);
        return -1;
    }
    stage_ = stage::lent;
    return lent;
}

// --- events -------------------------------------------------------------------------------------

void connection::on_events(std::uint32_t events)
{
    if (stage_ == stage::gone) {
        return;
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        readable_ = true;
        peer_ended_ = peer_ended_ || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    }
    if (stage_ < stage::open) {
        return advance_opening();
    }
    if (stage_ == stage::lent) {
        if (peer_ended_) {
            finish((events & EPOLLERR) == 0);
        }
        return;
    }
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0 && outbox_ != nullptr && outbox_->blocked()) {
        outbox_->writable();
        flush_this_turn();
    }
    if (stage_ == stage::lingering) {
        discard_input();
    } else if (readable_) {
        read();
    }
}

void connection::on_timer()
{
    if (!in_use()) {
        return stage_ < stage::open ? refuse("no PROXY header or TLS handshake in time") : finish(clean_);
    }
    if (held_) {
        owner_.deadlines().arm(*this, held_recheck);
        return;
    }
    protocol_->on_deadline();
}

void connection::go_on()
{
    scheduled_ = false;
    if (stage_ != stage::open) {
        return;
    }
    if (crowded_ && backlog_bytes() <= owner_.home().limit().outbox_bytes / 2) {
        crowded_ = false;
        protocol_->on_drained();
    }
    if (stage_ == stage::open && (readable_ || offer_tail_)) {
        read();
    }
}

void connection::on_relieved()
{
    held_ = false;
    schedule();
}

bool connection::dismiss()
{
    retiring_ = false;
    if (auto const ended = std::move(protocol_); ended != nullptr) {
        ended->on_closed(clean_);
    }
    return stage_ == stage::gone && !retiring_;
}

// --- writing and the end ------------------------------------------------------------------------

outbox& connection::box()
{
    if (outbox_ == nullptr) {
        outbox_ = owner_.outboxes().acquire();
    }
    return *outbox_;
}

void connection::flush_this_turn()
{
    if (!flushing_) {
        flushing_ = true;
        owner_.home().at_turn_end(*this);
    }
}

void connection::on_turn_end()
{
    flushing_ = false;
    if (stage_ != stage::open && stage_ != stage::closing) {
        return;
    }
    if (outbox_ != nullptr) {
        auto& home = owner_.home();
        auto const half = home.limit().outbox_bytes / 2;
        crowded_ = crowded_ || outbox_->waiting_bytes() > half;
        auto const& dropped = home.metrics().dropped[static_cast<std::size_t>(broker::drop_reason::outbox_full)];
        auto const dropped_before = dropped.get();
        auto const status = outbox_->flush(io(), home.limit().outbox_bytes, home.metrics());
        if (status == io_status::failed) {
            return finish(false);
        }
        if (dropped.get() != dropped_before && stage_ == stage::open) {
            protocol_->on_frames_dropped();
        }
        crowded_ = crowded_ || outbox_->waiting_bytes() > half;
        if (status == io_status::done) {
            release_outbox();
        }
        if (crowded_ && backlog_bytes() <= half) {
            schedule();  // on_drained, and reading again
        }
    }
    if (stage_ == stage::closing && outbox_ == nullptr) {
        end_writing();
    }
}

void connection::release_outbox() noexcept
{
    if (outbox_ != nullptr) {
        owner_.outboxes().release(std::move(outbox_), owner_.home().metrics());
    }
}

void connection::begin_closing(bool clean)
{
    if (stage_ >= stage::closing) {
        return;
    }
    if (stage_ < stage::open || stage_ == stage::lent) {
        end_for_borrower();
        return finish(clean);
    }
    stage_ = stage::closing;
    clean_ = clean;
    owner_.deadlines().arm(*this, owner_.options().linger);
    retire();
    flush_this_turn();
}

// The socket lives on in the borrower's descriptor, which sees the end of the stream.
void connection::end_for_borrower() noexcept
{
    if (stage_ == stage::lent) {
        ::shutdown(fd_, SHUT_RDWR);
    }
}

// Everything is sent. The peer gets it for certain only if the socket stays until the peer has ended, too: closing with
// unread input would reset the connection.
void connection::end_writing()
{
    if (tls_ != nullptr) {
        tls_->shut_down();
    }
    if (::shutdown(fd_, SHUT_WR) != 0) {
        return finish(clean_);
    }
    stage_ = stage::lingering;
    discard_input();
}

// The one place where a connection ends.
void connection::finish(bool clean)
{
    if (stage_ == stage::gone) {
        return;
    }
    if (stage_ >= stage::open) {
        owner_.home().metrics().connections[transport_index()].subtract();
    }
    if (stage_ == stage::lent) {
        owner_.events().remove(fd_);  // closing does not: the borrower's descriptor keeps the socket open
    }
    stage_ = stage::gone;
    clean_ = clean;
    ::close(fd_);
    fd_ = -1;
    owner_.deadlines().disarm(*this);
    release_outbox();
    opening_.reset();
    retire();
}

void connection::retire()
{
    if (!retiring_) {
        retiring_ = true;
        owner_.retire(*this);
    }
}

void connection::schedule()
{
    if (!scheduled_ && stage_ != stage::gone) {
        scheduled_ = true;
        owner_.again(*this);
    }
}

}  // namespace fulmar::net
