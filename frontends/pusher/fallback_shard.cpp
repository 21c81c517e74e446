#include "frontends/pusher/fallback_shard.hpp"

#include "frontends/pusher/channel_shard.hpp"
#include "frontends/pusher/http_fallback.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace fulmar::pusher {

namespace {

constexpr std::chrono::milliseconds tick_period{100};
constexpr std::chrono::seconds look_period{1};

}  // namespace

fallback_shard::fallback_shard(http_fallback& all, broker::shard& home)
    : all_{all}, home_{home}, alive_{std::make_shared<fallback_shard*>(this)}, timer_{home.io()}
{
}

fallback_shard::~fallback_shard()
{
    *alive_ = nullptr;
    sessions_.clear();  // leaving channels, they touch each other
    home_.withdraw(*this);
}

pusher_metrics& fallback_shard::metrics() noexcept { return all_.shared().channels().at(home_).metrics(); }

// --- requests whose connection is here -----------------------------------------------------------------------------

receiver_id fallback_shard::add(entry waiting)
{
    requests_.emplace(++serials_, std::move(waiting));
    return {home_.id(), serials_};
}

receiver_id fallback_shard::add(std::string const& session, streaming_receiver& stream)
{
    return add(entry{session, &stream, {}});
}

receiver_id fallback_shard::add(std::string const& session, net::http_responder waiting)
{
    // Nobody says when the connection of a request that waits has ended.
    if (look_at_ == broker::steady_time::max())
        look_at_ = home_.now() + look_period;
    arm(look_at_);
    return add(entry{session, nullptr, std::move(waiting)});
}

bool fallback_shard::look_for_lost_polls()
{
    auto some_wait = false;
    std::vector<receiver_id> gone;
    for (auto const& [serial, request] : requests_) {
        if (!request.waiting)
            continue;
        some_wait = true;
        if (request.waiting->gone())
            gone.push_back({home_.id(), serial});
    }
    for (auto const& one : gone)
        lose(one);
    return some_wait;
}

void fallback_shard::takes_more(receiver_id which)
{
    auto const found = requests_.find(which.serial);
    if (found == requests_.end())
        return;
    all_.run_at(home_, all_.home_of(found->second.session),
                [session = found->second.session, which](fallback_shard& there) { there.ready(session, which); });
}

void fallback_shard::lose(receiver_id which)
{
    auto const found = requests_.find(which.serial);
    if (found == requests_.end())
        return;
    auto const gone = std::exchange(found->second, {});
    requests_.erase(found);
    all_.run_at(home_, all_.home_of(gone.session),
                [session = gone.session, which](fallback_shard& there) { there.lost(session, which); });
}

void fallback_shard::deliver(receiver_id to, std::string const& part, bool last)
{
    auto const found = requests_.find(to.serial);
    if (found == requests_.end())
        return;
    if (found->second.waiting) {
        if (found->second.waiting->gone())
            return lose(to);
        return answer(to, fallback_answer(200, part));
    }
    auto* const stream = found->second.stream;
    if (last)
        requests_.erase(found);
    if (stream->write(part, last) && !last)
        takes_more(to);
}

void fallback_shard::answer(receiver_id to, net::http_response response)
{
    auto const found = requests_.find(to.serial);
    if (found == requests_.end() || !found->second.waiting)
        return;
    auto const waiting = std::move(*found->second.waiting);
    requests_.erase(found);
    waiting.send(std::move(response));
}

// --- sessions whose home is here -----------------------------------------------------------------------------------

fallback_session* fallback_shard::find(std::string const& session) noexcept
{
    auto const found = sessions_.find(session);
    return found == sessions_.end() || found->second->ended() ? nullptr : found->second.get();
}

