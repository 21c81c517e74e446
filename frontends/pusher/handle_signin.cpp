// Signing a user in, and telling him who of his watchlist is online.
#include "broker/shard.hpp"
#include "frontends/pusher/channel_auth.hpp"
#include "frontends/pusher/channel_name.hpp"
#include "frontends/pusher/channel_shard.hpp"
#include "frontends/pusher/event.hpp"
#include "frontends/pusher/home_users.hpp"
#include "frontends/pusher/protocol.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace fulmar::pusher {

namespace {

constexpr unsigned watchlist_limit_code = 4302;

}  // namespace

void protocol::on_signin(client_command const& command)
{
    auto const apps = shard_.apps();
    auto const* const app = apps->find(app_);
    if (app == nullptr)
        return close(close_reason::app_unknown, "The app does not exist any more");
    auto const fail = [this](std::string_view why) {
        shard_.metrics().signins_refused.add();
        send_error(why, static_cast<unsigned>(close_reason::unauthorized));
    };
    if (verify(*app, command.auth, signin_text(to_socket_id(id_), command.user_data)) != auth_outcome::granted)
        return fail("Invalid signature of the sign-in");
    auto who = decode_user_data(command.user_data, app->limits.watchlist);
    if (!who || !valid_user_id(who->id, app->limits.user_id_bytes))
        return fail(
            "user_data must be a JSON object with an id of letters, digits and _-=@,.; and a list of ids as "
            "watchlist, if any");
    if (who->info_json.size() > app->limits.presence_user_info_bytes)
        return fail("user_info is too large");
    if (user_ && user_->id != who->id)
        return fail("This connection is signed in as another user");
    shard_.metrics().signins.add();
    authorize_by_ = 0;
    auto const first = user_ == nullptr;
    if (first) {
        user_ = std::make_unique<signed_in_user>();
        user_->id = who->id;
        user_->info_json = who->info_json;
        user_->watchlist = std::move(who->watchlist);
        auto& all = shard_.directory();
        all.run_at(
            shard_.home(), all.home_of(app_, user_->id),
            [app = app_, id = id_, user = user_->id](channel_shard& there) { there.users().sign_in(app, user, id); });
    }
    send(signin_success(command.user_data));
    if (who->watchlist_cut)
        send_error(
            "The watchlist is longer than " + std::to_string(app->limits.watchlist) + ": the rest is not watched",
            watchlist_limit_code);
    if (first && user_ && !user_->watchlist.empty())
        watch();
}

// Asks the homes of all watched users; from their answers on they tell of changes.
void protocol::watch()
{
    auto& all = shard_.directory();
    std::map<broker::shard_id, std::vector<std::string>> homes;
    for (auto const& user : user_->watchlist)
        homes[all.home_of(app_, user)].push_back(user);
    user_->watch_answers_missing = homes.size();
    for (auto& [home, users] : homes) {
        all.run_at(shard_.home(), home, [&all, app = app_, id = id_, asked = std::move(users)](channel_shard& there) {
            std::vector<std::pair<std::string, bool>> online;
            for (auto const& user : asked)
                online.emplace_back(user, there.users().watch(app, user, id));
            all.run_at(there.home(), shard_of(id), [id, online](channel_shard& back) {
                if (auto* const client = back.find(id))
                    client->on_watching(online);
            });
        });
        if (!user_)
            return;
    }
}

void protocol::on_watching(std::vector<std::pair<std::string, bool>> const& online)
{
    if (!user_ || user_->watch_answers_missing == 0)
        return;
    user_->watched.insert(user_->watched.end(), online.begin(), online.end());
    if (--user_->watch_answers_missing != 0)
        return;
    std::vector<std::string> here;
    std::vector<std::string> away;
    for (auto& [user, is_online] : std::exchange(user_->watched, {}))
        (is_online ? here : away).push_back(std::move(user));
    send(watchlist_events(here, away));
}

void protocol::on_watched(std::string const& user, bool online, std::string const& event)
{
    if (!user_)
        return;
    if (user_->watch_answers_missing == 0)
        return send(event);
    // The list as a whole has not been told yet: it will say so.
    for (auto& [known, state] : user_->watched)
        if (known == user)
            state = online;
}

void protocol::forget_user()
{
    auto const gone = std::exchange(user_, nullptr);
    if (!gone)
        return;
    auto& all = shard_.directory();
    std::map<broker::shard_id, std::vector<std::string>> homes;
    for (auto& user : gone->watchlist)
        homes[all.home_of(app_, user)].push_back(std::move(user));
    for (auto& [home, users] : homes)
        all.run_at(shard_.home(), home, [app = app_, id = id_, watched = std::move(users)](channel_shard& there) {
            for (auto const& user : watched)
                there.users().unwatch(app, user, id);
        });
    all.run_at(
        shard_.home(), all.home_of(app_, gone->id),
        [app = app_, id = id_, user = gone->id](channel_shard& there) { there.users().sign_out(app, user, id); });
}

}  // namespace fulmar::pusher
