#include "frontends/pusher/request_signature.hpp"

#include "frontends/pusher/channel_auth.hpp"

#include <openssl/evp.h>
#include <array>
#include <charconv>
#include <memory>
#include <optional>

namespace fulmar::pusher {

namespace {

constexpr std::string_view digits = "0123456789abcdef";
constexpr std::size_t shown_bytes_max = 512;

[[nodiscard]] std::string text_to_sign(signed_request const& request, std::string_view path,
                                       std::string_view parameters)
{
    std::string text;
    text.reserve(request.method.size() + path.size() + parameters.size() + 2);
    return text.append(request.method).append("\n").append(path).append("\n").append(parameters);
}

[[nodiscard]] std::string check_time(std::string_view stamp, broker::wall_ms now)
{
    std::uint64_t seconds = 0;
    auto const* const end = stamp.data() + stamp.size();
    auto const [rest, error] = std::from_chars(stamp.data(), end, seconds);
    if (error != std::errc{} || rest != end)
        return "auth_timestamp is missing or not a number of seconds";
    auto const here = now / 1000;
    if ((seconds > here ? seconds - here : here - seconds) <= signature_age_s)
        return {};
    return "Timestamp expired: auth_timestamp (" + std::string{stamp} +
           ") is not within 600 seconds of the server's time (" + std::to_string(here) + ")";
}

[[nodiscard]] std::string check_body(query const& parameters, std::string_view body)
{
    auto const* const given = parameters.find("body_md5");
    if (given == nullptr)
        return body.empty() ? "" : "body_md5 is missing";
    auto const expected = md5_hex(body);
    return equal_in_constant_time(*given, expected) ? "" : "body_md5 does not belong to this body";
}

// What every reading must have before its signature is looked at.
[[nodiscard]] std::string check_fields(query const& parameters, broker::app const& app, broker::wall_ms now)
{
    if (parameters.find("auth_key") == nullptr)
        return "auth_key is missing";
    if (app.find_key(parameters.value("auth_key")) == nullptr)
        return "auth_key is not a key of this app";
    if (parameters.value("auth_version") != "1.0")
        return "auth_version must be 1.0";
    if (parameters.find("auth_signature") == nullptr)
        return "auth_signature is missing";
    return check_time(parameters.value("auth_timestamp"), now);
}

// The ways in which libraries write down one and the same request.
class signature_check
{
public:
    signature_check(broker::app const& app, signed_request const& request) : app_{app}, request_{request} {}

    [[nodiscard]] bool holds(query const& parameters)
    {
        auto const sent_path = request_.target.substr(0, request_.target.find('?'));
        return matches(parameters, sent_path, false) ||
               (sent_path != request_.path && matches(parameters, request_.path, false)) ||
               (parameters.has_lists() && matches(parameters, sent_path, true));
    }
    [[nodiscard]] std::string const& first_text() const noexcept { return first_; }

private:
    [[nodiscard]] bool matches(query const& parameters, std::string_view path, bool join_lists)
    {
        auto const* const key = app_.find_key(parameters.value("auth_key"));
        auto text = text_to_sign(request_, path, parameters.canonical(join_lists));
        bool const good =
            key != nullptr && equal_in_constant_time(sign(key->secret, text), parameters.value("auth_signature"));
        if (first_.empty())
            first_ = std::move(text);
        return good;
    }

    broker::app const& app_;
    signed_request const& request_;
    std::string first_;
};

[[nodiscard]] std::string shown(std::string_view text)
{
    std::string out;
    for (auto const c : text.substr(0, shown_bytes_max)) {
        if (c == '\n')
            out += "\\n";
        else
            out += c;
    }
    return out;
}

}  // namespace

std::string md5_hex(std::string_view bytes)
{
    static EVP_MD const* const md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);  // kept for the life of the process
    thread_local std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> const context{EVP_MD_CTX_new(),
                                                                                       &EVP_MD_CTX_free};
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (md5 == nullptr || context == nullptr || EVP_DigestInit_ex2(context.get(), md5, nullptr) != 1 ||
        EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) != 1 ||
        EVP_DigestFinal_ex(context.get(), digest.data(), &size) != 1)
        return {};
    std::string text;
    text.reserve(std::size_t{size} * 2);
    for (unsigned i = 0; i < size; ++i)
        (text += digits[digest[i] >> 4U]) += digits[digest[i] & 15U];
    return text;
}

signature_verdict verify_signature(broker::app const& app, signed_request const& request, broker::wall_ms now)
{
    auto const mark = std::min(request.target.find('?'), request.target.size());
    auto const text = request.target.substr(std::min(mark + 1, request.target.size()));
    signature_verdict verdict;
    auto decoded = query::parse(text, true);
    if (!decoded) {
        verdict.refusal = "the query is malformed or has too many parameters";
        return verdict;
    }
    verdict.refusal = check_fields(*decoded, app, now);
    if (!verdict.refusal.empty())
        return verdict;
    signature_check check{app, request};
    std::optional<query> confirmed;
    if (check.holds(*decoded))
        confirmed = std::move(decoded);
    else if (text.find_first_of("%+") != std::string_view::npos) {
        auto raw = query::parse(text, false);
        if (raw && check_fields(*raw, app, now).empty() && check.holds(*raw))
            confirmed = std::move(raw);
    }
    if (!confirmed) {
        verdict.refusal = "Invalid signature: you should have sent HmacSHA256Hex(\"" + shown(check.first_text()) +
                          "\", your_secret_key)";
        return verdict;
    }
    verdict.refusal = check_body(*confirmed, request.body);
    verdict.parameters = std::move(*confirmed);
    return verdict;
}

}  // namespace fulmar::pusher
