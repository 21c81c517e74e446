// Calls to HTTP servers outside: whole answers, and answers without an end that are read piece by piece.
//
// Certificates are verified, against the authorities of the system or of a file, and for the host's name. Redirections are
// answers like others: nothing is followed. A call that fails on a connection that was kept from an earlier one, before
// anything of an answer has come, is made once more on a new one: callers make their requests repeatable.
//
// Spec:     RFC 9110, RFC 9112; RFC 6125 for the names in certificates.
// Owner:    whoever calls; its io_context lives longer.
// Threads:  that io_context's; names are looked up on a few threads of its own, for which its destructor waits.
// Limits:   http_call_limits of each call; idle_links_max kept connections of one host, idle_links_total of all, for idle_for.
//           How many calls there are at once is up to the caller.
// Cost:     a call allocates 16 KiB while it is under way.
#pragma once

#include "broker/errors.hpp"
#include "broker/web_address.hpp"
#include "frontends/net/http_message.hpp"

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace fulmar::net {

struct http_call
{
    std::string method = "GET";
    broker::web_address where;
    std::vector<http_field> headers;  // without Host, User-Agent and Content-Length
    std::string body;
};

struct http_call_limits
{
    std::size_t head_bytes_max = 16 * 1024;
    std::size_t answer_bytes_max = 64 * 1024;                   // of its body
    std::chrono::milliseconds wait = std::chrono::seconds{10};  // from looking up the name to the end of the answer
    std::chrono::milliseconds body_wait{};  // not 0: `wait` is until the head has come, this until the rest has
};

enum class http_trouble : std::uint8_t {
    none,
    name,       // there is no such host
    connect,    // it cannot be reached
    secure,     // no TLS with it, or `distrust`
    send,       // the connection broke
    receive,    // likewise, or ended too early
    not_http,   // what answers there does not speak HTTP
    too_large,  // more than the limits allow
    late,       // no answer in time
};

struct http_reply
{
    http_trouble trouble = http_trouble::none;
    unsigned status = 0;  // 0: the head has not come; it may have come before there was trouble
    std::vector<http_field> headers;
    std::string body;
    broker::error_code error;  // of name, connect, send and receive
    std::string problem;       // trouble in words, without anything secret
    std::string distrust;      // why the certificate is not trusted
};

// An answer that goes on. Destroying it ends its connection, and what is waited for is not told any more.
class http_download
{
public:
    virtual ~http_download() = default;
    // Some bytes, once they are there; no error and 0 bytes: it has ended. One at a time; `into` must stay until then.
    virtual void read(std::span<char> into, std::function<void(broker::error_code, std::size_t)> then) = 0;
};

class http_client
{
public:
    static constexpr std::size_t idle_links_max = 8;
    static constexpr std::size_t idle_links_total = 256;
    static constexpr std::chrono::seconds idle_for{30};

    struct options
    {
        std::string authorities;         // PEM; empty: the system's
        bool tls = true;                 // false: they are not read, and no call may want TLS
        unsigned resolving_threads = 4;  // names that are looked up at once; others wait
    };
    using answered = std::function<void(http_reply)>;
    using opened = std::function<void(http_reply, std::unique_ptr<http_download>)>;

    explicit http_client(boost::asio::io_context& io) : http_client(io, options{}) {}
    http_client(boost::asio::io_context& io, options chosen);
    ~http_client();
    http_client(http_client const&) = delete;
    http_client& operator=(http_client const&) = delete;

    // Why the authorities cannot be used, in words; then no certificate verifies. Empty: nothing is wrong.
    [[nodiscard]] std::string const& authorities_problem() const noexcept;

    // `then` is called once, later, unless the client is destroyed first.
    void ask(http_call call, http_call_limits const& limits, answered then);
    // The same, but if the status is 200 the answer ends with its head, and the rest is left to the download; null otherwise.
    void open(http_call call, http_call_limits const& limits, opened then);

private:
    struct state;
    class exchange;
    class piecewise;
    void begin(std::shared_ptr<exchange> const& call);
    std::shared_ptr<state> state_;
};

}  // namespace fulmar::net
