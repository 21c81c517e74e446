#include "frontends/auth/jwt.hpp"

#include "broker/granted_permissions.hpp"
#include "broker/topic.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

namespace fulmar::auth {

namespace {

namespace json = boost::json;

constexpr std::size_t name_bytes_max = 256;
constexpr double last_second = 253'402'300'799.0;  // of the year 9999; milliseconds by mistake lie beyond it

struct parts
{
    std::string_view header;
    std::string_view claims;
    std::string_view signature;
};

std::optional<parts> split(std::string_view token)
{
    auto const first = token.find('.');
    auto const second = first == std::string_view::npos ? first : token.find('.', first + 1);
    if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
        return std::nullopt;
    return parts{token.substr(0, first), token.substr(first + 1, second - first - 1), token.substr(second + 1)};
}

// The names of an object are counted as they stand in the text: a parser keeps only the last of those given twice.
std::size_t names_in(std::string_view text)
{
    std::size_t names = 0;
    int depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto const c = text[i];
        if (quoted) {
            i += c == '\\' ? 1 : 0;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            ++depth;
        } else if (c == '}' || c == ']') {
            --depth;
        } else if (c == ':' && depth == 1) {
            ++names;
        }
    }
    return names;
}

std::optional<json::object> object_in(std::string_view part)
{
    auto const text = base64url_decoded(part);
    if (!text || !broker::valid_utf8(*text))
        return std::nullopt;
    json::parse_options options;
    options.max_depth = 32;
    boost::system::error_code bad;
    auto parsed = json::parse(*text, bad, {}, options);
    if (bad || !parsed.is_object() || parsed.get_object().size() != names_in(*text))
        return std::nullopt;
    return std::move(parsed.get_object());
}

// Engaged and empty pointer: not there. Not engaged: something else than a string.
std::optional<std::string_view> text_of(json::object const& from, std::string_view name)
{
    auto const* const member = from.if_contains(name);
    if (member == nullptr)
        return std::string_view{};
    auto const* const text = member->if_string();
    if (text == nullptr || text->size() > name_bytes_max || text->empty())
        return std::nullopt;
    return std::string_view{text->data(), text->size()};
}

// Seconds since 1970 as milliseconds; nothing for what is no time.
std::optional<broker::wall_ms> time_of(json::value const& claim)
{
    if (!claim.is_number())
        return std::nullopt;
    auto const seconds = claim.is_double()  ? claim.get_double()
                         : claim.is_int64() ? static_cast<double>(claim.get_int64())
                                            : static_cast<double>(claim.get_uint64());
    if (!std::isfinite(seconds) || seconds < 0 || seconds > last_second)
        return std::nullopt;
    return static_cast<broker::wall_ms>(seconds * 1000.0);
}

char const* check_header(json::object const& header, jwt_rules const& rules)
{
    auto const algorithm = text_of(header, "alg");
    if (!algorithm || *algorithm != to_string(rules.algorithm))
        return "the token's algorithm is not the configured one";
    if (header.contains("crit") || header.contains("b64") || header.contains("enc") || header.contains("zip"))
        return "the token asks for an extension that is not supported";
    auto type = std::string{text_of(header, "typ").value_or("other")};
    std::transform(type.begin(), type.end(), type.begin(),
                   [](unsigned char c) { return static_cast<char>(c | 0x20U); });
    if (!type.empty() && type != "jwt" && type != "at+jwt")
        return "the token is of another type";
    if (!text_of(header, "kid"))
        return "the token's key id is no text";
    return nullptr;
}

char const* check_times(json::object const& claims, jwt_rules const& rules, broker::wall_ms now, jwt_claims& out)
{
    auto const* const ends = claims.if_contains("exp");
    auto const expires_at = ends == nullptr ? std::nullopt : time_of(*ends);
    if (!expires_at)
        return "the token has no usable time of expiry";
    out.expires_at = *expires_at + rules.leeway_ms;
    if (out.expires_at <= now)
        return "the token has expired";
    for (auto const* const name : {"nbf", "iat"}) {
        auto const* const claim = claims.if_contains(name);
        auto const at = claim == nullptr ? std::optional<broker::wall_ms>{0} : time_of(*claim);
        if (!at)
            return "the token has a time that is none";
        if (*at > now + rules.leeway_ms)
            return "the token is not valid yet";
    }
    return nullptr;
}

bool names_audience(json::value const& claim, std::string_view wanted)
{
    auto const is = [wanted](json::value const& v) {
        return v.is_string() && std::string_view{v.get_string().data(), v.get_string().size()} == wanted;
    };
    if (claim.is_array())
        return std::any_of(claim.get_array().begin(), claim.get_array().end(), is);
    return is(claim);
}

char const* check_parties(json::object const& claims, jwt_rules const& rules)
{
    auto const issuer = text_of(claims, "iss");
    if (!issuer || (!rules.issuer.empty() && *issuer != rules.issuer))
        return "the token is from another issuer";
    auto const* const audience = claims.if_contains("aud");
    if (rules.audience.empty() ? audience != nullptr
                               : audience == nullptr || !names_audience(*audience, rules.audience))
        return "the token is for another audience";
    return nullptr;
}

// Topic filters; absent: none.
bool read_filters(json::object const& claims, std::string_view name, std::vector<std::string>& out)
{
    auto const* const claim = claims.if_contains(name);
    if (claim == nullptr)
        return true;
    if (!claim->is_array() || claim->get_array().size() > broker::granted_filters_max)
        return false;
    for (auto const& each : claim->get_array()) {
        if (!each.is_string())
            return false;
        auto filter = std::string{each.get_string().data(), each.get_string().size()};
        if (!broker::valid_utf8(filter) || !broker::valid_topic_filter(filter) || broker::parse_shared(filter))
            return false;
        out.push_back(std::move(filter));
    }
    return true;
}

char const* read_grants(json::object const& claims, jwt_claims& out)
{
    auto const subject = text_of(claims, "sub");
    auto const app = text_of(claims, "app");
    auto const control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (!subject || !app || std::any_of(subject->begin(), subject->end(), control))
        return "the token's subject or app is no plain text";
    out.subject = *subject;
    out.app = *app;
    if (!read_filters(claims, "publish", out.publish) || !read_filters(claims, "subscribe", out.subscribe))
        return "the token's publish or subscribe claim is no list of topic filters";
    auto const* const admin = claims.if_contains("admin");
    if (admin != nullptr && !admin->is_bool())
        return "the token's admin claim is neither true nor false";
    out.administrator = admin != nullptr && admin->get_bool();
    return nullptr;
}

jwt_verdict refused(char const* why) { return {std::nullopt, why}; }

}  // namespace

