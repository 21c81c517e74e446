#include "frontends/net/frontend.hpp"

#include "broker/shard.hpp"
#include "frontends/net/connection.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace fulmar::net {

shard_frontend::shard_frontend(broker::shard& home, frontend_options options)
    : home_(home),
      options_(options),
      alive_(std::make_shared<shard_frontend*>(this)),
      poller_(home.io()),
      wheel_(home.io()),
      read_buffer_(options.read_buffer_bytes),
      id_(home.attach(*this))
{
}

shard_frontend::~shard_frontend()
{
    abort_all();
    while (!connections_.empty() || !replaced_.empty()) {
        run_deferred();  // protocols hear on_closed
    }
    *alive_ = nullptr;
    home_.detach(id_);
}

void shard_frontend::adopt(int fd, sockaddr_storage const& from, std::shared_ptr<service const> const& what)
{
    auto fresh = std::make_unique<connection>(*this, fd, from_native(from));
    fresh->place_ = static_cast<std::uint32_t>(connections_.size());
    connections_.push_back(fresh.get());
    fresh.release()->start(what);
}

void shard_frontend::for_each(std::function<void(wire&)> const& visit)
{
    for (std::size_t i = 0; i < connections_.size(); ++i) {  // none is destroyed within a turn
        visit(*connections_[i]);
    }
}

bool shard_frontend::visit_clients(client_visitor& visitor)
{
    for (std::size_t i = 0; i < connections_.size(); ++i) {
        if (!connections_[i]->introduce(visitor)) {
            return false;
        }
    }
    return true;
}

void shard_frontend::close_all()
{
    for_each([](wire& w) { w.close(); });
}

void shard_frontend::abort_all()
{
    for_each([](wire& w) { w.abort(); });
}

void shard_frontend::again(connection& c)
{
    again_.push_back(&c);
    defer();
}

void shard_frontend::retire(connection& c)
{
    retired_.push_back(&c);
    defer();
}

void shard_frontend::retire(std::unique_ptr<protocol> replaced)
{
    replaced_.push_back(std::move(replaced));
    defer();
}

void shard_frontend::hold(connection& c)
{
    held_.push_back(&c);
    if (held_.size() == 1) {
        home_.when_relieved(id_, [this] { release_held(); });
    }
}

void shard_frontend::release_held()
{
    for (auto* const c : std::exchange(held_, {})) {
        c->on_relieved();
    }
}

void shard_frontend::defer()
{
    if (std::exchange(deferred_, true)) {
        return;
    }
    boost::asio::post(home_.io(), [alive = alive_] {
        if (*alive != nullptr) {
            (*alive)->run_deferred();
        }
    });
}

// Connections that go on come first: one that has ended is never asked to go on, so none of these is dangling.
void shard_frontend::run_deferred()
{
    deferred_ = false;
    for (auto* const c : std::exchange(again_, {})) {
        c->go_on();
    }
    for (auto* const c : std::exchange(retired_, {})) {
        if (c->dismiss()) {
            destroy(*c);
        }
    }
    std::exchange(replaced_, {}).clear();
}

void shard_frontend::destroy(connection& c) noexcept
{
    if (c.held_) {
        std::erase(held_, &c);
    }
    auto* const last = connections_.back();
    connections_[c.place_] = last;
    last->place_ = c.place_;
    connections_.pop_back();
    delete &c;
}

}  // namespace fulmar::net
