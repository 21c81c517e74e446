#include "frontends/cli/token.hpp"

#include "broker/text_file.hpp"
#include "broker/topic.hpp"
#include "frontends/auth/jwt.hpp"
#include "frontends/auth/jwt_signer.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace fulmar::cli {

namespace {

namespace json = boost::json;

struct chosen_key
{
    auth::jwt_algorithm algorithm = auth::jwt_algorithm::hs256;
    std::string file;
    std::string text;
    bool set = false;  // several keys (JWKS)
};

[[nodiscard]] failure usage(std::string what) { return {exit_code::usage, std::move(what)}; }

[[nodiscard]] attempt<chosen_key> read_key(key_arguments const& from)
{
    chosen_key out;
    auto const& algorithm = !from.algorithm.empty() ? from.algorithm : from.configured.algorithm;
    auto const known = auth::parse_algorithm(algorithm.empty() ? "HS256" : algorithm);
    if (!known)
        return usage("'" + algorithm + "' is no algorithm for tokens: HS256, RS256, ES256 or EdDSA");
    out.algorithm = *known;
    out.file = !from.key_file.empty() ? from.key_file : from.jwks_file;
    out.set = from.key_file.empty() && !from.jwks_file.empty();
    if (out.file.empty()) {
        out.set = !from.configured.jwks_file.empty();
        out.file = out.set ? from.configured.jwks_file : from.configured.key_file;
    }
    if (out.file.empty())
        return out;
    auto text = broker::read_text_file(out.file, auth::key_file_bytes_max);
    if (!text)
        return failure{exit_code::configuration, out.file + " cannot be read: " + text.error().message()};
    out.text = std::move(*text);
    return out;
}

[[nodiscard]] json::array list_of(std::vector<std::string> const& filters)
{
    json::array out;
    for (auto const& each : filters)
        out.emplace_back(each);
    return out;
}

[[nodiscard]] std::optional<failure> check_filters(std::vector<std::string> const& filters)
{
    for (auto const& each : filters)
        if (!broker::valid_utf8(each) || !broker::valid_topic_filter(each) || broker::parse_shared(each))
            return usage("'" + printable_line(each) + "' is no topic filter");
    return std::nullopt;
}

[[nodiscard]] json::object claims_of(mint_arguments const& arguments, broker::wall_ms now)
{
    json::object claims;
    auto const& configured = arguments.keys.configured;
    if (!configured.issuer.empty())
        claims["iss"] = configured.issuer;
    if (!configured.audience.empty())
        claims["aud"] = configured.audience;
    if (!arguments.subject.empty())
        claims["sub"] = arguments.subject;
    if (!arguments.app.empty())
        claims["app"] = arguments.app;
    claims["iat"] = static_cast<std::int64_t>(now / 1000);
    claims["exp"] = static_cast<std::int64_t>((now + static_cast<broker::wall_ms>(arguments.ttl.count()) + 999) / 1000);
    if (!arguments.publish.empty())
        claims["publish"] = list_of(arguments.publish);
    if (!arguments.subscribe.empty())
        claims["subscribe"] = list_of(arguments.subscribe);
    if (arguments.admin)
        claims["admin"] = true;
    return claims;
}

// --- explaining ----------------------------------------------------------------------------------

[[nodiscard]] std::optional<json::object> part_of(std::string_view token, std::size_t number)
{
    for (; number != 0; --number)
        token.remove_prefix(std::min(token.size(), token.find('.') + 1));
    auto const text = auth::base64url_decoded(token.substr(0, token.find('.')));
    boost::system::error_code bad;
    json::parse_options options;
    options.max_depth = 32;
    auto parsed = text ? json::parse(*text, bad, {}, options) : json::value{};
    if (bad || !parsed.is_object())
        return std::nullopt;
    return std::move(parsed.get_object());
}

[[nodiscard]] std::shared_ptr<auth::jwt_key_set const> keys_of(chosen_key const& key, std::string& problem)
{
    if (key.set)
        return auth::jwt_key_set::from_jwks(key.algorithm, key.text, problem);
    return key.algorithm == auth::jwt_algorithm::hs256
               ? auth::jwt_key_set::from_secret(key.text, problem)
               : auth::jwt_key_set::from_pem(key.algorithm, auth::public_pem(key.text), problem);
}

[[nodiscard]] std::string words_of(json::value const& value)
{
    if (value.is_string())
        return printable_line({value.get_string().data(), value.get_string().size()});
    if (!value.is_array())
        return printable_line(json::serialize(value));
    std::string out;
    for (auto const& each : value.get_array())
        out += (out.empty() ? "" : ", ") + words_of(each);
    return out.empty() ? "nothing" : out;
}

[[nodiscard]] std::string moment_of(json::value const& value, broker::wall_ms now)
{
    auto const seconds = value.is_int64() ? value.get_int64() : std::int64_t{-1};
    if (seconds < 0 || seconds > 253'402'300'799)
        return words_of(value) + " (this is no time)";
    auto const at = static_cast<broker::wall_ms>(seconds) * 1000;
    auto const apart = (at > now ? at - now : now - at) / 1000;
    auto const distance = apart < 120       ? std::to_string(apart) + " s"
                          : apart < 7'200   ? std::to_string(apart / 60) + " min"
                          : apart < 172'800 ? std::to_string(apart / 3600) + " h"
                                            : std::to_string(apart / 86'400) + " days";
    return time_text(at).substr(0, 19) + (at > now ? " (in " + distance + ")" : " (" + distance + " ago)");
}

struct meaning
{
    std::string_view claim;
    std::string_view words;
    bool time = false;
};
constexpr meaning meanings[] = {
    {"sub", "subject (user jwt:…)"},
    {"app", "app"},
    {"iss", "issuer"},
    {"aud", "audience"},
    {"exp", "expires", true},
    {"nbf", "not before", true},
    {"iat", "issued", true},
    {"publish", "publishes"},
    {"subscribe", "reads"},
    {"admin", "administrator"},
};

void print_words(output& out, json::object const& header, json::object const& claims, broker::wall_ms now)
{
    auto const row = [&](std::string_view name, std::string const& text) {
        out.line(out.bold(std::string{name}.append(": ")) + text);
    };
    for (auto const& [name, value] : header)
        row("header " + printable_line({name.data(), name.size()}), words_of(value));
    for (auto const& each : meanings)
        if (auto const* const claim = claims.if_contains(each.claim); claim != nullptr)
            row(each.words, each.time ? moment_of(*claim, now) : words_of(*claim));
    if (!claims.contains("publish"))
        row("publishes", "nothing");
    if (!claims.contains("subscribe"))
        row("reads", "nothing");
    for (auto const& claim : claims) {
        std::string_view const name{claim.key().data(), claim.key().size()};
        if (std::none_of(std::begin(meanings), std::end(meanings), [&](meaning const& m) { return m.claim == name; }))
            row("claim " + printable_line(name), words_of(claim.value()) + " (means nothing to a broker)");
    }
}

}  // namespace

attempt<exit_code> mint_token(mint_arguments const& arguments, broker::wall_ms now, output& out)
{
    for (auto const* const filters : {&arguments.publish, &arguments.subscribe})
        if (auto failed = check_filters(*filters))
            return *failed;
    auto const key = read_key(arguments.keys);
    if (!key)
        return key.error();
    if (key->file.empty() || key->set)
        return usage("no key to sign with: give --key-file (the secret for HS256, else a private key in PEM)" +
                     std::string{key->set ? "; the configuration has public keys only" : ", or --config with [jwt]"});
    json::object header{{"alg", auth::to_string(key->algorithm)}, {"typ", "JWT"}};
    if (!arguments.key_id.empty())
        header["kid"] = arguments.key_id;
    std::string problem;
    auto const token = auth::sign_token(key->algorithm, key->text, json::serialize(header),
                                        json::serialize(claims_of(arguments, now)), problem);
    if (!token)
        return failure{exit_code::configuration, key->file + " " + problem};
    out.line(*token);
    (void)out.flush();
    return exit_code::success;
}

attempt<exit_code> explain_token(std::string_view token, key_arguments const& from, broker::wall_ms now, output& out)
{
    auto const header = part_of(token, 0);
    auto const claims = part_of(token, 1);
    if (token.size() > auth::token_bytes_max || !header || !claims || !auth::looks_like_token(token))
        return failure{exit_code::failure, "this is no token: three parts with dots between them are wanted"};
    auto asked = from;
    // Without a configuration the token may say what it is signed with; a broker never lets it.
    if (auto const* const named = header->if_contains("alg");
        asked.algorithm.empty() && asked.configured.algorithm.empty() && named != nullptr && named->is_string())
        asked.algorithm.assign(named->get_string().data(), named->get_string().size());
    auto const key = read_key(asked);
    if (!key)
        return key.error();
    std::string problem = key->file.empty() && !from.configured.jwks_url.empty()
                              ? "not checked: fetch " + from.configured.jwks_url + " and give it as --jwks-file"
                              : "not checked: give --config, --key-file or --jwks-file";
    bool valid = false;
    if (!key->file.empty()) {
        std::string bad_key;
        auto const keys = keys_of(*key, bad_key);
        if (!keys)
            return failure{exit_code::configuration, key->file + " " + bad_key};
        auto const& configured = from.configured;
        auto const verdict = auth::check_token(token, *keys,
                                               {key->algorithm, configured.issuer, configured.audience,
                                                static_cast<std::uint64_t>(configured.leeway.count())},
                                               now);
        valid = verdict.claims.has_value();
        problem = valid ? "" : verdict.problem;
    }
    if (out.json()) {
        json::object answer{{"valid", valid}, {"header", *header}, {"claims", *claims}};
        if (!valid)
            answer["problem"] = problem;
        out.line(json::serialize(answer));
    } else {
        print_words(out, *header, *claims, now);
        out.line(out.bold("verdict: ") + (valid ? "valid: signature and times hold" : problem));
    }
    (void)out.flush();
    return valid ? exit_code::success : exit_code::failure;
}

}  // namespace fulmar::cli
