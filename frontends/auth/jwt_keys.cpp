#include "frontends/auth/jwt_keys.hpp"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

namespace fulmar::auth {

namespace {

namespace json = boost::json;

constexpr std::size_t secret_bytes_min = 32;
constexpr int rsa_bits_min = 2048;
constexpr std::size_t p256_bytes = 32;

struct free_openssl
{
    void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
    void operator()(EVP_PKEY_CTX* p) const noexcept { EVP_PKEY_CTX_free(p); }
    void operator()(EVP_MD_CTX* p) const noexcept { EVP_MD_CTX_free(p); }
    void operator()(BIO* p) const noexcept { BIO_free(p); }
    void operator()(BIGNUM* p) const noexcept { BN_free(p); }
    void operator()(OSSL_PARAM_BLD* p) const noexcept { OSSL_PARAM_BLD_free(p); }
    void operator()(OSSL_PARAM* p) const noexcept { OSSL_PARAM_free(p); }
    void operator()(ECDSA_SIG* p) const noexcept { ECDSA_SIG_free(p); }
};
template <class T>
using owned = std::unique_ptr<T, free_openssl>;

unsigned char const* bytes_of(std::string_view text) { return reinterpret_cast<unsigned char const*>(text.data()); }

std::string fingerprint(std::string_view bytes)
{
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(bytes_of(bytes), bytes.size(), digest.data());
    return {reinterpret_cast<char const*>(digest.data()), digest.size()};
}

class hmac_key final : public jwt_key
{
public:
    explicit hmac_key(std::string_view secret) : secret_{secret} { name = fingerprint("hmac" + secret_); }
    ~hmac_key() override { OPENSSL_cleanse(secret_.data(), secret_.size()); }
    hmac_key(hmac_key const&) = delete;
    hmac_key& operator=(hmac_key const&) = delete;

    [[nodiscard]] bool verify(std::string_view signed_bytes, std::string_view signature) const override
    {
        std::array<unsigned char, SHA256_DIGEST_LENGTH> right{};
        unsigned size = 0;
        if (HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), bytes_of(signed_bytes),
                 signed_bytes.size(), right.data(), &size) == nullptr)
            return false;
        return signature.size() == right.size() && CRYPTO_memcmp(right.data(), signature.data(), right.size()) == 0;
    }

private:
    std::string secret_;
};

// ECDSA signatures travel as r and s side by side; OpenSSL wants DER.
std::string der_of(std::string_view signature)
{
    if (signature.size() != 2 * p256_bytes)
        return {};
    owned<ECDSA_SIG> const parts{ECDSA_SIG_new()};
    owned<BIGNUM> r{BN_bin2bn(bytes_of(signature), p256_bytes, nullptr)};
    owned<BIGNUM> s{BN_bin2bn(bytes_of(signature) + p256_bytes, p256_bytes, nullptr)};
    if (!parts || !r || !s || BN_is_zero(r.get()) || BN_is_zero(s.get()) ||
        ECDSA_SIG_set0(parts.get(), r.get(), s.get()) != 1)
        return {};
    (void)r.release();
    (void)s.release();
    unsigned char* der = nullptr;
    auto const size = i2d_ECDSA_SIG(parts.get(), &der);
    if (size <= 0)
        return {};
    std::string out{reinterpret_cast<char const*>(der), static_cast<std::size_t>(size)};
    OPENSSL_free(der);
    return out;
}

class public_key final : public jwt_key
{
public:
    public_key(jwt_algorithm algorithm, owned<EVP_PKEY> key) : algorithm_{algorithm}, key_{std::move(key)}
    {
        unsigned char* der = nullptr;
        auto const size = i2d_PUBKEY(key_.get(), &der);
        if (size > 0)
            name = fingerprint({reinterpret_cast<char const*>(der), static_cast<std::size_t>(size)});
        OPENSSL_free(der);
    }

    [[nodiscard]] bool verify(std::string_view signed_bytes, std::string_view signature) const override
    {
        auto const der = algorithm_ == jwt_algorithm::es256 ? der_of(signature) : std::string{signature};
        owned<EVP_MD_CTX> const context{EVP_MD_CTX_new()};
        auto const* const digest = algorithm_ == jwt_algorithm::eddsa ? nullptr : EVP_sha256();
        auto const right =
            !der.empty() && context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
            EVP_DigestVerify(context.get(), bytes_of(der), der.size(), bytes_of(signed_bytes), signed_bytes.size()) ==
                1;
        ERR_clear_error();
        return right;
    }

private:
    jwt_algorithm algorithm_;
    owned<EVP_PKEY> key_;
};

bool is_p256(EVP_PKEY const* key)
{
    std::array<char, 64> group{};
    std::size_t size = 0;
    return EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size(), &size) == 1 &&
           std::string_view{group.data(), size} == "prime256v1";
}

