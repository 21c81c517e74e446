// TLS towards others: whom we trust, and sessions that begin a handshake.
//
// Spec:     TLS 1.2 (RFC 5246) and 1.3 (RFC 8446); RFC 6125 for the names in certificates.
// Owner:    http_client; sessions belong to their connections and outlive it.
// Threads:  its owner's.
#pragma once

#include "frontends/net/tls.hpp"

namespace fulmar::net {

class tls_client_context
{
public:
    // Trusts the authorities of a PEM file; of the system if it is empty (SSL_CERT_FILE and SSL_CERT_DIR name others).
    // Fails, with words, if that file cannot be used. The system's may be missing: then no certificate verifies.
    [[nodiscard]] broker::error_code load(std::string const& authorities, std::string& problem);

    // A session in client mode on `fd` that accepts a certificate for `host` (a name or an address) only. Null before
    // load, or if memory is short.
    [[nodiscard]] std::unique_ptr<tls_session> begin(int fd, std::string const& host);

private:
    struct free_context
    {
        void operator()(ssl_ctx_st* context) const noexcept;
    };
    std::unique_ptr<ssl_ctx_st, free_context> context_;
};

}  // namespace fulmar::net
