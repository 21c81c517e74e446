// Signs tokens as an issuer does, and as an attacker might.
#pragma once

#include "frontends/auth/jwt_keys.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace fulmar::auth::test {

inline std::string base64url(std::string_view bytes)
{
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string out;
    unsigned bits = 0;
    unsigned count = 0;
    for (auto const c : bytes) {
        bits = bits << 8U | static_cast<unsigned char>(c);
        for (count += 8; count >= 6;) {
            count -= 6;
            out += letters[bits >> count & 63U];
        }
    }
    if (count > 0)
        out += letters[bits << (6 - count) & 63U];
    return out;
}

inline std::string hmac(std::string_view secret, std::string_view text)
{
    std::array<unsigned char, 32> out{};
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<unsigned char const*>(text.data()), text.size(), out.data(), &size);
    return {reinterpret_cast<char const*>(out.data()), size};
}

inline std::string hs256(std::string_view secret, std::string_view header, std::string_view claims)
{
    auto const text = base64url(header) + "." + base64url(claims);
    return text + "." + base64url(hmac(secret, text));
}

// A key pair of its own.
class key_pair
{
public:
    explicit key_pair(jwt_algorithm algorithm, std::size_t rsa_bits = 2048) : algorithm_{algorithm}
    {
        key_.reset(algorithm == jwt_algorithm::rs256   ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", rsa_bits)
                   : algorithm == jwt_algorithm::es256 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")
                                                       : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    }

    [[nodiscard]] std::string pem() const
    {
        std::unique_ptr<BIO, decltype(&BIO_free)> const out{BIO_new(BIO_s_mem()), BIO_free};
        PEM_write_bio_PUBKEY(out.get(), key_.get());
        char* text = nullptr;
        auto const size = BIO_get_mem_data(out.get(), &text);
        return {text, static_cast<std::size_t>(size)};
    }

    [[nodiscard]] std::string jwk(std::string_view id) const
    {
        auto const number = [&](char const* name, int bytes) {
            BIGNUM* value = nullptr;
            EVP_PKEY_get_bn_param(key_.get(), name, &value);
            std::string raw(static_cast<std::size_t>(bytes == 0 ? BN_num_bytes(value) : bytes), '\0');
            BN_bn2binpad(value, reinterpret_cast<unsigned char*>(raw.data()), static_cast<int>(raw.size()));
            BN_free(value);
            return base64url(raw);
        };
        auto const common = "\",\"use\":\"sig\",\"kid\":\"" + std::string{id} + "\"}";
        if (algorithm_ == jwt_algorithm::rs256)
            return R"({"kty":"RSA","n":")" + number("n", 0) + R"(","e":")" + number("e", 0) + common;
        if (algorithm_ == jwt_algorithm::es256)
            return R"({"kty":"EC","crv":"P-256","x":")" + number("qx", 32) + R"(","y":")" + number("qy", 32) + common;
        std::array<unsigned char, 32> raw{};
        std::size_t size = raw.size();
        EVP_PKEY_get_raw_public_key(key_.get(), raw.data(), &size);
        return R"({"kty":"OKP","crv":"Ed25519","x":")" +
               base64url({reinterpret_cast<char const*>(raw.data()), raw.size()}) + common;
    }

    [[nodiscard]] std::string sign(std::string_view header, std::string_view claims) const
    {
        auto const text = base64url(header) + "." + base64url(claims);
        auto const signature = signature_of(text);
        return text + "." + base64url(algorithm_ == jwt_algorithm::es256 ? side_by_side(signature) : signature);
    }

    // What OpenSSL gives: DER with ECDSA.
    [[nodiscard]] std::string signature_of(std::string_view text) const
    {
        std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> const context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
        EVP_DigestSignInit(context.get(), nullptr, algorithm_ == jwt_algorithm::eddsa ? nullptr : EVP_sha256(), nullptr,
                           key_.get());
        std::string out(512, '\0');
        auto size = out.size();
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                       reinterpret_cast<unsigned char const*>(text.data()), text.size());
        out.resize(size);
        return out;
    }

private:
    static std::string side_by_side(std::string const& der)
    {
        auto const* at = reinterpret_cast<unsigned char const*>(der.data());
        auto* const parts = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
        std::string raw(64, '\0');
        auto* const out = reinterpret_cast<unsigned char*>(raw.data());
        BN_bn2binpad(ECDSA_SIG_get0_r(parts), out, 32);
        BN_bn2binpad(ECDSA_SIG_get0_s(parts), out + 32, 32);
        ECDSA_SIG_free(parts);
        return raw;
    }

    struct free_key
    {
        void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
    };
    jwt_algorithm algorithm_;
    std::unique_ptr<EVP_PKEY, free_key> key_;
};

}  // namespace fulmar::auth::test