fallback_session* fallback_shard::create(std::string const& session, net::http_request const& request)
{
    if (auto const old = sessions_.find(session); old != sessions_.end())
        erase(*old->second);
    if (!all_.enter())
        return nullptr;
    auto& made = *sessions_.emplace(session, std::make_unique<fallback_session>(*this, session, request)).first->second;
    metrics().http_sessions.add();
    metrics().http_sessions_total.add();
    made.open(all_.shared(), request);
    return &made;
}

void fallback_shard::receive(std::string const& session, net::http_request const& request, receiver_id who,
                             receive_kind kind)
{
    auto* known = find(session);
    if (known != nullptr && known->origin() != request.joined("Origin"))
        return write(who, std::string{opened_frame} + closed_frame(4009, "This session is of another page"), true);
    if (known == nullptr)
        known = create(session, request);
    if (known == nullptr) {
        metrics().connections_refused.add();
        return write(who, std::string{opened_frame} + closed_frame(4100, "Over capacity"), true);
    }
    known->attach(who, kind);
}

fallback_shard::outcome fallback_shard::take(std::string const& session, std::string const& origin,
                                             std::vector<std::string> const& messages)
{
    auto* const known = find(session);
    if (known == nullptr)
        return outcome::unknown;
    if (known->origin() != origin)
        return outcome::foreign;
    return known->take(messages) ? outcome::taken : outcome::unknown;
}

void fallback_shard::ready(std::string const& session, receiver_id who)
{
    if (auto* const known = find(session))
        known->ready(who);
}

void fallback_shard::lost(std::string const& session, receiver_id who)
{
    if (auto* const known = find(session))
        known->lost(who);
}

void fallback_shard::erase(fallback_session& session)
{
    std::erase(touched_, &session);
    std::erase(deferred_, &session);
    metrics().http_sessions.subtract();
    all_.leave();
    sessions_.erase(std::string{session.name()});
}

// --- for those sessions ----------------------------------------------------------------------------------------------

void fallback_shard::write(receiver_id to, std::string part, bool last)
{
    auto const bytes = part.size();
    all_.run_at(
        home_, to.shard, [to, part = std::move(part), last](fallback_shard& there) { there.deliver(to, part, last); },
        bytes);
}

void fallback_shard::touch(fallback_session& session)
{
    touched_.push_back(&session);
    home_.at_turn_end(*this);
}

// What is written may let a session go on at once: then it is touched again.
void fallback_shard::on_turn_end()
{
    for (std::size_t i = 0; i < touched_.size(); ++i)
        touched_[i]->flush();
    touched_.clear();
}

void fallback_shard::defer(fallback_session& session)
{
    if (std::find(deferred_.begin(), deferred_.end(), &session) != deferred_.end())
        return;
    deferred_.push_back(&session);
    if (deferred_.size() > 1)
        return;
    boost::asio::post(home_.io(), [alive = alive_] {
        if (*alive != nullptr)
            (*alive)->run_deferred();
    });
}

void fallback_shard::run_deferred()
{
    for (auto* const session : std::exchange(deferred_, {})) {
        session->after_turn();
        if (session->ended())
            erase(*session);
    }
}

void fallback_shard::arm(broker::steady_time due)
{
    if (timer_due_ && *timer_due_ <= due)
        return;
    timer_due_ = due;
    timer_.expires_after(std::max<broker::steady_time::duration>(due - home_.now(), std::chrono::milliseconds{1}));
    timer_.async_wait([alive = alive_](broker::error_code error) {
        if (!error && *alive != nullptr)
            (*alive)->tick();
    });
}

void fallback_shard::tick()
{
    timer_due_.reset();
    auto const now = home_.now();
    if (now >= look_at_)
        look_at_ = look_for_lost_polls() ? now + look_period : broker::steady_time::max();
    auto next = look_at_;
    for (auto const& [name, session] : sessions_) {
        session->on_time(now);
        if (!session->ended())
            next = std::min(next, session->due());
    }
    if (next != broker::steady_time::max())
        arm(std::max(next, now + tick_period));
}

}  // namespace fulmar::pusher
