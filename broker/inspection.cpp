#include "broker/inspection.hpp"

#include "broker/session.hpp"
#include "broker/session_table.hpp"
#include "broker/shard.hpp"

#include <algorithm>
#include <map>
#include <memory>

namespace fulmar::broker {

namespace {

constexpr std::size_t looked_at_max = 200'000;  // per shard and question

// Of rows, and of a client id with a row.
struct by_client_id
{
    [[nodiscard]] bool operator()(session_row const& a, session_row const& b) const
    {
        return a.client_id < b.client_id;
    }
    [[nodiscard]] bool operator()(std::string_view a, session_row const& b) const { return a < b.client_id; }
};

[[nodiscard]] std::vector<session_row> sessions_of(shard& there, session_query const& wanted)
{
    std::vector<session_row> out;
    std::size_t looked_at = 0;
    there.sessions().for_each([&](app_id app, session const& s) {
        auto const id = s.client_id();
        auto const listed = app == wanted.app && id.starts_with(wanted.prefix) && id > wanted.after &&
                            (!wanted.connected || s.connected() == *wanted.connected) &&
                            (wanted.user.empty() || s.user() == wanted.user);
        if (listed && fits_page(out, id, wanted.limit, by_client_id{}))
            keep_for_page(out, {std::string{id}, std::string{s.user()}, s.connected(), there.id(), s.facts()},
                          wanted.limit, by_client_id{});
        return ++looked_at < looked_at_max;
    });
    return out;
}

}  // namespace

void on_each_shard(shard& here, std::function<void(shard&)> work, std::function<void()> done)
{
    auto const count = here.node().shards.size();
    auto const missing = std::make_shared<std::size_t>(count);  // touched on this shard only
    for (std::size_t to = 0; to < count; ++to)
        here.send(static_cast<shard_id>(to), [work, done, missing, me = here.id()](shard& there) {
            work(there);
            there.send(me, [done, missing](shard&) {
                if (--*missing == 0)
                    done();
            });
        });
}

void list_topics(shard& here, listing const& wanted, std::function<void(listed<router::listed_filter>)> done)
{
    auto const found = std::make_shared<std::vector<std::vector<router::listed_filter>>>(here.node().shards.size());
    auto work = [found, wanted](shard& there) {
        (*found)[there.id()] =
            there.routes().list_filters(wanted.app, wanted.prefix, wanted.after, wanted.limit + 1, looked_at_max);
    };
    on_each_shard(here, std::move(work), [found, limit = wanted.limit, done = std::move(done)] {
        std::map<std::string, std::size_t> all;
        for (auto const& of_shard : *found)
            for (auto const& each : of_shard)
                all[each.filter] += each.subscribers;
        listed<router::listed_filter> out;
        for (auto const& [filter, subscribers] : all) {
            if (out.rows.size() == limit)
                break;
            out.rows.push_back({filter, subscribers});
        }
        out.more = all.size() > out.rows.size();
        done(std::move(out));
    });
}

void list_sessions(shard& here, session_query const& wanted, std::function<void(listed<session_row>)> done)
{
    auto const found = std::make_shared<std::vector<std::vector<session_row>>>(here.node().shards.size());
    auto work = [found, wanted](shard& there) { (*found)[there.id()] = sessions_of(there, wanted); };
    on_each_shard(here, std::move(work), [found, limit = wanted.limit, done = std::move(done)] {
        done(page_of(std::move(*found), limit, by_client_id{}));
    });
}

void find_session(shard& here, app_id app, std::string const& client_id, bool connected_only,
                  std::function<void(std::optional<session_row>)> done)
{
    auto const found = std::make_shared<std::vector<std::optional<session_row>>>(here.node().shards.size());
    auto work = [found, client_id, app, connected_only](shard& there) {
        auto const* const s = there.sessions().find(app, client_id);
        if (s == nullptr || (connected_only && !s->connected()))
            return;
        session_row row{client_id, std::string{s->user()}, s->connected(), there.id(), s->facts()};
        s->for_each_subscription([&row](subscription const& one) {
            row.subscriptions.emplace_back(one.filter, one.options.level);
            return row.subscriptions.size() < listed_max;
        });
        (*found)[there.id()] = std::move(row);
    };
    on_each_shard(here, std::move(work), [found, done = std::move(done)] {
        for (auto& row : *found)
            if (row)
                return done(std::move(row));
        done(std::nullopt);
    });
}

}  // namespace fulmar::broker
