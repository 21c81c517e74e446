#include "frontends/pusher/channel_auth.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <array>

namespace fulmar::pusher {

namespace {

constexpr std::size_t hex_size = 64;  // of a SHA-256

using digest = std::array<unsigned char, EVP_MAX_MD_SIZE>;

// HMAC-SHA256 under the secret that was used last: looking the algorithm up takes longer than the digest of a short text,
// and two of its blocks depend on the secret alone.
//
// Owner: the thread.
class keyed_hash
{
public:
    keyed_hash()
    {
        auto* const algorithm = ::EVP_MAC_fetch(nullptr, "HMAC", nullptr);
        context_ = algorithm == nullptr ? nullptr : ::EVP_MAC_CTX_new(algorithm);
        ::EVP_MAC_free(algorithm);
    }
    ~keyed_hash() { ::EVP_MAC_CTX_free(context_); }
    keyed_hash(keyed_hash const&) = delete;
    keyed_hash& operator=(keyed_hash const&) = delete;

    // The size of what is in `out`; 0: OpenSSL cannot.
    [[nodiscard]] std::size_t of(std::string_view secret, std::string_view text, digest& out)
    {
        std::size_t size = 0;
        auto const* const bytes = reinterpret_cast<unsigned char const*>(text.data());
        if (context_ != nullptr && take_key(secret) && ::EVP_MAC_update(context_, bytes, text.size()) == 1 &&
            ::EVP_MAC_final(context_, out.data(), &size, out.size()) == 1)
            return size;
        keyed_ = false;
        return 0;
    }

private:
    [[nodiscard]] bool take_key(std::string_view secret)
    {
        if (keyed_ && equal_in_constant_time(secret, secret_))
            return ::EVP_MAC_init(context_, nullptr, 0, nullptr) == 1;
        std::array<char, 7> name{"SHA256"};
        std::array<OSSL_PARAM, 2> const parameters{
            ::OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0), ::OSSL_PARAM_construct_end()};
        secret_ = secret;
        keyed_ = ::EVP_MAC_init(context_, reinterpret_cast<unsigned char const*>(secret_.data()), secret_.size(),
                                parameters.data()) == 1;
        return keyed_;
    }

    EVP_MAC_CTX* context_ = nullptr;
    std::string secret_;
    bool keyed_ = false;
};

}  // namespace

std::string sign(std::string_view secret, std::string_view text)
{
    thread_local keyed_hash hash;
    digest mac{};
    auto const size = hash.of(secret, text, mac);
    constexpr std::string_view digits = "0123456789abcdef";
    std::string hex;
    hex.reserve(hex_size);
    for (std::size_t i = 0; i < size; ++i) {
        hex += digits[mac[i] >> 4U];
        hex += digits[mac[i] & 15U];
    }
    return hex;
}

std::string subscription_text(std::string_view socket_id, std::string_view channel,
                              std::optional<std::string_view> channel_data)
{
    auto text = std::string{socket_id}.append(1, ':').append(channel);
    if (channel_data)
        text.append(1, ':').append(*channel_data);
    return text;
}

std::string signin_text(std::string_view socket_id, std::string_view user_data)
{
    return std::string{socket_id}.append("::user::").append(user_data);
}

auth_outcome verify(broker::app const& app, std::string_view auth, std::string_view text)
{
    auto const colon = auth.find(':');
    if (colon == std::string_view::npos || colon == 0)
        return auth_outcome::malformed;
    auto const* const key = app.find_key(auth.substr(0, colon));
    if (key == nullptr)
        return auth_outcome::unknown_key;
    return equal_in_constant_time(auth.substr(colon + 1), sign(key->secret, text)) ? auth_outcome::granted
                                                                                   : auth_outcome::mismatch;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept
{
    return !a.empty() && a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace fulmar::pusher
