// One connection to somewhere outside, plain or TLS: connect, shake hands, write, read, one after the other.
//
// Owner:    a call of http_client, or its store of connections that are open and idle.
// Threads:  its io_context's. Every `done` is called once, later and never from within the call; after close() not at all.
//           SIGPIPE must be ignored by the program.
// Limits:   none of time: whoever waits keeps a deadline and calls close().
#pragma once

#include "frontends/net/tls_client.hpp"

#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::net {

struct native_address
{
    sockaddr_storage address{};
    socklen_t size = 0;
};

// What a name stands for. Waits for the name service unless `numeric_only`; then nothing but addresses is found.
[[nodiscard]] broker::error_code look_up(std::string const& host, std::uint16_t port, bool numeric_only,
                                         std::vector<native_address>& found);

class outgoing_link : public std::enable_shared_from_this<outgoing_link>
{
public:
    using done = std::function<void(broker::error_code)>;
    using read_done = std::function<void(broker::error_code, std::size_t)>;  // no error and 0 bytes: the peer ended

    explicit outgoing_link(boost::asio::io_context& io) : socket_{io} {}

    // To the first that answers; fails with what the last of them said.
    void connect(std::vector<native_address> to, done then);
    // Fails if the certificate is not trusted or not for that host: why() says what it was.
    void secure(tls_client_context& context, std::string const& host, done then);
    void write(std::string_view bytes, done then);  // they must stay where they are until then
    void read(std::span<char> into, read_done then);
    void later(std::function<void()> then);
    void close() noexcept;

    [[nodiscard]] std::string why() const;       // the last failure of TLS, in words; empty without
    [[nodiscard]] std::string distrust() const;  // of the peer's certificate; empty if it is trusted

private:
    template <class Again>
    void when(boost::asio::posix::stream_descriptor::wait_type ready, Again again);
    void try_next(done then);
    void answered(done then);
    void shake(done then);
    void finish(done then, broker::error_code error);
    [[nodiscard]] broker::error_code lost(int code) const;

    boost::asio::posix::stream_descriptor socket_;
    std::vector<native_address> untried_;
    std::unique_ptr<tls_session> tls_;
    bool closed_ = false;
};

}  // namespace fulmar::net
