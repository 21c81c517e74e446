#include "frontends/net/connection_opening.hpp"

#include "frontends/net/connection_quota.hpp"
#include "frontends/net/frontend.hpp"
#include "frontends/net/proxy_protocol.hpp"
#include "frontends/net/tls.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace fulmar::net {

void connection::start(std::shared_ptr<service const> const& what)
{
    quota_ = what->quota.get();
    opening_ = std::make_unique<opening>(opening{what});
    if (auto const error = owner_.events().add(fd_, poller::stream_events, *this)) {
        return refuse("cannot watch the socket: " + error.message());
    }
    auto const proxied = what->proxies != nullptr && what->proxies->contains(ip_);
    if (!proxied && what->tls == nullptr) {
        return open();
    }
    stage_ = proxied ? stage::proxy_header : stage::tls_handshake;
    owner_.deadlines().arm(*this, what->opening_timeout);
}

void connection::advance_opening()
{
    if (stage_ == stage::proxy_header && !take_proxy_header()) {
        return;
    }
    if (stage_ == stage::tls_handshake && !shake_hands()) {
        return;
    }
    open();
    if (readable_ && stage_ == stage::open) {
        read();
    }
}

// The header is looked at in place and removed exactly, because what follows it may be TLS.
bool connection::take_proxy_header()
{
    auto const buffer = owner_.read_buffer().first(std::min(owner_.read_buffer().size(), proxy_header_bytes_max));
    auto const seen = ::recv(fd_, buffer.data(), buffer.size(), MSG_PEEK | MSG_DONTWAIT);
    if (seen < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (seen <= 0) {
        finish(false);
        return false;
    }
    auto const header = parse_proxy_header(buffer.first(static_cast<std::size_t>(seen)));
    if (header.verdict == proxy_verdict::malformed || (header.verdict == proxy_verdict::need_more && peer_ended_)) {
        refuse("malformed PROXY header");
        return false;
    }
    if (header.verdict == proxy_verdict::need_more) {
        return false;
    }
    owner_.home().metrics().bytes_in.add(header.size);
    if (::recv(fd_, buffer.data(), header.size, MSG_DONTWAIT) != static_cast<ssize_t>(header.size)) {
        finish(false);
        return false;
    }
    on_this_machine_ = false;  // whatever the header says
    if (header.source) {
        facts_ = std::make_unique<rare_facts>();
        facts_->claimed = header.source;
    }
    stage_ = opening_->what->tls == nullptr ? stage::open : stage::tls_handshake;
    return true;
}

bool connection::shake_hands()
{
    if (tls_ == nullptr) {
        tls_ = opening_->what->tls->accept(fd_);
        if (tls_ == nullptr) {
            refuse("no TLS context, or no memory for a TLS session");
            return false;
        }
    }
    switch (tls_->handshake()) {
    case io_status::done: break;
    case io_status::would_block: return false;
    case io_status::ended: finish(false); return false;
    case io_status::failed: refuse("TLS handshake failed: " + tls_->why()); return false;
    }
    if (auto subject = tls_->certificate_subject(); !subject.empty()) {
        facts_ = facts_ == nullptr ? std::make_unique<rare_facts>() : std::move(facts_);
        facts_->certificate_subject = std::move(subject);
    }
    readable_ = true;  // the first bytes may have come with the handshake's last record
    return true;
}

void connection::refuse(std::string_view why)
{
    owner_.home().metrics().connections_refused.add();
    if (opening_->what->report) {
        opening_->what->report(std::string{why} + " (peer " + remote().address + ")");
    }
    finish(false);
}

void connection::open()
{
    stage_ = stage::open;
    secure_ = tls_ != nullptr || opening_->what->tls_by_borrower;
    auto& metrics = owner_.home().metrics();
    metrics.connections[transport_index()].add();
    metrics.connections_total[transport_index()].add();
    owner_.deadlines().disarm(*this);
    auto const what = std::move(opening_->what);
    opening_.reset();
    protocol_ = what->make_protocol(*this);
    if (protocol_ == nullptr) {
        finish(false);
    }
}

}  // namespace fulmar::net
