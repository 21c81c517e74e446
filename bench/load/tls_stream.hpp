// One client's TLS connection (OpenSSL) with the manners of recv() and send(): a count, 0 at the end, -1 and errno.
//
// Owner:    tls_context: the swarm. tls_stream: a client, which also owns the socket.
#pragma once

#include <sys/types.h>
#include <cstddef>
#include <string>
#include <string_view>

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;

namespace fulmar::load {

class tls_context
{
public:
    // Without a file of authorities certificates are not verified. Throws std::runtime_error if it cannot be read.
    // `application_protocol` is offered (ALPN) unless it is empty.
    explicit tls_context(std::string const& ca_file, std::string_view application_protocol = {});
    ~tls_context();
    tls_context(tls_context const&) = delete;
    tls_context& operator=(tls_context const&) = delete;
    [[nodiscard]] SSL_CTX* get() const noexcept { return context_; }

private:
    SSL_CTX* context_;
};

class tls_stream
{
public:
    tls_stream(tls_context const& context, int socket, std::string const& host);
    ~tls_stream();
    tls_stream(tls_stream const&) = delete;
    tls_stream& operator=(tls_stream const&) = delete;

    // 1: done; -1 with EAGAIN: call again when the socket is ready; -1 with EPROTO: failed, see problem().
    [[nodiscard]] int handshake() noexcept;
    [[nodiscard]] ssize_t receive(char* to, std::size_t size) noexcept;
    [[nodiscard]] ssize_t send(char const* from, std::size_t size) noexcept;
    [[nodiscard]] std::string problem() const;

private:
    [[nodiscard]] int outcome(int returned) noexcept;

    SSL* ssl_;
};

}  // namespace fulmar::load
