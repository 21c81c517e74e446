#include "frontends/net/client_list.hpp"

#include "broker/shard.hpp"
#include "frontends/net/frontend.hpp"

#include <charconv>
#include <memory>
#include <numeric>

namespace fulmar::net {

namespace {

[[nodiscard]] bool comes_from(client_description const& what, network const& where)
{
    auto const ip = parse_ip(what.peer_address);
    return ip && where.contains(*ip);
}

[[nodiscard]] bool fits(client_description const& what, client_query const& wanted)
{
    return what.app == wanted.app && (wanted.protocol.empty() || what.protocol == wanted.protocol) &&
           (!wanted.user || what.user == *wanted.user) && (!wanted.peer || comes_from(what, *wanted.peer)) &&
           (wanted.client_id.empty() || what.client_id == wanted.client_id) &&
           what.client_id.starts_with(wanted.prefix);
}

[[nodiscard]] bool before(listed_client const& a, listed_client const& b) { return a.key < b.key; }

// Calls `use` for every client that fits.
template <class Use>
class fitting final : public client_visitor
{
public:
    fitting(broker::shard_id at, client_query const& wanted, Use use) : at_{at}, wanted_{wanted}, use_{std::move(use)}
    {
    }
    [[nodiscard]] bool on_client(std::uint64_t number, client_description&& what, protocol& talk) override
    {
        if (fits(what, wanted_))
            use_(listed_client{{at_, number}, std::move(what)}, talk);
        return ++looked_at_ < client_list::looked_at_max;
    }

private:
    broker::shard_id const at_;
    client_query const& wanted_;
    Use use_;
    std::size_t looked_at_ = 0;
};

}  // namespace

std::string to_text(client_key key) { return std::to_string(key.shard) + "-" + std::to_string(key.number); }

std::optional<client_key> read_client_key(std::string_view text) noexcept
{
    client_key key;
    auto const* const end = text.data() + text.size();
    auto const [dash, bad_shard] = std::from_chars(text.data(), end, key.shard);
    if (bad_shard != std::errc{} || dash == end || *dash != '-')
        return std::nullopt;
    auto const [rest, bad_number] = std::from_chars(dash + 1, end, key.number);
    return bad_number != std::errc{} || rest != end ? std::nullopt : std::optional{key};
}

void client_list::visit(broker::shard& there, client_visitor& visitor) const
{
    if (there.id() < shards_.size() && !shards_[there.id()]->visit_clients(visitor))
        return;
    for (auto const& clients : sources_)
        clients(there, visitor);
}

void client_list::list(broker::shard& here, client_query const& wanted,
                       std::function<void(broker::listed<listed_client>)> done) const
{
    auto const found = std::make_shared<std::vector<std::vector<listed_client>>>(here.node().shards.size());
    auto work = [this, found, wanted](broker::shard& there) {
        auto& mine = (*found)[there.id()];
        if (there.id() < wanted.after.shard)
            return;
        fitting visitor{there.id(), wanted, [&](listed_client&& one, protocol&) {
                            if (wanted.after < one.key && broker::fits_page(mine, one, wanted.limit, before))
                                broker::keep_for_page(mine, std::move(one), wanted.limit, before);
                        }};
        visit(there, visitor);
    };
    broker::on_each_shard(here, std::move(work), [found, limit = wanted.limit, done = std::move(done)] {
        done(broker::page_of(std::move(*found), limit, before));
    });
}

// Asks the one shard that can have it; `use` runs there, if it has.
void client_list::look_for(broker::shard& here, broker::app_id app, client_key key,
                           std::function<void(listed_client&&, protocol&)> use, std::function<void()> done) const
{
    if (key.shard >= here.node().shards.size())
        return done();
    auto work = [this, app, key, use = std::move(use), done = std::move(done), me = here.id()](broker::shard& there) {
        client_query wanted;
        wanted.app = app;
        std::optional<listed_client> found;
        protocol* talk = nullptr;  // does not go before the turn is over
        fitting visitor{there.id(), wanted, [&](listed_client&& one, protocol& its) {
                            if (one.key == key) {
                                found = std::move(one);
                                talk = &its;
                            }
                        }};
        visit(there, visitor);
        if (talk != nullptr)
            use(std::move(*found), *talk);
        there.send(me, [done](broker::shard&) { done(); });
    };
    here.send(key.shard, std::move(work));
}

void client_list::find(broker::shard& here, broker::app_id app, client_key key,
                       std::function<void(std::optional<listed_client>)> done) const
{
    auto const found = std::make_shared<std::optional<listed_client>>();
    look_for(
        here, app, key, [found](listed_client&& one, protocol&) { *found = std::move(one); },
        [found, done = std::move(done)] { done(std::move(*found)); });
}

void client_list::end(broker::shard& here, broker::app_id app, client_key key, std::function<void(bool)> done) const
{
    auto const found = std::make_shared<bool>(false);
    look_for(
        here, app, key,
        [found](listed_client&&, protocol& talk) {
            *found = true;
            talk.end_by_administrator();
        },
        [found, done = std::move(done)] { done(*found); });
}

void client_list::end(broker::shard& here, client_query const& wanted, std::function<void(std::size_t)> done) const
{
    auto const ended = std::make_shared<std::vector<std::size_t>>(here.node().shards.size());
    auto work = [this, ended, wanted](broker::shard& there) {
        std::vector<protocol*> talks;  // none goes before the turn is over
        fitting visitor{there.id(), wanted, [&](listed_client&&, protocol& talk) { talks.push_back(&talk); }};
        visit(there, visitor);
        for (auto* const talk : talks)
            talk->end_by_administrator();
        (*ended)[there.id()] = talks.size();
    };
    broker::on_each_shard(here, std::move(work), [ended, done = std::move(done)] {
        done(std::accumulate(ended->begin(), ended->end(), std::size_t{0}));
    });
}

}  // namespace fulmar::net
