// The keys of tokens from jwt.jwks_url: a thread that fetches them. Part of the composition root.
//
// Owner:    http_services; there only if that setting is.
// Threads:  built, started and destroyed on the main thread; write_metrics and ask on any. Nothing of it is done by a shard.
// Limits:   an answer of auth::key_file_bytes_max within fetch_wait; redirections are not followed.
#pragma once

#include "broker/settings.hpp"

#include <chrono>
#include <memory>

namespace fulmar::admin {
class metric_writer;
}
namespace fulmar::auth {
class token_authenticator;
}

namespace fulmar {

class token_key_fetcher
{
public:
    static constexpr std::chrono::seconds fetch_wait{10};

    token_key_fetcher(auth::token_authenticator& tokens, broker::jwt_settings const& settings);
    ~token_key_fetcher();
    token_key_fetcher(token_key_fetcher const&) = delete;
    token_key_fetcher& operator=(token_key_fetcher const&) = delete;

    void start();
    void write_metrics(admin::metric_writer& out) const;

private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace fulmar