bool looks_like_token(std::string_view text) noexcept
{
    return text.starts_with("eyJ") && std::count(text.begin(), text.end(), '.') == 2;
}

jwt_verdict check_token(std::string_view token, jwt_key_set const& keys, jwt_rules const& rules, broker::wall_ms now)
{
    if (token.size() > token_bytes_max)
        return refused("the token is too large");
    auto const found = split(token);
    auto const header = found ? object_in(found->header) : std::nullopt;
    auto const signature = found ? base64url_decoded(found->signature) : std::nullopt;
    if (!header || !signature || signature->empty())
        return refused("this is no token");
    if (auto const* const why = check_header(*header, rules); why != nullptr)
        return refused(why);
    auto const id = text_of(*header, "kid");
    auto const* const key = keys.find(id->empty() ? std::nullopt : id);
    if (key == nullptr) {
        auto out = refused("the token's key is not known");
        out.unknown_key = !id->empty();
        return out;
    }
    auto const signed_bytes = token.substr(0, found->header.size() + 1 + found->claims.size());
    if (!key->verify(signed_bytes, *signature))
        return refused("the token's signature is wrong");
    auto const claims = object_in(found->claims);
    if (!claims)
        return refused("the token's claims are malformed");
    jwt_verdict out;
    jwt_claims read;
    read.key_name = key->name;
    auto const* why = check_times(*claims, rules, now, read);
    if (why == nullptr)
        why = check_parties(*claims, rules);
    if (why == nullptr)
        why = read_grants(*claims, read);
    if (why != nullptr)
        return refused(why);
    out.claims = std::move(read);
    return out;
}

}  // namespace fulmar::auth
