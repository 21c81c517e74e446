#include "frontends/auth/scram.hpp"

#include <algorithm>
#include <utility>

namespace fulmar::auth {
namespace {

using step = broker::enhanced_exchange::step;

step refused(std::string_view why)
{
    return {make_error_code(broker::errc::bad_credentials), "e=" + std::string{why}, std::nullopt};
}

// Takes the attribute `name` ("n=...") from the front of `text`, with the comma behind it.
std::optional<std::string_view> take(std::string_view& text, char name)
{
    if (text.size() < 2 || text[0] != name || text[1] != '=')
        return std::nullopt;
    auto const comma = std::min(text.find(','), text.size());
    auto const value = text.substr(2, comma - 2);
    text.remove_prefix(std::min(comma + 1, text.size()));
    return value;
}

// "=2C" is a comma and "=3D" an equals sign; any other '=' is an error (RFC 5802 §5.1).
std::optional<std::string> decode_name(std::string_view text)
{
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '=') {
            out += text[i];
            continue;
        }
        auto const code = text.substr(i, 3);
        if (code != "=2C" && code != "=3D")
            return std::nullopt;
        out += code == "=2C" ? ',' : '=';
        i += 2;
    }
    return out.empty() ? std::nullopt : std::optional{out};
}

bool printable(std::string_view nonce)
{
    return !nonce.empty() &&
           std::ranges::all_of(nonce, [](unsigned char c) { return c > 0x20 && c < 0x7F && c != ','; });
}

// What stands before the first message's own attributes: binding flag and authorization identity.
struct gs2_header
{
    std::string text;           // with its trailing comma
    std::string_view identity;  // still encoded; empty: none
    std::string_view rest;
};

std::optional<gs2_header> take_gs2(std::string_view message, bool& wants_binding)
{
    auto const first = message.find(',');
    auto const second = first == std::string_view::npos ? first : message.find(',', first + 1);
    if (second == std::string_view::npos)
        return std::nullopt;
    auto const flag = message.substr(0, first);
    auto identity = message.substr(first + 1, second - first - 1);
    wants_binding = flag.starts_with("p=");
    if ((flag != "n" && flag != "y") || (!identity.empty() && !identity.starts_with("a=")))
        return std::nullopt;
    identity.remove_prefix(std::min<std::size_t>(2, identity.size()));
    return gs2_header{std::string{message.substr(0, second + 1)}, identity, message.substr(second + 1)};
}

// The proof is ClientKey XOR ClientSignature; whoever knows ClientKey knows what StoredKey is the hash of.
bool proves(std::string const& proof, password_hash const& hash, std::string_view exchanged)
{
    auto client_key = hmac_sha256(as_text(hash.stored_key), exchanged);
    for (std::size_t i = 0; i < client_key.size(); ++i)
        client_key[i] ^= static_cast<unsigned char>(proof[i]);
    return equal_in_constant_time(as_text(sha256(as_text(client_key))), as_text(hash.stored_key));
}

}  // namespace

scram_exchange::scram_exchange(scram_directory directory, std::string nonce)
    : directory_{std::move(directory)}, nonce_{std::move(nonce)}
{
}

step scram_exchange::next(std::string_view client_data)
{
    auto const now = std::exchange(state_, state::over);
    if (client_data.size() > scram_message_bytes_max || now == state::over)
        return refused("other-error");
    return now == state::waits_for_first ? on_first(client_data) : on_final(client_data);
}

step scram_exchange::on_first(std::string_view message)
{
    bool wants_binding = false;
    auto const gs2 = take_gs2(message, wants_binding);
    if (!gs2)
        return refused(wants_binding ? "channel-binding-not-supported" : "other-error");
    auto rest = gs2->rest;
    if (rest.starts_with("m="))
        return refused("extensions-not-supported");
    auto const name = take(rest, 'n');
    auto const user = name ? decode_name(*name) : std::nullopt;
    auto const client_nonce = take(rest, 'r');
    if (!user || !client_nonce || !printable(*client_nonce))
        return refused("invalid-username-encoding");
    if (!gs2->identity.empty() && decode_name(gs2->identity) != user)
        return refused("other-error");

    auto found = directory_.find(*user);
    known_ = found.has_value();
    hash_ = known_ ? std::move(*found) : directory_.imaginary(*user);
    user_ = *user;
    gs2_header_ = gs2->text;
    first_bare_ = gs2->rest;
    nonce_ = std::string{*client_nonce} + nonce_;
    server_first_ = "r=" + nonce_ + ",s=" + to_base64(hash_.salt) + ",i=" + std::to_string(hash_.iterations);
    state_ = state::waits_for_final;
    return {{}, server_first_, std::nullopt};
}

step scram_exchange::on_final(std::string_view message)
{
    auto const proof_at = message.rfind(",p=");
    if (proof_at == std::string_view::npos)
        return refused("other-error");
    auto const without_proof = message.substr(0, proof_at);
    auto rest = without_proof;
    auto const binding = take(rest, 'c');
    auto const nonce = take(rest, 'r');
    if (!binding || *binding != to_base64(gs2_header_))
        return refused("channel-bindings-dont-match");
    if (!nonce || !equal_in_constant_time(*nonce, nonce_))
        return refused("other-error");
    auto const proof = from_base64(message.substr(proof_at + 3));
    if (!proof || proof->size() != sizeof(digest))
        return refused("invalid-encoding");

    auto const exchanged = first_bare_ + "," + server_first_ + "," + std::string{without_proof};
    if (!proves(*proof, hash_, exchanged) || !known_)  // an unknown user costs the same
        return refused("invalid-proof");
    auto admitted = directory_.admit(user_);
    if (!admitted)
        return {admitted.error(), "e=other-error", std::nullopt};
    auto const signature = hmac_sha256(as_text(hash_.server_key), exchanged);
    return {{}, "v=" + to_base64(as_text(signature)), std::move(*admitted)};
}

}  // namespace fulmar::auth
