// One SCRAM-SHA-256 conversation, server side, without I/O and without hashing a password: the stored keys suffice.
//
// Spec:     RFC 5802 (messages, §5 and §7), RFC 7677 (SHA-256). No channel binding; no authorization identity but the
//           user's own; a user that does not exist is answered with a salt that stays the same, and fails at the proof.
// Owner:    file_authenticator hands it to the protocol, which owns it while a client authenticates.
// Threads:  one at a time; it shares nothing with other conversations.
// Limits:   scram_message_bytes_max per message; two messages per conversation.
#pragma once

#include "broker/authenticator.hpp"
#include "frontends/auth/password_hash.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace fulmar::auth {

inline constexpr std::size_t scram_message_bytes_max = 2048;

// What a conversation asks of whoever knows the users.
struct scram_directory
{
    // The hash of a user, or nothing.
    std::function<std::optional<password_hash>(std::string_view user)> find;
    // What an unknown user is answered with: the same for the same name, so that names cannot be probed.
    std::function<password_hash(std::string_view user)> imaginary;
    // The identity of a user who has proven the password; fails if the access rules refuse this client.
    std::function<broker::result<broker::identity>(std::string_view user)> admit;
};

class scram_exchange final : public broker::enhanced_exchange
{
public:
    // `nonce`: the server's part, printable without commas.
    scram_exchange(scram_directory directory, std::string nonce);

    [[nodiscard]] step next(std::string_view client_data) override;

private:
    enum class state : std::uint8_t { waits_for_first, waits_for_final, over };

    [[nodiscard]] step on_first(std::string_view message);
    [[nodiscard]] step on_final(std::string_view message);

    scram_directory directory_;
    std::string nonce_;
    state state_ = state::waits_for_first;
    std::string user_;
    std::string gs2_header_;
    std::string first_bare_;
    std::string server_first_;
    password_hash hash_;
    bool known_ = false;
};

}  // namespace fulmar::auth
