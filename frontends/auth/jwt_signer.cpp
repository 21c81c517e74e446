#include "frontends/auth/jwt_signer.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <array>
#include <memory>

namespace fulmar::auth {

namespace {

constexpr int p256_bytes = 32;

struct free_openssl
{
    void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
    void operator()(EVP_MD_CTX* p) const noexcept { EVP_MD_CTX_free(p); }
    void operator()(BIO* p) const noexcept { BIO_free(p); }
    void operator()(ECDSA_SIG* p) const noexcept { ECDSA_SIG_free(p); }
};
template <class T>
using owned = std::unique_ptr<T, free_openssl>;

unsigned char const* bytes_of(std::string_view text) { return reinterpret_cast<unsigned char const*>(text.data()); }
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

// A passphrase is asked of nobody: OpenSSL would ask the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

owned<EVP_PKEY> private_key_of(std::string_view pem)
{
    owned<BIO> const in{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
    owned<EVP_PKEY> key{in ? PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr) : nullptr};
    ERR_clear_error();
    return key;
}

std::string public_part_of(EVP_PKEY* key)
{
    owned<BIO> const out{BIO_new(BIO_s_mem())};
    if (!out || PEM_write_bio_PUBKEY(out.get(), key) != 1)
        return {};
    char* text = nullptr;
    auto const size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

std::string hmac_of(std::string_view secret, std::string_view text)
{
    std::array<unsigned char, 32> out{};
    unsigned size = 0;
    if (HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), bytes_of(text), text.size(), out.data(),
             &size) == nullptr)
        return {};
    return {reinterpret_cast<char const*>(out.data()), size};
}

// r and s side by side, as they travel; OpenSSL gives DER.
std::string side_by_side(std::string const& der)
{
    auto const* at = bytes_of(std::string_view{der});
    owned<ECDSA_SIG> const parts{d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()))};
    std::string out(std::size_t{2} * p256_bytes, '\0');
    if (!parts || BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), bytes_of(out), p256_bytes) != p256_bytes ||
        BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), bytes_of(out) + p256_bytes, p256_bytes) != p256_bytes)
        return {};
    return out;
}

std::string signature_of(jwt_algorithm algorithm, EVP_PKEY* key, std::string_view text)
{
    owned<EVP_MD_CTX> const context{EVP_MD_CTX_new()};
    auto const* const digest = algorithm == jwt_algorithm::eddsa ? nullptr : EVP_sha256();
    std::size_t size = 0;
    if (!context || EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key) != 1 ||
        EVP_DigestSign(context.get(), nullptr, &size, bytes_of(text), text.size()) != 1)
        return {};
    std::string out(size, '\0');
    if (EVP_DigestSign(context.get(), bytes_of(out), &size, bytes_of(text), text.size()) != 1)
        return {};
    out.resize(size);
    return algorithm == jwt_algorithm::es256 ? side_by_side(out) : out;
}

}  // namespace

std::string base64url_encoded(std::string_view bytes)
{
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string out;
    std::uint32_t bits = 0;
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

std::string public_pem(std::string_view pem)
{
    auto const key = private_key_of(pem);
    return key ? public_part_of(key.get()) : std::string{pem};
}

std::optional<std::string> sign_token(jwt_algorithm algorithm, std::string_view key, std::string_view header,
                                      std::string_view claims, std::string& problem)
{
    auto const text = base64url_encoded(header) + "." + base64url_encoded(claims);
    std::string signature;
    if (algorithm == jwt_algorithm::hs256) {
        if (!jwt_key_set::from_secret(key, problem))
            return std::nullopt;
        if (key.ends_with('\n'))  // as it is read for checking
            key.remove_suffix(key.ends_with("\r\n") ? 2 : 1);
        signature = hmac_of(key, text);
    } else {
        auto const owner = private_key_of(key);
        if (!owner) {
            problem = "is no private key in PEM, or is locked with a passphrase";
            return std::nullopt;
        }
        if (!jwt_key_set::from_pem(algorithm, public_part_of(owner.get()), problem))
            return std::nullopt;
        signature = signature_of(algorithm, owner.get(), text);
    }
    ERR_clear_error();
    if (signature.empty()) {
        problem = "could not sign";
        return std::nullopt;
    }
    return text + "." + base64url_encoded(signature);
}

}  // namespace fulmar::auth
