#include "frontends/auth/password_hash.hpp"

#include <algorithm>
#include <charconv>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

namespace fulmar::auth {
namespace {

constexpr std::string_view scheme = "SCRAM-SHA-256$";

unsigned char const* raw(std::string_view bytes) noexcept
{
    return reinterpret_cast<unsigned char const*>(bytes.data());
}

broker::error_code malformed() { return make_error_code(broker::errc::bad_credentials); }

// PBKDF2's result, wiped when it goes.
struct salted_password
{
    digest value{};
    salted_password() = default;
    salted_password(salted_password const&) = delete;
    salted_password& operator=(salted_password const&) = delete;
    ~salted_password() { OPENSSL_cleanse(value.data(), value.size()); }
};

bool derive(std::string_view password, std::string_view salt, std::uint32_t iterations, digest& out)
{
    // OpenSSL reads a null password as "none" even when its length is zero.
    auto const* const text = password.empty() ? "" : password.data();
    return PKCS5_PBKDF2_HMAC(text, static_cast<int>(password.size()), raw(salt), static_cast<int>(salt.size()),
                             static_cast<int>(iterations), EVP_sha256(), static_cast<int>(out.size()), out.data()) == 1;
}

bool to_digest(broker::result<std::string> const& bytes, digest& out)
{
    if (!bytes || bytes->size() != out.size())
        return false;
    std::copy(bytes->begin(), bytes->end(), out.begin());
    return true;
}

}  // namespace

std::string password_hash::text() const
{
    return std::string{scheme} + std::to_string(iterations) + ":" + to_base64(salt) + "$" +
           to_base64(as_text(stored_key)) + ":" + to_base64(as_text(server_key));
}

broker::result<password_hash> make_password_hash(std::string_view password, std::uint32_t iterations)
{
    auto const salt = random_bytes(salt_bytes);
    if (!salt)
        return salt.error();
    return derive_password_hash(password, *salt, iterations);
}

broker::result<password_hash> derive_password_hash(std::string_view password, std::string_view salt,
                                                   std::uint32_t iterations)
{
    salted_password salted;
    if (password.size() > 64 * 1024 || salt.empty() || salt.size() > salt_bytes_max || iterations < iterations_min ||
        iterations > iterations_max || !derive(password, salt, iterations, salted.value))
        return malformed();
    password_hash hash;
    hash.iterations = iterations;
    hash.salt = salt;
    hash.stored_key = sha256(as_text(hmac_sha256(as_text(salted.value), "Client Key")));
    hash.server_key = hmac_sha256(as_text(salted.value), "Server Key");
    return hash;
}

broker::result<password_hash> parse_password_hash(std::string_view text)
{
    if (!text.starts_with(scheme))
        return malformed();
    text.remove_prefix(scheme.size());
    auto const colon = text.find(':');
    auto const dollar = text.find('$');
    auto const last = text.rfind(':');
    if (colon == std::string_view::npos || dollar == std::string_view::npos || colon > dollar || last < dollar)
        return malformed();
    password_hash hash;
    auto const [end, error] = std::from_chars(text.data(), text.data() + colon, hash.iterations);
    if (error != std::errc{} || end != text.data() + colon || hash.iterations < iterations_min ||
        hash.iterations > iterations_max)
        return malformed();
    auto salt = from_base64(text.substr(colon + 1, dollar - colon - 1));
    if (!salt || salt->empty() || salt->size() > salt_bytes_max)
        return malformed();
    hash.salt = std::move(*salt);
    if (!to_digest(from_base64(text.substr(dollar + 1, last - dollar - 1)), hash.stored_key) ||
        !to_digest(from_base64(text.substr(last + 1)), hash.server_key))
        return malformed();
    return hash;
}

bool matches(password_hash const& hash, std::string_view password)
{
    auto const derived = derive_password_hash(password, hash.salt, hash.iterations);
    return derived && equal_in_constant_time(as_text(derived->stored_key), as_text(hash.stored_key));
}

digest hmac_sha256(std::string_view key, std::string_view message)
{
    digest out{};
    unsigned size = 0;
    auto const* const done = HMAC(EVP_sha256(), key.empty() ? "" : key.data(), static_cast<int>(key.size()),
                                  raw(message), message.size(), out.data(), &size);
    FULMAR_ASSERT(done != nullptr && size == out.size());
    return out;
}

digest sha256(std::string_view bytes)
{
    digest out{};
    unsigned size = 0;
    FULMAR_ASSERT(EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, EVP_sha256(), nullptr) == 1);
    return out;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept
{
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

broker::result<std::string> random_bytes(std::size_t count)
{
    std::string out(count, '\0');
    if (RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(count)) != 1)
        return make_error_code(broker::errc::authentication_unavailable);
    return out;
}

std::string to_base64(std::string_view bytes)
{
    std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    auto const size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), raw(bytes), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

broker::result<std::string> from_base64(std::string_view text)
{
    auto const padding = text.ends_with("==") ? 2U : text.ends_with("=") ? 1U : 0U;
    if (text.size() % 4 != 0 || text.size() > 4096 ||
        text.substr(0, text.size() - padding).find('=') != std::string_view::npos)
        return malformed();
    std::string out(text.size() / 4 * 3 + 1, '\0');
    auto const size =
        EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), raw(text), static_cast<int>(text.size()));
    if (size < 0 || static_cast<std::size_t>(size) < padding)
        return malformed();
    out.resize(static_cast<std::size_t>(size) - padding);
    if (to_base64(out) != text)  // one spelling only: no blanks, no stray bits
        return malformed();
    return out;
}

}  // namespace fulmar::auth