// Does this key do what the algorithm needs?
char const* unfit(jwt_algorithm algorithm, EVP_PKEY const* key)
{
    switch (algorithm) {
    case jwt_algorithm::rs256:
        if (EVP_PKEY_is_a(key, "RSA") != 1)
            return "is no RSA key, which RS256 needs";
        return EVP_PKEY_get_bits(key) < rsa_bits_min ? "is an RSA key of less than 2048 bits" : nullptr;
    case jwt_algorithm::es256:
        return EVP_PKEY_is_a(key, "EC") == 1 && is_p256(key) ? nullptr : "is no key on P-256, which ES256 needs";
    case jwt_algorithm::eddsa: return EVP_PKEY_is_a(key, "ED25519") == 1 ? nullptr : "is no Ed25519 key";
    case jwt_algorithm::hs256: break;
    }
    return "is a public key, which HS256 has none of";
}

std::unique_ptr<jwt_key> public_key_of(jwt_algorithm algorithm, owned<EVP_PKEY> key, std::string& problem)
{
    ERR_clear_error();
    if (!key) {
        problem = "is no usable public key";
        return nullptr;
    }
    if (auto const* const why = unfit(algorithm, key.get()); why != nullptr) {
        problem = why;
        return nullptr;
    }
    return std::make_unique<public_key>(algorithm, std::move(key));
}

std::unique_ptr<jwt_key> secret_key_of(std::string_view secret, std::string& problem)
{
    if (secret.size() >= secret_bytes_min)
        return std::make_unique<hmac_key>(secret);
    problem = "has fewer than 32 bytes, which HS256 needs";
    return nullptr;
}

owned<EVP_PKEY> key_from(char const* type, OSSL_PARAM_BLD* builder)
{
    owned<OSSL_PARAM> const parameters{OSSL_PARAM_BLD_to_param(builder)};
    owned<EVP_PKEY_CTX> const context{EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr)};
    EVP_PKEY* made = nullptr;
    if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
        return nullptr;
    return owned<EVP_PKEY>{made};
}

owned<EVP_PKEY> rsa_key(std::string_view modulus, std::string_view exponent)
{
    owned<BIGNUM> const n{BN_bin2bn(bytes_of(modulus), static_cast<int>(modulus.size()), nullptr)};
    owned<BIGNUM> const e{BN_bin2bn(bytes_of(exponent), static_cast<int>(exponent.size()), nullptr)};
    owned<OSSL_PARAM_BLD> const builder{OSSL_PARAM_BLD_new()};
    if (!n || !e || !builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1)
        return nullptr;
    return key_from("RSA", builder.get());
}

owned<EVP_PKEY> p256_key(std::string_view x, std::string_view y)
{
    auto const point = std::string{"\x04"}.append(x).append(y);
    owned<OSSL_PARAM_BLD> const builder{OSSL_PARAM_BLD_new()};
    if (x.size() != p256_bytes || y.size() != p256_bytes || !builder ||
        OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1)
        return nullptr;
    return key_from("EC", builder.get());
}

// A member that is base64url; nothing if it is missing or anything else.
std::optional<std::string> binary(json::object const& jwk, std::string_view name)
{
    auto const* const member = jwk.if_contains(name);
    auto const* const text = member == nullptr ? nullptr : member->if_string();
    return text == nullptr ? std::nullopt : base64url_decoded({text->data(), text->size()});
}

std::string_view text_of(json::object const& jwk, std::string_view name)
{
    auto const* const member = jwk.if_contains(name);
    auto const* const text = member == nullptr ? nullptr : member->if_string();
    return text == nullptr ? std::string_view{} : std::string_view{text->data(), text->size()};
}

std::unique_ptr<jwt_key> key_of(jwt_algorithm algorithm, json::object const& jwk, std::string& problem)
{
    auto const type = text_of(jwk, "kty");
    auto const x = binary(jwk, "x");
    if (type == "oct" && algorithm == jwt_algorithm::hs256)
        return secret_key_of(binary(jwk, "k").value_or(""), problem);
    if (type == "RSA" && algorithm == jwt_algorithm::rs256)
        return public_key_of(algorithm, rsa_key(binary(jwk, "n").value_or(""), binary(jwk, "e").value_or("")), problem);
    if (type == "EC" && algorithm == jwt_algorithm::es256 && text_of(jwk, "crv") == "P-256")
        return public_key_of(algorithm, p256_key(x.value_or(""), binary(jwk, "y").value_or("")), problem);
    if (type == "OKP" && algorithm == jwt_algorithm::eddsa && text_of(jwk, "crv") == "Ed25519" && x)
        return public_key_of(
            algorithm, owned<EVP_PKEY>{EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(*x), x->size())},
            problem);
    return nullptr;  // for something else: not ours
}

bool meant_for_signatures(jwt_algorithm algorithm, json::object const& jwk)
{
    auto const use = text_of(jwk, "use");
    auto const named = text_of(jwk, "alg");
    return (use.empty() || use == "sig") && (named.empty() || named == to_string(algorithm));
}

}  // namespace

