#include "frontends/net/tls_client.hpp"

#include "frontends/net/socket_address.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace fulmar::net {

void tls_client_context::free_context::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }

broker::error_code tls_client_context::load(std::string const& authorities, std::string& problem)
{
    ERR_clear_error();
    context_.reset(SSL_CTX_new(TLS_client_method()));
    if (context_ == nullptr) {
        problem = "cannot create a TLS context";
        return boost::system::errc::make_error_code(boost::system::errc::not_enough_memory);
    }
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    SSL_CTX_set_mode(context_.get(),
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(context_.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    auto const loaded = authorities.empty()
                            ? SSL_CTX_set_default_verify_paths(context_.get())
                            : SSL_CTX_load_verify_locations(context_.get(), authorities.c_str(), nullptr);
    auto const* const reason = ERR_reason_error_string(ERR_peek_error());
    if (loaded != 1 && !authorities.empty())
        problem = reason == nullptr ? "cannot be read" : reason;
    ERR_clear_error();
    return loaded == 1 || authorities.empty()
               ? broker::error_code{}
               : boost::system::errc::make_error_code(boost::system::errc::invalid_argument);
}

std::unique_ptr<tls_session> tls_client_context::begin(int fd, std::string const& host)
{
    auto* const session = context_ == nullptr ? nullptr : SSL_new(context_.get());
    if (session == nullptr)
        return nullptr;
    std::unique_ptr<tls_session> made{new tls_session{session}};
    auto const named = !parse_ip(host) || host == "localhost";
    SSL_set_hostflags(session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    auto const checked =
        named ? SSL_set_tlsext_host_name(session, host.c_str()) == 1 && SSL_set1_host(session, host.c_str()) == 1
              : X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host.c_str()) == 1;
    if (!checked || SSL_set_fd(session, fd) != 1) {
        ERR_clear_error();
        return nullptr;
    }
    SSL_set_connect_state(session);
    return made;
}

}  // namespace fulmar::net
