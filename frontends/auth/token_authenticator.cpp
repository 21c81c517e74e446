#include "frontends/auth/token_authenticator.hpp"

#include "broker/granted_permissions.hpp"
#include "broker/log.hpp"
#include "broker/text_file.hpp"

#include <stdexcept>
#include <utility>

namespace fulmar::auth {

namespace {

constexpr std::string_view user_prefix = "jwt:";

broker::error_code bad_credentials() { return make_error_code(broker::errc::bad_credentials); }

std::string session_name(std::string_view user, std::string_view client_id)
{
    return std::string{user}.append(1, '\0').append(client_id);
}

}  // namespace

class token_authenticator::token_permissions final : public broker::granted_permissions
{
public:
    explicit token_permissions(jwt_claims&& claims)
        : granted_permissions{std::move(claims.publish), std::move(claims.subscribe)},
          expires_at{claims.expires_at},
          key_name{std::move(claims.key_name)}
    {
    }

    broker::wall_ms const expires_at;
    std::string const key_name;
};

token_authenticator::token_authenticator(broker::authenticator& users, broker::jwt_settings settings,
                                         broker::clock const& clock, app_finder find_app)
    : users_{users}, settings_{std::move(settings)}, clock_{clock}, find_app_{std::move(find_app)}
{
    if (settings_.algorithm.empty())
        return;
    auto const algorithm = parse_algorithm(settings_.algorithm);
    if (!algorithm)
        throw std::runtime_error("jwt.algorithm: '" + settings_.algorithm + "' is not supported");
    rules_ = {*algorithm, settings_.issuer, settings_.audience, static_cast<std::uint64_t>(settings_.leeway.count())};
    if (!settings_.jwks_url.empty())
        return;
    std::string problem;
    keys_ = read(problem);
    if (!keys_)
        throw std::runtime_error(problem);
}

std::shared_ptr<jwt_key_set const> token_authenticator::read(std::string& problem) const
{
    auto const& file = settings_.jwks_file.empty() ? settings_.key_file : settings_.jwks_file;
    auto const text = broker::read_text_file(file, key_file_bytes_max);
    if (!text) {
        problem = file + ": cannot be read: " + text.error().message();
        return nullptr;
    }
    std::string what;
    auto keys = !settings_.jwks_file.empty()               ? jwt_key_set::from_jwks(rules_.algorithm, *text, what)
                : rules_.algorithm == jwt_algorithm::hs256 ? jwt_key_set::from_secret(*text, what)
                                                           : jwt_key_set::from_pem(rules_.algorithm, *text, what);
    if (!keys)
        problem = file + ": " + what;
    return keys;
}

std::shared_ptr<jwt_key_set const> token_authenticator::current() const
{
    std::lock_guard const lock{mutex_};
    return keys_;
}

std::optional<std::string> token_authenticator::reload()
{
    if (settings_.algorithm.empty())
        return std::nullopt;
    if (!settings_.jwks_url.empty()) {
        if (ask_for_keys_)
            ask_for_keys_();
        return std::nullopt;
    }
    std::string problem;
    auto fresh = read(problem);
    if (!fresh)
        return problem;
    put_in_force(std::move(fresh));
    return std::nullopt;
}

std::optional<std::string> token_authenticator::take_keys(std::string_view jwks)
{
    std::string problem;
    auto fresh = jwt_key_set::from_jwks(rules_.algorithm, jwks, problem);
    if (!fresh)
        return problem;
    put_in_force(std::move(fresh));
    return std::nullopt;
}

std::size_t token_authenticator::key_count() const
{
    auto const keys = current();
    return keys ? keys->size() : 0;
}

void token_authenticator::put_in_force(std::shared_ptr<jwt_key_set const> fresh)
{
    std::lock_guard const lock{mutex_};
    auto const before = std::exchange(keys_, std::move(fresh));
    // Shards may be waiting: the sessions are looked through only if some can have lost their key.
    if (!before || keys_->holds_all(*before))
        return;
    for (auto const& [name, known] : sessions_)
        if (auto const allowed = known.allowed.lock(); allowed && !keys_->holds(allowed->key_name))
            ended_.push_back(known.whose);
}

void token_authenticator::authenticate(broker::credentials const& who, boost::asio::io_context& home,
                                       broker::authenticated done)
{
    if (who.token)
        return done(admit(*who.token, who));
    if (who.password && !settings_.algorithm.empty() && looks_like_token(*who.password))
        return done(admit(*who.password, who));
    users_.authenticate(who, home, std::move(done));
}

jwt_verdict token_authenticator::judge(std::string_view token, jwt_key_set const& keys, broker::credentials const& who,
                                       std::optional<broker::app_id>& app) const
{
    auto verdict = check_token(token, keys, rules_, clock_.wall());
    app = verdict.claims ? find_app_(verdict.claims->app) : std::nullopt;
    if (verdict.claims && !app)
        verdict = {std::nullopt, "the token's app is not known"};
    if (verdict.claims && who.password) {
        auto const& subject = verdict.claims->subject;
        auto const name = who.user.value_or("");
        if (subject.empty() || (!name.empty() && name != "jwt" && name != subject))
            verdict = {std::nullopt, "the user name is not the token's subject"};
    }
    return verdict;
}

broker::result<broker::identity> token_authenticator::admit(std::string_view token, broker::credentials const& who)
{
    auto const keys = current();
    auto const awaited = !keys && !settings_.jwks_url.empty();
    std::optional<broker::app_id> app;
    auto verdict = keys      ? judge(token, *keys, who, app)
                   : awaited ? jwt_verdict{std::nullopt, "the keys of jwt.jwks_url have not been fetched yet"}
                             : jwt_verdict{std::nullopt, "no token is accepted: jwt.algorithm is not set"};
    if (!verdict.claims) {
        refused_.fetch_add(1, std::memory_order_relaxed);
        broker::log_debug("token refused", {{"peer", who.peer_address}, {"reason", verdict.problem}});
        if ((awaited || verdict.unknown_key) && ask_for_keys_)
            ask_for_keys_();
        return awaited ? make_error_code(broker::errc::authentication_unavailable) : bad_credentials();
    }
    accepted_.fetch_add(1, std::memory_order_relaxed);
    broker::identity out;
    out.app = *app;
    out.user = std::string{user_prefix} + verdict.claims->subject;
    out.expires_at = verdict.claims->expires_at;
    out.administrator = verdict.claims->administrator;
    auto const allowed = std::make_shared<token_permissions const>(std::move(*verdict.claims));
    if (who.password)
        remember(out, who.client_id, allowed);
    out.allowed = allowed;
    return out;
}

void token_authenticator::remember(broker::identity const& who, std::string_view client_id,
                                   std::shared_ptr<token_permissions const> const& allowed)
{
    auto name = session_name(who.user, client_id);
    std::lock_guard const lock{mutex_};
    if (sessions_.size() >= sessions_sweep_at_ || expiries_.size() >= 4 * sessions_sweep_at_)
        sweep();
    if (!keys_->holds(allowed->key_name))  // withdrawn since the token was checked
        ended_.push_back({who.app, std::string{client_id}});
    sessions_[name] = {{who.app, std::string{client_id}}, allowed};
    expiries_.emplace(allowed->expires_at, std::move(name));
}

// Forgets what no session holds any more.
void token_authenticator::sweep()
{
    std::erase_if(sessions_, [](auto const& entry) { return entry.second.allowed.expired(); });
    sessions_sweep_at_ = std::max(tokens_kept_min, 2 * sessions_.size());
    expiries_.clear();
    for (auto const& [name, known] : sessions_)
        if (auto const alive = known.allowed.lock())
            expiries_.emplace(alive->expires_at, name);
}

std::unique_ptr<broker::enhanced_exchange> token_authenticator::begin(std::string_view method,
                                                                      std::string_view client_id)
{
    return users_.begin(method, client_id);
}

std::shared_ptr<broker::permissions const> token_authenticator::current_permissions(std::string_view user,
                                                                                    std::string_view client_id)
{
    if (!user.starts_with(user_prefix))
        return users_.current_permissions(user, client_id);
    std::lock_guard const lock{mutex_};
    auto const found = sessions_.find(session_name(user, client_id));
    auto allowed = found == sessions_.end() ? nullptr : found->second.allowed.lock();
    if (!allowed || !keys_ || allowed->expires_at <= clock_.wall() || !keys_->holds(allowed->key_name))
        return nullptr;
    return allowed;
}

std::vector<token_authenticator::ended_session> token_authenticator::take_ended()
{
    auto const now = clock_.wall();
    std::lock_guard const lock{mutex_};
    auto out = std::exchange(ended_, {});
    auto const due = expiries_.upper_bound(now);
    for (auto at = expiries_.begin(); at != due; ++at) {
        auto const found = sessions_.find(at->second);
        auto const allowed = found == sessions_.end() ? nullptr : found->second.allowed.lock();
        if (allowed && allowed->expires_at <= now)  // else it came back with another token
            out.push_back(found->second.whose);
    }
    expiries_.erase(expiries_.begin(), due);
    return out;
}

}  // namespace fulmar::auth
