// TLS on sockets: contexts from certificate files for those that were accepted, and one session per connection. Sessions
// towards others come from tls_client.hpp.
//
// Spec:     TLS 1.2 (RFC 5246) and 1.3 (RFC 8446), session tickets (RFC 5077), mutual TLS.
// Owner:    a context belongs to its listening address and is shared by all shards; a session belongs to its connection.
// Threads:  tls_context: any thread (one short lock per accepted connection and per reload). tls_session: shard-owned.
// Limits:   a session holds at most one record (16 KiB) that the socket did not take; OpenSSL's buffers are released when idle.
#pragma once

#include "broker/errors.hpp"
#include "frontends/net/stream.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

struct ssl_ctx_st;
struct ssl_st;

namespace fulmar::net {

enum class client_certificates : std::uint8_t {
    none,      // not asked for
    optional,  // verified when the client has one
    required,  // no connection without a verified one
};

struct tls_files
{
    std::string certificate;  // PEM, the chain with the leaf first
    std::string key;          // PEM
    std::string client_ca;    // PEM; needed for optional and required
    client_certificates clients = client_certificates::none;
};

class tls_session
{
public:
    ~tls_session();
    tls_session(tls_session const&) = delete;
    tls_session& operator=(tls_session const&) = delete;

    // done: established. would_block: again when the socket is ready. failed: why() says what to log.
    [[nodiscard]] io_status handshake();
    // Records are joined as far as there is room. After `done` read again until would_block.
    [[nodiscard]] io_result read(std::span<char> into);
    // Bytes count as written once they are in a record: what the socket did not take of it is kept here.
    [[nodiscard]] io_result write(std::span<iovec const> pieces);
    [[nodiscard]] bool holds_unsent() const noexcept { return !unsent_.empty(); }
    // Sends close_notify, as far as the socket takes it. Never waits.
    void shut_down() noexcept;

    // Common name of the client's certificate, if it was verified; else empty.
    [[nodiscard]] std::string certificate_subject() const;
    [[nodiscard]] std::string why() const;
    // After handshake() or write() would block: it is room in the socket that is missing, and not bytes from the peer.
    [[nodiscard]] bool wants_room() const noexcept;
    // Why the peer's certificate is not trusted, in words; empty if it is.
    [[nodiscard]] std::string distrust() const;

private:
    friend class tls_context;
    friend class tls_client_context;
    explicit tls_session(ssl_st* session) noexcept : session_(session) {}
    [[nodiscard]] io_status status_of(int result) noexcept;
    [[nodiscard]] io_status write_all(std::span<char const>& bytes);  // leaves what the socket did not take

    ssl_st* session_;
    std::vector<char> unsent_;  // accepted, and to be offered to OpenSSL again
    unsigned long error_ = 0;
};

class tls_context
{
public:
    // Reads the files. Fails with an error whose message names the file.
    [[nodiscard]] broker::error_code load(tls_files files, std::string& problem);

    // Reads the same files again, for connections accepted from now on. On failure the old context stays in use.
    [[nodiscard]] broker::error_code reload(std::string& problem);

    // A session in server mode on `fd`, or null if memory is short.
    [[nodiscard]] std::unique_ptr<tls_session> accept(int fd);

private:
    struct free_context
    {
        void operator()(ssl_ctx_st* context) const noexcept;
    };
    using context_ptr = std::unique_ptr<ssl_ctx_st, free_context>;
    [[nodiscard]] static context_ptr build(tls_files const& files, std::string& problem);

    std::mutex mutex_;  // guards current_ and files_: connections are accepted on every shard
    context_ptr current_;
    tls_files files_;
};

}  // namespace fulmar::net
