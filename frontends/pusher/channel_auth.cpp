#include "frontends/pusher/channel_auth.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <array>

namespace fulmar::pusher {

namespace {

constexpr std::size_t hex_size = 64;  // of a SHA-256

}  // namespace

std::string sign(std::string_view secret, std::string_view text)
{
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned size = 0;
    ::HMAC(::EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
           reinterpret_cast<unsigned char const*>(text.data()), text.size(), mac.data(), &size);
    constexpr std::string_view digits = "0123456789abcdef";
    std::string hex;
    hex.reserve(hex_size);
    for (unsigned i = 0; i < size; ++i) {
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
    return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace fulmar::pusher
