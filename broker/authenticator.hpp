// Port: who is this, and what may they do.
//
// Threads:  authenticate is called on a shard and completes on that shard (through the given poster). Verdicts are
//           immutable snapshots shared by all shards.
#pragma once

#include "broker/errors.hpp"
#include "broker/ids.hpp"

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace fulmar::broker {

// What one authenticated client may do. Immutable; replaced as a whole when the rules are reloaded.
class permissions
{
public:
    virtual ~permissions() = default;
    [[nodiscard]] virtual bool may_publish(std::string_view topic) const = 0;
    // May the whole filter be subscribed? (Deny rules narrower than the filter are applied by may_receive.)
    [[nodiscard]] virtual bool may_subscribe(std::string_view filter) const = 0;
    [[nodiscard]] virtual bool may_receive(std::string_view topic) const = 0;
    // True when may_receive is true for every topic: lets the hot path skip the question.
    [[nodiscard]] virtual bool receives_everything() const noexcept = 0;
};

struct identity
{
    app_id app = default_app;
    std::string user;  // empty: anonymous
    std::shared_ptr<permissions const> allowed;
    std::uint64_t expires_at = 0;  // wall clock in ms: when a token ends, and with it what was opened with it; 0: never
    bool administrator = false;    // may inspect and end what belongs to others
};

struct credentials
{
    std::string_view client_id;
    std::optional<std::string_view> user;
    std::optional<std::string_view> password;
    std::optional<std::string_view> token = {};  // of a protocol that has a place for one; MQTT puts it into `password`
    std::string_view certificate_subject;        // of a verified client certificate; empty: none
    std::string_view peer_address;               // "127.0.0.1"
    bool loopback = false;                       // the real peer, not what a PROXY header claims
};

using authenticated = std::function<void(result<identity>)>;

// One SCRAM-SHA-256 conversation (RFC 5802, RFC 7677), driven by AUTH packets.
class enhanced_exchange
{
public:
    virtual ~enhanced_exchange() = default;
    struct step
    {
        error_code error;
        std::string data;              // to send to the client
        std::optional<identity> done;  // engaged: authenticated
    };
    [[nodiscard]] virtual step next(std::string_view client_data) = 0;
};

class authenticator
{
public:
    virtual ~authenticator() = default;

    // Checks the credentials; `done` runs on `home` later, or at once if no hashing is needed. Fails with
    // errc::bad_credentials, errc::not_authorized or errc::authentication_unavailable (too many waiting: fail closed).
    virtual void authenticate(credentials const& who, boost::asio::io_context& home, authenticated done) = 0;

    // Begins enhanced authentication, or null if `method` is unknown.
    [[nodiscard]] virtual std::unique_ptr<enhanced_exchange> begin(std::string_view method,
                                                                   std::string_view client_id) = 0;

    // The permissions of an already known user under the rules in force now (after a reload).
    [[nodiscard]] virtual std::shared_ptr<permissions const> current_permissions(std::string_view user,
                                                                                 std::string_view client_id) = 0;
};

}  // namespace fulmar::broker
