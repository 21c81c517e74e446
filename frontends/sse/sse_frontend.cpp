#include "frontends/sse/sse_frontend.hpp"

#include "broker/access.hpp"
#include "frontends/net/cors.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/sse/event_stream.hpp"

#include <algorithm>

namespace fulmar::sse {

namespace {

constexpr std::string_view methods = "GET, HEAD, POST, OPTIONS";

[[nodiscard]] net::http_response head_of(event_format format)
{
    net::http_response head;
    head.content_type = format == event_format::ndjson ? "application/x-ndjson" : "text/event-stream";
    head.headers = {{"Cache-Control", "no-store, no-transform"}, {"X-Accel-Buffering", "no"}};
    return head;
}

// May this identity read the filter, and did the ticket name it?
[[nodiscard]] bool may_read(broker::identity const& who, std::vector<std::string> const& ticket_topics,
                            std::string const& filter)
{
    auto const covered = [&](std::string const& granted) {
        return granted == filter || broker::covers(granted, filter);
    };
    return who.allowed && who.allowed->may_subscribe(filter) &&
           (ticket_topics.empty() || std::any_of(ticket_topics.begin(), ticket_topics.end(), covered));
}

}  // namespace

sse_frontend::sse_frontend(broker::node_context& node, net::http_access const& access, sse_options options)
    : node_{node}, access_{access}, options_{options}, shards_(node.shard_count)
{
}

sse_frontend::~sse_frontend() = default;

void sse_frontend::add_routes(net::http_router& routes)
{
    auto const serve = [this](net::http_request&& request, net::http_responder to) { handle(std::move(request), to); };
    routes.on("GET", "/sse", serve);
    routes.on("POST", "/sse", serve, options_.body_bytes_max);
    routes.on("OPTIONS", "/sse", [this](net::http_request&& request, net::http_responder const& to) {
        to.send(net::preflight(request, access_.allowed_origins(), methods));
    });
}

void sse_frontend::refuse(net::http_request const& request, net::http_responder const& to, net::http_response answer)
{
    metrics_of(*request.home).refused.add();
    net::add_cors(request, access_.allowed_origins(), answer);
    to.send(std::move(answer));
}

void sse_frontend::handle(net::http_request&& request, net::http_responder const& to)
{
    if (!access_.origin_admitted(request))
        return refuse(request, to, net::problem_response(403, "pages of this origin may not read here"));
    auto const now = request.home->wall();
    auto read = read_stream_request(request, options_.topics_max, now);
    if (!read.wanted)
        return refuse(request, to, net::problem_response(400, read.problem));
    if (!read.wanted->ticket.empty()) {
        auto const ticket = access_.tickets().redeem(read.wanted->ticket, now);
        if (!ticket)
            return refuse(request, to, net::problem_response(401, "the ticket is not known, was used, or is too old"));
        return admit(request, std::move(*read.wanted), ticket->who, ticket->topics, to);
    }
    auto const held = std::make_shared<net::http_request>(std::move(request));
    auto const wanted = std::make_shared<stream_request>(std::move(*read.wanted));
    access_.identify(*held, [this, held, wanted, to](broker::result<broker::identity> who) {
        if (to.gone())
            return;
        if (!who)
            return refuse(*held, to, net::refusal_for(who.error()));
        admit(*held, std::move(*wanted), *who, {}, to);
    });
}

void sse_frontend::admit(net::http_request const& request, stream_request&& wanted, broker::identity const& who,
                         std::vector<std::string> const& ticket_topics, net::http_responder const& to)
{
    if (node_.draining.load(std::memory_order_relaxed))
        return refuse(request, to, net::problem_response(make_error_code(broker::errc::shutting_down)));
    for (auto const& filter : wanted.topics)
        if (!may_read(who, ticket_topics, filter))
            return refuse(request, to, net::problem_response(403, "not allowed to read '" + filter + "'"));
    auto head = head_of(wanted.format);
    net::add_cors(request, access_.allowed_origins(), head);
    to.stream(std::move(head), [&](net::wire& wire) {
        auto stream = std::make_unique<event_stream>(*this, wire, std::move(wanted), who);
        stream->begin();
        return stream;
    });
}

void sse_frontend::close_streams(broker::shard_id shard)
{
    auto const open = shards_[shard].streams;  // closing may take them off the list
    for (auto* const stream : open)
        stream->close();
}

void sse_frontend::opened(broker::shard& home, event_stream& stream)
{
    auto& here = shards_[home.id()];
    here.streams.insert(&stream);
    here.open.set(here.streams.size());
    here.metrics.opened.add();
}

void sse_frontend::closed(broker::shard& home, event_stream& stream)
{
    auto& here = shards_[home.id()];
    here.streams.erase(&stream);
    here.open.set(here.streams.size());
}

}  // namespace fulmar::sse
