#include "frontends/auth/verification_cache.hpp"

#include <cstring>
#include <utility>

namespace fulmar::auth {

verification_cache::verification_cache(std::string key, std::chrono::seconds lifetime)
    : key_{std::move(key)}, lifetime_{lifetime}
{
}

std::size_t verification_cache::first_bytes::operator()(digest const& d) const noexcept
{
    std::size_t value = 0;
    std::memcpy(&value, d.data(), sizeof value);
    return value;
}

digest verification_cache::entry_of(std::string_view user, std::string_view password) const
{
    // A user name holds no NUL and the length is fixed by it, so no two pairs give one text.
    std::string both{user};
    both += '\0';
    both += password;
    return hmac_sha256(key_, both);
}

bool verification_cache::contains(std::string_view user, std::string_view password, time_point now)
{
    auto const entry = entry_of(user, password);
    std::lock_guard const lock{guard_};
    auto const found = expires_.find(entry);
    return found != expires_.end() && now < found->second;
}

void verification_cache::add(std::string_view user, std::string_view password, time_point now)
{
    auto const entry = entry_of(user, password);
    std::lock_guard const lock{guard_};
    if (expires_.size() >= verified_max)
        std::erase_if(expires_, [now](auto const& item) { return item.second <= now; });
    if (expires_.size() >= verified_max)
        expires_.clear();
    expires_[entry] = now + lifetime_;
}

void verification_cache::clear()
{
    std::lock_guard const lock{guard_};
    expires_.clear();
}

}  // namespace fulmar::auth
