#include "frontends/auth/file_authenticator.hpp"

#include "broker/log.hpp"
#include "frontends/auth/scram.hpp"

#include <stdexcept>
#include <utility>

#include <openssl/crypto.h>
#include <boost/asio/post.hpp>

namespace fulmar::auth {
namespace {

constexpr std::string_view scram_method = "SCRAM-SHA-256";

broker::error_code bad_credentials() { return make_error_code(broker::errc::bad_credentials); }

std::string new_secret()
{
    auto bytes = random_bytes(32);
    if (!bytes)
        throw std::runtime_error("the system has no random numbers");
    return std::move(*bytes);
}

// A password on its way to the hashing thread, wiped when it is no longer needed.
class held_password
{
public:
    explicit held_password(std::string_view text) : text_{text} {}
    ~held_password() { OPENSSL_cleanse(text_.data(), text_.size()); }
    held_password(held_password const&) = delete;
    held_password& operator=(held_password const&) = delete;
    [[nodiscard]] std::string_view text() const noexcept { return text_; }

private:
    std::string text_;
};

void warn_if_readable(std::string const& path)
{
    if (!path.empty() && readable_by_others(path))
        broker::log_warning("others can read or change this file; run: chmod 600", {{"file", path}});
}

}  // namespace

file_authenticator_options options_from(broker::settings const& s)
{
    return {s.access.password_file, s.access.acl_file, broker::effective_anonymous(s),
            s.tls.client_certificates != broker::client_certificates::no};
}

file_authenticator::file_authenticator(file_authenticator_options options)
    : options_{std::move(options)},
      secret_{new_secret()},
      verified_{std::string{as_text(hmac_sha256(secret_, "verified"))}, verification_lifetime},
      pool_{options_.queue_max}
{
    std::string problem;
    snapshot_ = read(problem);
    if (!snapshot_)
        throw std::runtime_error(problem);
}

file_authenticator::~file_authenticator() = default;

std::shared_ptr<file_authenticator::snapshot const> file_authenticator::read(std::string& problem) const
{
    auto fresh = std::make_shared<snapshot>();
    if (!options_.password_file.empty() && !fresh->users.load(options_.password_file, problem))
        return nullptr;
    fresh->rules = options_.acl_file.empty() ? broker::access_rules::without_file()
                                             : broker::access_rules::load(options_.acl_file, problem);
    if (!fresh->rules)
        return nullptr;
    warn_if_readable(options_.password_file);
    return fresh;
}

std::shared_ptr<file_authenticator::snapshot const> file_authenticator::current() const
{
    std::lock_guard const lock{guard_};
    return snapshot_;
}

std::optional<std::string> file_authenticator::reload()
{
    std::string problem;
    auto fresh = read(problem);
    if (!fresh)
        return problem;
    {
        std::lock_guard const lock{guard_};
        snapshot_ = std::move(fresh);
    }
    verified_.clear();
    return std::nullopt;
}

broker::result<broker::identity> file_authenticator::admit(snapshot const& now, std::string_view user,
                                                           std::string_view client_id)
{
    auto allowed = now.rules->permissions_of(user, client_id);
    if (!allowed)
        return allowed.error();
    return broker::identity{broker::default_app, std::string{user}, std::move(*allowed)};
}

bool file_authenticator::anonymous_allowed(broker::credentials const& who) const noexcept
{
    return options_.anonymous == broker::anonymous_policy::everybody ||
           (options_.anonymous == broker::anonymous_policy::loopback && who.loopback);
}

broker::result<broker::identity> file_authenticator::without_password(snapshot const& now,
                                                                      broker::credentials const& who) const
{
    if (options_.certificates && !who.certificate_subject.empty()) {
        if (who.user && *who.user != who.certificate_subject)
            return bad_credentials();
        return admit(now, who.certificate_subject, who.client_id);
    }
    bool const named = who.user.has_value() && !options_.password_file.empty();
    if (named)
        return bad_credentials();  // a name that nothing proves
    return anonymous_allowed(who) ? admit(now, {}, who.client_id)
                                  : broker::result<broker::identity>{make_error_code(broker::errc::not_authorized)};
}

void file_authenticator::authenticate(broker::credentials const& who, boost::asio::io_context& home,
                                      broker::authenticated done)
{
    auto now = current();
    if (!who.password || options_.password_file.empty())
        return done(without_password(*now, who));
    if (!who.user || who.user->empty() || who.password->size() > 65'535)
        return done(bad_credentials());
    // The cache is asked only for users of this file, and emptied when it changes.
    if (now->users.find(*who.user) != nullptr &&
        verified_.contains(*who.user, *who.password, std::chrono::steady_clock::now()))
        return done(admit(*now, *who.user, who.client_id));
    verify_later(std::move(now), who, home, std::move(done));
}

void file_authenticator::verify_later(std::shared_ptr<snapshot const> now, broker::credentials const& who,
                                      boost::asio::io_context& home, broker::authenticated done)
{
    auto const password = std::make_shared<held_password>(*who.password);
    auto shared_done = std::make_shared<broker::authenticated>(std::move(done));
    auto task = [this, now = std::move(now), user = std::string{*who.user}, client_id = std::string{who.client_id},
                 password, &home, shared_done] {
        auto const* known = now->users.find(user);
        auto const hash = known != nullptr ? *known : imaginary(user);
        bool const right = matches(hash, password->text()) && known != nullptr;
        hashed_.fetch_add(1, std::memory_order_relaxed);
        // A reload may have come in between: what was right before it need not be right after it.
        bool const reloaded = current() != now;
        if (right && !reloaded)
            verified_.add(user, password->text(), std::chrono::steady_clock::now());
        auto answer = !right ? broker::result<broker::identity>{bad_credentials()}
                      : reloaded
                          ? broker::result<broker::identity>{make_error_code(broker::errc::authentication_unavailable)}
                          : admit(*now, user, client_id);
        boost::asio::post(home,
                          [shared_done, answer = std::move(answer)]() mutable { (*shared_done)(std::move(answer)); });
    };
    if (!pool_.submit(std::move(task)))
        (*shared_done)(make_error_code(broker::errc::authentication_unavailable));
}

password_hash file_authenticator::imaginary(std::string_view user) const
{
    password_hash hash;
    auto const seed = hmac_sha256(secret_, "salt " + std::string{user});
    hash.salt = as_text(seed).substr(0, salt_bytes);
    hash.stored_key = hmac_sha256(secret_, "stored " + std::string{user});
    hash.server_key = hmac_sha256(secret_, "server " + std::string{user});
    return hash;
}

std::unique_ptr<broker::enhanced_exchange> file_authenticator::begin(std::string_view method,
                                                                     std::string_view client_id)
{
    if (method != scram_method || options_.password_file.empty())
        return nullptr;
    auto nonce = random_bytes(18);
    if (!nonce)
        return nullptr;
    scram_directory directory;
    directory.find = [now = current()](std::string_view user) {
        auto const* hash = now->users.find(user);
        return hash != nullptr ? std::optional{*hash} : std::nullopt;
    };
    directory.imaginary = [this](std::string_view user) { return imaginary(user); };
    directory.admit = [this, id = std::string{client_id}](std::string_view user) {
        return admit(*current(), user, id);
    };
    return std::make_unique<scram_exchange>(std::move(directory), to_base64(*nonce));
}

std::shared_ptr<broker::permissions const> file_authenticator::current_permissions(std::string_view user,
                                                                                   std::string_view client_id)
{
    auto const now = current();
    bool const gone = !user.empty() && !options_.certificates && now->users.find(user) == nullptr;
    auto allowed = gone ? broker::result<std::shared_ptr<broker::permissions const>>{bad_credentials()}
                        : now->rules->permissions_of(user, client_id);
    return allowed ? std::move(*allowed) : broker::no_permissions();
}

std::uint64_t file_authenticator::hashed() const noexcept { return hashed_.load(std::memory_order_relaxed); }

}  // namespace fulmar::auth
