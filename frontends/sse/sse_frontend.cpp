#include "frontends/sse/sse_frontend.hpp"

#include "broker/access.hpp"
#include "frontends/net/cors.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/sse/event_stream.hpp"
#include "frontends/sse/session_reader.hpp"

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

// 204 makes EventSource stop coming back.
[[nodiscard]] net::http_response no_session(broker::error_code why)
{
    if (why == broker::errc::taken_over)
        return {204, {}, {{"Cache-Control", "no-store"}}, {}};
    if (why == broker::errc::not_authorized)
        return net::problem_response(403, "the session is somebody else's");
    return net::problem_response(why);
}

}  // namespace

struct sse_frontend::admission
{
    std::shared_ptr<net::http_request const> request;
    stream_request wanted;
    broker::identity who;
    net::http_responder to;
};

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
    auto const held = std::make_shared<net::http_request const>(std::move(request));
    if (!read.wanted->ticket.empty()) {
        auto const ticket = access_.tickets().redeem(read.wanted->ticket, now);
        if (!ticket)
            return refuse(*held, to, net::problem_response(401, "the ticket is not known, was used, or is too old"));
        return admit({held, std::move(*read.wanted), ticket->who, to}, ticket->topics);
    }
    auto const wanted = std::make_shared<stream_request>(std::move(*read.wanted));
    access_.identify(*held, [this, held, wanted, to](broker::result<broker::identity> who) {
        if (to.gone())
            return;
        if (!who)
            return refuse(*held, to, net::refusal_for(who.error()));
        admit({held, std::move(*wanted), std::move(*who), to}, {});
    });
}

void sse_frontend::admit(admission&& in, std::vector<std::string> const& ticket_topics)
{
    if (node_.draining.load(std::memory_order_relaxed))
        return refuse(*in.request, in.to, net::problem_response(make_error_code(broker::errc::shutting_down)));
    for (auto const& filter : in.wanted.topics)
        if (!may_read(in.who, ticket_topics, filter))
            return refuse(*in.request, in.to, net::problem_response(403, "not allowed to read '" + filter + "'"));
    if (in.wanted.session.empty() || in.request->method == "HEAD")
        return open_stream(std::move(in), nullptr);
    ask_for_session(std::move(in));
}

void sse_frontend::ask_for_session(admission&& in)
{
    auto& home = *in.request->home;
    auto& here = shards_[home.id()];
    broker::reader_request asked{in.who.app, in.wanted.session, in.who.user, in.wanted.topics,
                                 options_.session_expiry_s};
    if (in.wanted.came_back)
        asked.seen = in.wanted.begin.sequence;
    asked.yields = in.wanted.was_taken_over;
    auto const number = ++here.last_claim;
    auto const held = std::make_shared<admission>(std::move(in));
    auto const answered = [this, &here, number, held](broker::result<broker::reader_grant> const& got) {
        auto claim = std::move(here.claims.extract(number).mapped());
        if (held->to.gone())
            return;
        if (!got)
            return refuse(*held->request, held->to, no_session(got.error()));
        auto& begin = held->wanted.begin;
        if (got->known || begin.what == starting_point::kind::now)
            begin = {starting_point::kind::cursor, got->after, 0, 0};
        open_stream(std::move(*held), std::make_unique<session_reader>(std::move(claim), *got));
    };
    here.claims.emplace(number, std::make_unique<broker::reader_claim>(home, std::move(asked), answered));
}

void sse_frontend::open_stream(admission&& in, std::unique_ptr<session_reader> session)
{
    auto head = head_of(in.wanted.format);
    net::add_cors(*in.request, access_.allowed_origins(), head);
    in.to.stream(std::move(head), [&](net::wire& wire) {
        auto stream =
            std::make_unique<event_stream>(*this, wire, std::move(in.wanted), std::move(in.who), std::move(session));
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
