// Tokens and key sets: whatever is signed with the right key is only accepted if its claims are in order, and nothing else.

#include "frontends/auth/jwt.hpp"

#include "tests/unit/frontends/auth/token_signer.hpp"

#include <cstdint>

namespace {

using namespace fulmar::auth;

constexpr std::string_view secret = "0123456789abcdef0123456789abcdef";
constexpr fulmar::broker::wall_ms now = 1'700'000'000'000;

jwt_key_set const& keys()
{
    static std::string problem;
    static auto const made = jwt_key_set::from_secret(secret, problem);
    return *made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    std::string_view const input{reinterpret_cast<char const*>(bytes), size};
    // As it comes: nobody can sign without the secret.
    if (check_token(input, keys(), {}, now).claims)
        __builtin_trap();
    // Signed, so that what lies behind the signature is reached, too.
    auto const line = std::min(input.find('\n'), input.size());
    auto const verdict = check_token(
        test::hs256(secret, input.substr(0, line), input.substr(std::min(line + 1, input.size()))), keys(), {}, now);
    if (verdict.claims && (verdict.claims->expires_at <= now || verdict.claims->subject.size() > 256))
        __builtin_trap();
    std::string problem;
    for (auto const algorithm :
         {jwt_algorithm::hs256, jwt_algorithm::rs256, jwt_algorithm::es256, jwt_algorithm::eddsa})
        (void)jwt_key_set::from_jwks(algorithm, input, problem = "");
    return 0;
}
