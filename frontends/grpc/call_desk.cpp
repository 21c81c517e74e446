#include "frontends/grpc/call_desk.hpp"

#include "frontends/grpc/grpc_connection.hpp"
#include "frontends/grpc/status.hpp"
#include "frontends/net/http_access.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace fulmar::grpc {

namespace {

constexpr std::chrono::seconds tick_period{1};

// Who calls is found out as for a request over HTTP.
[[nodiscard]] std::shared_ptr<net::http_request> request_of(call_opening const& opening, broker::shard& home)
{
    auto request = std::make_shared<net::http_request>();
    request->method = "POST";
    request->path = opening.method;
    request->headers.push_back({"Host", opening.authority});
    if (!opening.authorization.empty())
        request->headers.push_back({"Authorization", opening.authorization});
    if (opening.authorized_twice)
        request->headers.push_back({"Authorization", opening.authorization});
    request->from.address = opening.from.peer_address;
    request->from.port = opening.from.peer_port;
    request->from.loopback = opening.from.loopback;
    request->from.certificate_subject = opening.certificate_subject;
    request->from.over = opening.secure ? broker::transport::tls : broker::transport::tcp;
    request->home = &home;
    return request;
}

}  // namespace

call_desk::call_desk(broker::shard& home, call_surroundings const& around, order_taker& server)
    : home_{home}, around_{around}, server_{server}, alive_{std::make_shared<call_desk*>(this)}, ticker_{home.io()}
{
}

call_desk::~call_desk()
{
    *alive_ = nullptr;
    home_.withdraw(*this);
    for (auto& [id, open] : calls_)
        open->on_ended();
}

void call_desk::take(std::vector<call_event>&& events)
{
    for (auto& event : events) {
        if (event.what == call_event::kind::opened) {
            open(event.id, *event.opening);
            continue;
        }
        auto const found = calls_.find(event.id);
        if (found == calls_.end())
            continue;
        auto const held = found->second;
        switch (event.what) {
        case call_event::kind::message: held->on_message(std::move(event.bytes)); break;
        case call_event::kind::no_more: held->on_no_more(); break;
        case call_event::kind::written: held->on_written(); break;
        case call_event::kind::ended:
            calls_.erase(found);
            held->finished_ = true;
            held->on_ended();
            break;
        case call_event::kind::opened: break;
        }
    }
}

void call_desk::open(call_id id, call_opening const& opening)
{
    metrics_.opened.add();
    auto const all = methods();
    auto const found = std::find_if(all.begin(), all.end(), [&](method const& m) { return m.path == opening.method; });
    if (found == all.end())
        return refuse(id, status_code::unimplemented, "there is no method " + opening.method.substr(0, 200));
    if (home_.node().draining.load(std::memory_order_relaxed) && found->who != audience::everybody)
        return refuse(id, status_code::unavailable, make_error_code(broker::errc::shutting_down).message());
    auto made = found->make(*this, id);
    made->connection_ = opening.connection;
    calls_.emplace(id, made);
    arm_ticker();
    if (found->who == audience::everybody)
        return made->begin();
    identify(*found, made, opening);
}

void call_desk::identify(method const& what, std::shared_ptr<call> const& made, call_opening const& opening)
{
    auto const request = request_of(opening, home_);
    around_.access.identify(*request, [this, request, made, &what](broker::result<broker::identity> who) {
        if (made->finished())
            return;
        if (who)
            note_caller(made->connection_, *who);
        admit(what, *made, std::move(who));
    });
}

void call_desk::note_caller(connection_id from, broker::identity const& who)
{
    if (auto const found = connections_.find(from); found != connections_.end())
        found->second->is_used_by(who);
}

void call_desk::admit(method const& what, call& made, broker::result<broker::identity> who)
{
    if (!who)
        return who.error() == broker::errc::not_authorized
                   ? made.finish(status_code::unauthenticated, "credentials are needed here")
                   : made.finish(who.error());
    made.who = std::move(*who);
    if (what.who == audience::administrators && !made.who.administrator)
        return made.who.user.empty()
                   ? made.finish(status_code::unauthenticated,
                                 "an app's key and secret, or a token with \"admin\": true, is needed "
                                 "here")
                   : made.finish(status_code::permission_denied, "this is for administrators");
    made.begin();
}

void call_desk::refuse(call_id id, status_code code, std::string_view text)
{
    metrics_.failed.add();
    call_order what;
    what.id = id;
    what.code = code;
    what.text = text;
    order(std::move(what));
}

void call_desk::wind_up(status_code code, std::string_view text)
{
    for (auto const& each : open_calls())
        each->wind_up(code, text);
}

void call_desk::wind_up(connection_id which, status_code code, std::string_view text)
{
    for (auto const& each : open_calls())
        if (each->connection_ == which)
            each->wind_up(code, text);
}

// Held, because calls may end while they are asked.
std::vector<std::shared_ptr<call>> call_desk::open_calls() const
{
    std::vector<std::shared_ptr<call>> open;
    open.reserve(calls_.size());
    for (auto const& [id, each] : calls_)
        open.push_back(each);
    return open;
}

void call_desk::order(call_order&& what)
{
    orders_.push_back(std::move(what));
    home_.at_turn_end(*this);
}

void call_desk::mark(call& dirty)
{
    dirty_.push_back(dirty.shared_from_this());
    home_.at_turn_end(*this);
}

void call_desk::on_turn_end()
{
    for (auto const& each : std::exchange(dirty_, {})) {
        each->dirty_ = false;
        each->on_turn_end();
    }
    if (!orders_.empty())
        server_.order(std::exchange(orders_, {}));
}

void call_desk::arm_ticker()
{
    if (std::exchange(ticking_, true))
        return;
    ticker_.expires_after(tick_period);
    ticker_.async_wait([alive = alive_](broker::error_code error) {
        if (!error && *alive != nullptr)
            (*alive)->tick();
    });
}

void call_desk::tick()
{
    ticking_ = false;
    if (calls_.empty())
        return;
    for (auto const& each : open_calls())
        each->on_tick(home_.wall());
    arm_ticker();
}

}  // namespace fulmar::grpc
