#include "frontends/net/http_access.hpp"

#include "broker/granted_permissions.hpp"
#include "broker/shard.hpp"
#include "frontends/net/cors.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/net/http_rules.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>

namespace fulmar::net {

namespace {

using broker::errc;

// Digests of both are compared: neither contents nor length can be told from the time it takes.
[[nodiscard]] bool same_secret(std::string_view a, std::string_view b)
{
    std::array<std::array<unsigned char, SHA256_DIGEST_LENGTH>, 2> digests{};
    SHA256(reinterpret_cast<unsigned char const*>(a.data()), a.size(), digests[0].data());
    SHA256(reinterpret_cast<unsigned char const*>(b.data()), b.size(), digests[1].data());
    return CRYPTO_memcmp(digests[0].data(), digests[1].data(), digests[0].size()) == 0;
}

// The value of the first cookie of that name.
[[nodiscard]] std::string_view cookie(http_request const& request, std::string_view name)
{
    for (auto const& field : request.headers) {
        if (!same_token(field.name, "Cookie"))
            continue;
        std::string_view rest = field.value;
        while (!rest.empty()) {
            auto part = rest.substr(0, rest.find(';'));
            rest.remove_prefix(std::min(rest.size(), part.size() + 1));
            part.remove_prefix(std::min(part.find_first_not_of(' '), part.size()));
            if (part.starts_with(name) && part.substr(name.size()).starts_with('='))
                return part.substr(name.size() + 1);
        }
    }
    return {};
}

[[nodiscard]] std::string_view token_cookie(http_request const& request)
{
    auto const strict = cookie(request, "__Host-fulmar_token");
    return strict.empty() ? cookie(request, "fulmar_token") : strict;
}

[[nodiscard]] std::string_view without_spaces(std::string_view text) noexcept
{
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    return text;
}

}  // namespace

std::optional<std::string> base64_decoded(std::string_view text)
{
    if (text.size() % 4 != 0 || text.size() > 64 * 1024 * 1024)
        return std::nullopt;
    if (text.empty())
        return std::string{};
    std::string out(text.size() / 4 * 3, '\0');
    auto const size =
        EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<unsigned char const*>(text.data()), static_cast<int>(text.size()));
    if (size != static_cast<int>(out.size()))
        return std::nullopt;
    out.resize(out.size() - (text.ends_with("==") ? 2U : text.ends_with('=') ? 1U : 0U));
    // What OpenSSL forgives (spaces around, padding inside, unused bits) does not come back the same.
    std::string again;
    append_base64(again, out);
    if (again != text)
        return std::nullopt;
    return out;
}

void append_base64(std::string& out, std::string_view bytes)
{
    auto const before = out.size();
    out.resize(before + 4 * ((bytes.size() + 2) / 3) + 1);
    auto const size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data() + before),
                        reinterpret_cast<unsigned char const*>(bytes.data()), static_cast<int>(bytes.size()));
    out.resize(before + static_cast<std::size_t>(size));
}

http_response refusal_for(broker::error_code error)
{
    if (error == errc::not_authorized)
        return problem_response(401, "credentials are needed here");
    return problem_response(error);
}

bool http_access::origin_admitted(http_request const& request) const
{
    return origin_allowed(request, options_.allowed_origins);
}

bool http_access::anonymous_admitted(http_request const& request) const
{
    if (!options_.local_anonymous_only)
        return true;
    if (!loopback_host(host_name(request.header("Host"))) && request.version_1_1)
        return false;
    return request.count("Origin") == 0 || !options_.allowed_origins.empty() ||
           loopback_host(host_of_origin(request.header("Origin")));
}

void http_access::ask(http_request const& request, broker::credentials who, broker::authenticated done) const
{
    who.certificate_subject = request.from.certificate_subject;
    who.peer_address = request.from.address;
    who.loopback = request.from.loopback;
    users_.authenticate(who, request.home->io(), std::move(done));
}

void http_access::identify(http_request const& request, broker::authenticated done) const
{
    if (request.count("Authorization") > 1)
        return done(make_error_code(errc::bad_credentials));
    auto const authorization = request.header("Authorization");
    if (authorization.size() > credential_bytes_max)
        return done(make_error_code(errc::bad_credentials));
    auto token = token_cookie(request);
    if (!authorization.empty()) {
        auto const space = std::min(authorization.find(' '), authorization.size());
        auto const scheme = authorization.substr(0, space);
        auto const rest = without_spaces(authorization.substr(space));
        if (same_token(scheme, "Basic"))
            return identify_basic(request, rest, std::move(done));
        if (!same_token(scheme, "Bearer") || rest.empty())
            return done(make_error_code(errc::bad_credentials));
        token = rest;
    }
    broker::credentials who;
    if (!token.empty()) {
        who.token = token;
        return ask(request, who, std::move(done));
    }
    if (request.from.certificate_subject.empty() && !anonymous_admitted(request))
        return done(make_error_code(errc::not_authorized));
    ask(request, who, std::move(done));
}

void http_access::identify_basic(http_request const& request, std::string_view encoded,
                                 broker::authenticated done) const
{
    auto const decoded = base64_decoded(encoded);
    auto const colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon == std::string::npos)
        return done(make_error_code(errc::bad_credentials));
    std::string_view const name{decoded->data(), colon};
    auto const password = std::string_view{*decoded}.substr(colon + 1);
    auto const apps = apps_.current();
    if (auto const found = apps->find_by_key(name)) {
        if (!same_secret(found.key->secret, password) || !found.owner->enabled)
            return done(make_error_code(errc::bad_credentials));
        return done(broker::identity{found.owner->id, "app:" + std::string{name}, broker::all_permissions(), 0, true});
    }
    broker::credentials who;
    who.user = name;
    who.password = password;
    ask(request, who, [done = std::move(done)](broker::result<broker::identity> found) {
        // A name that no password file knows must not become "anonymous" because there is no such file.
        if (found && found->user.empty())
            return done(make_error_code(errc::bad_credentials));
        done(std::move(found));
    });
}

}  // namespace fulmar::net
