#include "bench/load/tls_stream.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <algorithm>
#include <cerrno>
#include <climits>
#include <new>
#include <stdexcept>

namespace fulmar::load {

tls_context::tls_context(std::string const& ca_file, std::string_view application_protocol)
    : context_{SSL_CTX_new(TLS_client_method())}
{
    if (context_ == nullptr)
        throw std::bad_alloc{};
    SSL_CTX_set_mode(context_,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
    if (!application_protocol.empty()) {
        auto const list = static_cast<char>(application_protocol.size()) + std::string{application_protocol};
        SSL_CTX_set_alpn_protos(context_, reinterpret_cast<unsigned char const*>(list.data()),
                                static_cast<unsigned>(list.size()));
    }
    if (ca_file.empty())
        return;
    if (SSL_CTX_load_verify_locations(context_, ca_file.c_str(), nullptr) != 1) {
        SSL_CTX_free(context_);
        throw std::runtime_error("--ca: " + ca_file + " has no certificates that can be read");
    }
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
}

tls_context::~tls_context() { SSL_CTX_free(context_); }

tls_stream::tls_stream(tls_context const& context, int socket, std::string const& host) : ssl_{SSL_new(context.get())}
{
    if (ssl_ == nullptr || SSL_set_fd(ssl_, socket) != 1)
        throw std::bad_alloc{};
    in_addr numeric;
    if (inet_pton(AF_INET, host.c_str(), &numeric) == 1) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), host.c_str());
    } else {
        SSL_set_tlsext_host_name(ssl_, host.c_str());
        SSL_set1_host(ssl_, host.c_str());
    }
    SSL_set_connect_state(ssl_);
}

tls_stream::~tls_stream() { SSL_free(ssl_); }

int tls_stream::outcome(int returned) noexcept
{
    if (returned > 0)
        return returned;
    switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: errno = EAGAIN; return -1;
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_SYSCALL:
        if (errno != 0)
            return -1;
        return 0;
    default: errno = EPROTO; return -1;
    }
}

int tls_stream::handshake() noexcept
{
    ERR_clear_error();
    auto const done = outcome(SSL_do_handshake(ssl_));
    if (done == 0)
        errno = ECONNRESET;
    return done > 0 ? 1 : -1;
}

ssize_t tls_stream::receive(char* to, std::size_t size) noexcept
{
    ERR_clear_error();
    errno = 0;
    return outcome(SSL_read(ssl_, to, static_cast<int>(std::min<std::size_t>(size, INT_MAX))));
}

ssize_t tls_stream::send(char const* from, std::size_t size) noexcept
{
    ERR_clear_error();
    errno = 0;
    return outcome(SSL_write(ssl_, from, static_cast<int>(std::min<std::size_t>(size, INT_MAX))));
}

std::string tls_stream::problem() const
{
    auto const verified = SSL_get_verify_result(ssl_);
    if (verified != X509_V_OK && SSL_get_verify_mode(ssl_) != SSL_VERIFY_NONE)
        return X509_verify_cert_error_string(verified);
    auto const* const reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason != nullptr ? reason : "the broker closed the connection";
}

}  // namespace fulmar::load
