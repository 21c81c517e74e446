#include "frontends/grpc/known_connections.hpp"

#include "frontends/net/socket_address.hpp"

#include <sys/socket.h>

#include <charconv>

namespace fulmar::grpc {

namespace {

std::string name_of(net::socket_address const& peer, bool secure)
{
    return peer.ip.text() + ' ' + std::to_string(peer.port) + (secure ? " tls" : "");
}

std::optional<net::socket_address> read_peer(std::string_view text)
{
    net::socket_address out;
    auto const colon = text.rfind(':');
    if (colon == std::string_view::npos)
        return std::nullopt;
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), out.port);
    text = text.substr(0, colon);
    for (std::string_view const beginning : {"ipv4:", "ipv6:", "%5B", "["})
        if (text.starts_with(beginning))
            text.remove_prefix(beginning.size());
    text = text.substr(0, text.find('%'));  // "%5D", or a zone
    text = text.substr(0, text.find(']'));
    auto const ip = net::parse_ip(text);
    if (!ip)
        return std::nullopt;
    out.ip = *ip;
    return out;
}

std::optional<net::socket_address> peer_of(int socket)
{
    sockaddr_storage native{};
    socklen_t size = sizeof native;
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&native), &size) != 0)
        return std::nullopt;
    return net::from_native(native);
}

}  // namespace

connection_id known_connections::add(int socket, bool secure, connection_origin const& from)
{
    auto const peer = peer_of(socket);
    if (!peer)
        return 0;
    auto name = name_of(*peer, secure);
    std::lock_guard const lock{mutex_};
    auto const id = ++last_;
    by_peer_.insert_or_assign(name, known{id, from});
    peers_.emplace(id, std::move(name));
    return id;
}

void known_connections::remove(connection_id which)
{
    std::lock_guard const lock{mutex_};
    auto const name = peers_.find(which);
    if (name == peers_.end())
        return;
    // Another connection may have come from there since.
    if (auto const found = by_peer_.find(name->second); found != by_peer_.end() && found->second.id == which)
        by_peer_.erase(found);
    peers_.erase(name);
}

std::optional<known_connections::known> known_connections::find(std::string_view peer, bool secure) const
{
    auto const address = read_peer(peer);
    if (!address)
        return std::nullopt;
    std::lock_guard const lock{mutex_};
    auto const found = by_peer_.find(name_of(*address, secure));
    return found == by_peer_.end() ? std::nullopt : std::optional{found->second};
}

}  // namespace fulmar::grpc
