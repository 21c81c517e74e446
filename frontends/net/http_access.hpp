// Who sends an HTTP request, for SSE and REST: app key and secret, user and password, token, or nobody.
//
//   Authorization: Bearer <token>            a token that the authenticator knows (JWT)
//   Authorization: Basic <key:secret>        an app's key and secret: everything in that app; or a user and password
//   Cookie: fulmar_token=<token>             the same token; also __Host-fulmar_token
//   nothing                                  whoever the authenticator lets in without credentials
//
// Requests of web pages that are not allowed are refused whatever they carry. A page on this machine is needed where
// being on this machine is all that lets a client in: a foreign name that points here (DNS rebinding) is not enough.
//
// Spec:     RFC 7617 (Basic), RFC 6750 §2.1 (Bearer), RFC 6265 §5.4 (Cookie).
// Owner:    the node; shared by the front-ends.
// Threads:  identify is called on a shard, and answers on that shard, at once or later.
// Limits:   credential_bytes_max bytes of credentials.
#pragma once

#include "broker/app_registry.hpp"
#include "broker/authenticator.hpp"
#include "frontends/net/http_message.hpp"
#include "frontends/net/http_tickets.hpp"

#include <functional>
#include <string>
#include <vector>

namespace fulmar::net {

inline constexpr std::size_t credential_bytes_max = 16 * 1024;

struct http_access_options
{
    std::vector<std::string> allowed_origins;
    bool local_anonymous_only = true;  // being on this machine is what lets anonymous clients in
};

class http_access
{
public:
    http_access(broker::authenticator& users, broker::apps_in_force const& apps, http_tickets& tickets,
                http_access_options options)
        : users_{users}, apps_{apps}, tickets_{tickets}, options_{std::move(options)}
    {
    }

    // Fails with errc::bad_credentials, errc::not_authorized or errc::authentication_unavailable.
    void identify(http_request const& request, broker::authenticated done) const;

    // False: a web page asks that may not.
    [[nodiscard]] bool origin_admitted(http_request const& request) const;
    [[nodiscard]] std::vector<std::string> const& allowed_origins() const noexcept { return options_.allowed_origins; }
    [[nodiscard]] http_tickets& tickets() const noexcept { return tickets_; }
    [[nodiscard]] broker::app_snapshot apps() const { return apps_.current(); }

private:
    void identify_basic(http_request const& request, std::string_view encoded, broker::authenticated done) const;
    void ask(http_request const& request, broker::credentials who, broker::authenticated done) const;
    [[nodiscard]] bool anonymous_admitted(http_request const& request) const;

    broker::authenticator& users_;
    broker::apps_in_force const& apps_;
    http_tickets& tickets_;
    http_access_options const options_;
};

// The answer when identify failed: 401 where other credentials may help.
[[nodiscard]] http_response refusal_for(broker::error_code error);

// Base64 with the alphabet of RFC 4648 §4, padded; nothing for anything else.
[[nodiscard]] std::optional<std::string> base64_decoded(std::string_view text);
void append_base64(std::string& out, std::string_view bytes);

}  // namespace fulmar::net