std::optional<jwt_algorithm> parse_algorithm(std::string_view name) noexcept
{
    for (auto const each : {jwt_algorithm::hs256, jwt_algorithm::rs256, jwt_algorithm::es256, jwt_algorithm::eddsa})
        if (name == to_string(each))
            return each;
    return std::nullopt;
}

std::string_view to_string(jwt_algorithm algorithm) noexcept
{
    switch (algorithm) {
    case jwt_algorithm::hs256: return "HS256";
    case jwt_algorithm::rs256: return "RS256";
    case jwt_algorithm::es256: return "ES256";
    case jwt_algorithm::eddsa: return "EdDSA";
    }
    return "";
}

std::optional<std::string> base64url_decoded(std::string_view text)
{
    std::string out;
    out.reserve(text.size() / 4 * 3 + 3);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (auto const c : text) {
        auto const at = std::string_view{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"}.find(c);
        if (at == std::string_view::npos)
            return std::nullopt;
        bits = bits << 6U | static_cast<std::uint32_t>(at);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out += static_cast<char>(bits >> count & 0xFFU);
        }
    }
    // A whole byte left over, or bits that say nothing: a second spelling of the same bytes.
    if (count >= 6 || (bits & ((1U << count) - 1U)) != 0)
        return std::nullopt;
    return out;
}

std::shared_ptr<jwt_key_set const> jwt_key_set::from_secret(std::string_view text, std::string& problem)
{
    if (text.ends_with('\n'))
        text.remove_suffix(text.ends_with("\r\n") ? 2 : 1);
    if (text.starts_with("-----BEGIN") || text.starts_with("{\"keys\"")) {
        problem = "is a public key, which everybody may know; HS256 needs a secret";
        return nullptr;
    }
    auto key = secret_key_of(text, problem);
    if (!key)
        return nullptr;
    auto made = std::make_shared<jwt_key_set>();
    made->keys_.push_back(std::move(key));
    return made;
}

std::shared_ptr<jwt_key_set const> jwt_key_set::from_pem(jwt_algorithm algorithm, std::string_view text,
                                                         std::string& problem)
{
    owned<BIO> const in{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
    auto key =
        public_key_of(algorithm, owned<EVP_PKEY>{PEM_read_bio_PUBKEY(in.get(), nullptr, nullptr, nullptr)}, problem);
    if (!key)
        return nullptr;
    auto made = std::make_shared<jwt_key_set>();
    made->keys_.push_back(std::move(key));
    return made;
}

std::shared_ptr<jwt_key_set const> jwt_key_set::from_jwks(jwt_algorithm algorithm, std::string_view text,
                                                          std::string& problem)
{
    boost::system::error_code bad;
    auto const parsed = json::parse(text, bad);
    auto const* const top = bad ? nullptr : parsed.if_object();
    auto const* const list = top == nullptr || !top->contains("keys") ? nullptr : top->at("keys").if_array();
    if (list == nullptr || list->size() > jwt_keys_max) {
        problem = list == nullptr ? "is no JSON Web Key Set" : "holds more than 100 keys";
        return nullptr;
    }
    auto made = std::make_shared<jwt_key_set>();
    for (auto const& each : *list) {
        auto const* const jwk = each.if_object();
        auto key = jwk != nullptr && meant_for_signatures(algorithm, *jwk) ? key_of(algorithm, *jwk, problem) : nullptr;
        if (!problem.empty())
            return nullptr;
        if (!key)
            continue;
        key->id = text_of(*jwk, "kid");
        if (std::any_of(made->keys_.begin(), made->keys_.end(),
                        [&](auto const& known) { return known->id == key->id; })) {
            problem = "holds two keys with one \"kid\"";
            return nullptr;
        }
        made->keys_.push_back(std::move(key));
    }
    if (made->keys_.empty()) {
        problem = "holds no key for " + std::string{to_string(algorithm)};
        return nullptr;
    }
    return made;
}

jwt_key const* jwt_key_set::find(std::optional<std::string_view> id) const noexcept
{
    if (!id)
        return keys_.size() == 1 ? keys_.front().get() : nullptr;
    // A single key that has no id of its own serves whatever the issuer calls it.
    if (keys_.size() == 1 && keys_.front()->id.empty())
        return keys_.front().get();
    auto const found = std::find_if(keys_.begin(), keys_.end(), [&](auto const& key) { return key->id == *id; });
    return found == keys_.end() ? nullptr : found->get();
}

bool jwt_key_set::holds(std::string_view key_name) const noexcept
{
    return std::any_of(keys_.begin(), keys_.end(), [&](auto const& key) { return key->name == key_name; });
}

bool jwt_key_set::holds_all(jwt_key_set const& others) const noexcept
{
    return std::all_of(others.keys_.begin(), others.keys_.end(), [&](auto const& key) { return holds(key->name); });
}

}  // namespace fulmar::auth
