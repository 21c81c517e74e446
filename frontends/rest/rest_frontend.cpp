#include "frontends/rest/rest_frontend.hpp"

#include "broker/inspection.hpp"
#include "broker/topic.hpp"
#include "frontends/net/cors.hpp"
#include "frontends/net/http_problem.hpp"

#include <algorithm>
#include <map>

namespace fulmar::rest {

rest_frontend::rest_frontend(broker::node_context& node, net::http_access const& access,
                             broker::presence_directory& presence, net::client_list const& clients,
                             rest_options options)
    : node_{node},
      access_{access},
      presence_{presence},
      clients_{clients},
      options_{options},
      repeated_{options.idempotency_window}
{
    for (auto const& shard : node.shards)
        desks_.push_back(std::make_unique<desk>(*shard));
}

rest_frontend::~rest_frontend() = default;

void rest_frontend::add_routes(net::http_router& routes)
{
    std::map<std::string_view, std::string> methods;  // by path
    for (auto const& each : operations()) {
        auto const body = !each.takes_body                ? std::size_t{0}
                          : each.path.ends_with("/batch") ? options_.batch_bytes_max
                                                          : options_.event_bytes_max * 2 + 64 * 1024;
        routes.on(
            each.method, each.path,
            [this, &each](net::http_request&& request, net::http_responder const& to) {
                handle(each, std::move(request), to);
            },
            body);
        auto& listed = methods[each.path];
        listed.append(listed.empty() ? "" : ", ").append(each.method).append(each.method == "GET" ? ", HEAD" : "");
    }
    for (auto& [path, allowed] : methods) {
        allowed += ", OPTIONS";
        routes.on("OPTIONS", path,
                  [this, allowed = allowed](net::http_request&& request, net::http_responder const& to) {
                      to.send(net::preflight(request, access_.allowed_origins(), allowed));
                  });
    }
}

void rest_frontend::handle(operation const& what, net::http_request&& request, net::http_responder const& to)
{
    desks_[request.home->id()]->requests.add();
    auto const call = std::make_shared<rest_call>(*this, std::move(request), to);
    if (!access_.origin_admitted(call->request))
        return call->fail(403, "pages of this origin may not call here");
    auto query = net::http_query::parse(call->request.query);
    if (!query)
        return call->fail(400, "the query is malformed");
    call->query = std::move(*query);
    if (what.who == audience::everybody)
        return what.run(call);
    access_.identify(call->request, [this, &what, call](broker::result<broker::identity> who) {
        if (!call->to.gone())
            run(what, call, std::move(who));
    });
}

void rest_frontend::run(operation const& what, call_ptr const& call, broker::result<broker::identity> who)
{
    if (!who)
        return call->answer(net::refusal_for(who.error()));
    call->who = std::move(*who);
    if (what.who == audience::administrators && !call->who.administrator)
        return call->who.user.empty() ? call->answer(net::problem_response(401,
                                                                           "an app's key and secret, or a token with "
                                                                           "\"admin\": true, is needed here"))
                                      : call->fail(403, "this is for administrators");
    what.run(call);
}

// --- what operations need ------------------------------------------------------------------------

bool rest_frontend::may_publish(broker::shard& here, std::size_t count) const
{
    return desks_[here.id()]->waiting.size() + count <= publishes_in_flight_max;
}

void rest_frontend::publish(broker::shard& here, broker::message_ptr m, settled done)
{
    auto& publisher = *desks_[here.id()];
    auto const token = ++publisher.last_token;
    publisher.waiting.emplace(token, std::move(done));
    publisher.published.add();
    here.metrics().messages_in[static_cast<std::size_t>(m->level)].add();
    broker::router::publish_request request;
    request.message = std::move(m);
    request.publisher = publisher.id;
    request.token = token;
    here.routes().publish(std::move(request));
}

void rest_frontend::desk::on_published(std::uint64_t token, broker::publish_outcome const& outcome)
{
    auto const node = waiting.extract(token);
    if (!node.empty())
        node.mapped()(outcome);
}

void rest_frontend::on_each_shard(broker::shard& here, std::function<void(broker::shard&)> work,
                                  std::function<void()> done) const
{
    broker::on_each_shard(here, std::move(work), std::move(done));
}

std::uint64_t rest_frontend::requests() const
{
    std::uint64_t sum = 0;
    for (auto const& each : desks_)
        sum += each->requests.get();
    return sum;
}

std::uint64_t rest_frontend::published() const
{
    std::uint64_t sum = 0;
    for (auto const& each : desks_)
        sum += each->published.get();
    return sum;
}

// --- a call --------------------------------------------------------------------------------------

void rest_call::answer(net::http_response response)
{
    if (!repeatable_as.empty())
        owner.repeated().finish(repeatable_as, response);
    net::add_cors(request, owner.access().allowed_origins(), response);
    to.send(std::move(response));
}

void rest_call::answer_json(unsigned status, std::string body)
{
    answer({status, "application/json", {{"Cache-Control", "no-store"}}, std::move(body) + "\n"});
}

void rest_call::fail(unsigned status, std::string_view detail) { answer(net::problem_response(status, detail)); }
void rest_call::fail(broker::error_code error) { answer(net::problem_response(error)); }

bool rest_call::read_topic(std::string& out)
{
    out = request.capture("topic");
    if (broker::valid_utf8(out) && broker::valid_topic_name(out))
        return true;
    fail(400, "the path names no valid topic");
    return false;
}

bool rest_call::read_limit(std::size_t& out, std::size_t maximum)
{
    auto const* const text = query.find("limit");
    if (text == nullptr)
        return true;
    auto const number = net::parse_number(*text, maximum);
    if (!number || *number == 0) {
        fail(400, "limit is no number from 1 to " + std::to_string(maximum));
        return false;
    }
    out = static_cast<std::size_t>(*number);
    return true;
}

std::string rest_call::parameter(std::string_view name) const
{
    auto const* const text = query.find(name);
    return text == nullptr ? std::string{} : *text;
}

}  // namespace fulmar::rest
