#include "frontends/net/connection.hpp"
#include "frontends/net/frontend.hpp"

#include <algorithm>
#include <cstring>

namespace fulmar::net {

bool connection::may_read()
{
    if (stage_ != stage::open || pauses_ > 0 || held_ || backlog_bytes() > owner_.home().limit().outbox_bytes) {
        return false;
    }
    if (owner_.home().congested()) {
        held_ = true;
        owner_.hold(*this);
        return false;
    }
    return true;
}

void connection::read()
{
    if (!may_read()) {
        return;
    }
    if (offer_tail_) {
        offer_tail_ = false;
        if (tail_ != nullptr) {
            offer({});
        }
    }
    auto const budget = owner_.options().read_bytes_per_turn;
    for (std::size_t bytes = 0; readable_ && may_read();) {
        if (bytes >= budget) {
            return schedule();
        }
        bytes += read_once();
    }
}

std::size_t connection::read_once()
{
    auto const buffer = owner_.read_buffer();
    auto const held = tail_ == nullptr ? 0 : tail_->size();
    auto const in_front = held <= buffer.size() / 2 ? held : 0;  // a longer tail grows where it is
    auto room = buffer.subspan(in_front);
    if (!proven_) {
        room = room.first(std::min(room.size(), owner_.options().first_read_bytes));
    }
    auto const got = io().read(room);
    switch (got.status) {
    case io_status::done: break;
    case io_status::would_block: readable_ = false; return 0;
    case io_status::failed: finish(false); return 0;
    case io_status::ended:
        peer_ended_ = true;
        begin_closing(true);
        return 0;
    }
    owner_.home().metrics().bytes_in.add(got.bytes);
    if (got.bytes < room.size() && !peer_ended_ && tls_ == nullptr) {
        readable_ = false;  // a short read: the socket is empty, and its next byte is a new edge
    }
    if (in_front > 0) {
        std::memcpy(buffer.data(), tail_->data(), held);
        tail_.reset();
        offer(buffer.first(held + got.bytes));
    } else {
        offer(room.first(got.bytes));
    }
    return got.bytes;
}

// `fresh` follows what is in the tail; the tail is empty if `fresh` contains it already.
void connection::offer(std::span<char const> fresh)
{
    if (tail_ == nullptr) {
        keep_tail(fresh.subspan(consume(fresh)));
        return;
    }
    tail_->insert(tail_->end(), fresh.begin(), fresh.end());
    auto const used = consume(*tail_);
    if (used == tail_->size()) {
        tail_.reset();
    } else if (used > 0) {
        keep_tail(std::span<char const>{*tail_}.subspan(used));
    }
}

void connection::keep_tail(std::span<char const> rest)
{
    if (stage_ != stage::open || rest.empty()) {
        tail_.reset();
        return;
    }
    tail_ = std::make_unique<std::vector<char>>(rest.begin(), rest.end());
}

// Offers `in` until the protocol wants more bytes; also to a protocol that took the place of another meanwhile.
std::size_t connection::consume(std::span<char const> in)
{
    std::size_t used = 0;
    while (used < in.size() && stage_ == stage::open && pauses_ == 0) {
        auto const* const asked = protocol_.get();
        auto const taken = protocol_->on_bytes(in.subspan(used));
        if (stage_ != stage::open) {
            return in.size();
        }
        FULMAR_ASSERT(taken <= in.size() - used);
        used += taken;
        proven_ = proven_ || taken > 0;
        if (taken == 0 && asked == protocol_.get()) {
            break;
        }
    }
    return used;
}

void connection::discard_input()
{
    auto const buffer = owner_.read_buffer();
    for (std::size_t discarded = 0; discarded <= owner_.options().discard_bytes_max;) {
        auto const got = io().read(buffer);
        if (got.status == io_status::would_block) {
            return;
        }
        if (got.status != io_status::done) {
            return finish(clean_);
        }
        discarded += got.bytes;
    }
    finish(clean_);
}

}  // namespace fulmar::net
