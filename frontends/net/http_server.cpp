#include "frontends/net/http_server.hpp"

#include "frontends/net/http_body.hpp"
#include "frontends/net/http_exchange.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/net/http_router.hpp"
#include "frontends/net/http_rules.hpp"
#include "frontends/net/websocket_upgrade.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <optional>
#include <utility>

namespace fulmar::net {

namespace {

namespace http = boost::beast::http;

constexpr std::size_t chunked_end_bytes = 5;  // "0\r\n\r\n"

using request_parser = http::request_parser<growing_body>;

// Beast lets a quoted value of a chunk extension run over the end of its line; a proxy in front may end the line there.
struct one_line_extensions
{
    void operator()(std::uint64_t, boost::beast::string_view extensions, boost::system::error_code& ec) const
    {
        if (extensions.find_first_of("\r\n") != boost::beast::string_view::npos)
            ec = http::error::bad_chunk_extension;
    }
};

class http_connection final : public protocol, private http_answer_sink
{
public:
    http_connection(wire& connection, http_router const& routes, http_settings const& settings)
        : wire_(connection), routes_(routes), settings_(settings)
    {
        wire_.set_deadline(settings_.header_wait);
    }
    ~http_connection() override
    {
        if (auto const waiting = exchange_.lock())
            waiting->forget();
    }

    [[nodiscard]] std::size_t on_bytes(std::span<char const> in) override;
    void on_deadline() override;
    void on_drained() override { resume(backlogged_); }
    void on_closed(bool) override
    {
        phase_ = phase::ended;
        if (auto const waiting = exchange_.lock())
            waiting->forget();
    }

private:
    // handed_on: a WebSocket session or a stream takes over. ended: closing.
    enum class phase : std::uint8_t { idle, head, body, answering, handed_on, ended };

    // A request whose body is still arriving.
    struct incoming
    {
        request_parser parser;
        one_line_extensions extensions;
        http_request request;
        http_router::found found;
    };

    // The answer of an asynchronous handler.
    void complete(http_response const& response) override;
    void hand_over(http_response const& head, http_stream_factory const& make) override;
    bool read_head(std::span<char const>& in);
    bool read_body(std::span<char const>& in);
    [[nodiscard]] http_fault parse_head(std::span<char const> head);
    [[nodiscard]] http_fault check_route();
    [[nodiscard]] http_fault check_body_expected();
    void begin_request();
    void run_handler();
    void run_async();
    void open_websocket();
    void answer(http_response const& response);
    void refuse(http_fault fault);
    void end_request();
    void pause(bool& why);
    void resume(bool& why);

    wire& wire_;
    http_router const& routes_;
    http_settings const& settings_;
    head_scanner scanner_;
    std::unique_ptr<incoming> incoming_;
    std::unique_ptr<peer const> from_;  // whom requests are from, once there was one: the address in words takes long
    std::weak_ptr<http_exchange> exchange_;
    phase phase_ = phase::idle;
    bool keep_alive_ = true;
    bool version_1_1_ = true;
    bool head_only_ = false;
    bool waiting_ = false;     // paused for an asynchronous answer
    bool backlogged_ = false;  // paused because the client does not read
};

std::size_t http_connection::on_bytes(std::span<char const> in)
{
    auto left = in;
    auto more = true;
    while (more && !left.empty() && !waiting_ && !backlogged_) {
        switch (phase_) {
        case phase::idle:
            // Some clients end a body with an empty line too many (RFC 9112 §2.2).
            if (left.front() == '\r' && (left.size() == 1 || left[1] == '\n')) {
                more = left.size() > 1;
                left = left.subspan(more ? 2 : 0);
                break;
            }
            phase_ = phase::head;
            head_only_ = false;
            wire_.set_deadline(settings_.header_wait);
            break;
        case phase::head: more = read_head(left); break;
        case phase::body: more = read_body(left); break;
        case phase::answering:
        case phase::handed_on: more = false; break;
        case phase::ended: return in.size();
        }
    }
    return in.size() - left.size();
}

bool http_connection::read_head(std::span<char const>& in)
{
    auto const size = scanner_.scan(in, settings_.header_bytes_max);
    if (auto const fault = scanner_.fault()) {
        refuse(fault);
        return true;
    }
    if (size == 0)
        return false;
    auto const head = in.first(size);
    in = in.subspan(size);
    scanner_.reset();
    if (auto const fault = check_head({head.data(), head.size()}, settings_.header_lines_max)) {
        refuse(fault);
        return true;
    }
    if (auto const fault = parse_head(head)) {
        refuse(fault);
        return true;
    }
    begin_request();
    return true;
}

http_fault http_connection::parse_head(std::span<char const> head)
{
    incoming_ = std::make_unique<incoming>();
    auto& parser = incoming_->parser;
    parser.header_limit(static_cast<std::uint32_t>(settings_.header_bytes_max));
    parser.body_limit(boost::none);  // the route's limit applies, as soon as it is known
    parser.eager(false);
    parser.on_chunk_header(incoming_->extensions);
    boost::system::error_code ec;
    // Request line and fields are separate steps of a parser that is not eager.
    for (std::size_t used = 0; used < head.size() && !parser.is_header_done();) {
        used += parser.put(boost::asio::buffer(head.data() + used, head.size() - used), ec);
        if (ec && ec != http::error::need_more)
            return {400, "the request is malformed"};
        if (ec)
            break;
    }
    if (!parser.is_header_done())
        return {400, "the request is malformed"};
    auto& request = incoming_->request;
    auto const& message = parser.get();
    auto const text = [](auto const& s) { return std::string{s.data(), s.size()}; };
    request.method = text(message.method_string());
    request.target = text(message.target());
    request.version_1_1 = message.version() == 11;
    constexpr std::size_t usual_fields = 8;
    request.headers.reserve(usual_fields);
    for (auto const& field : message)
        request.headers.push_back({text(field.name_string()), text(field.value())});
    if (from_ == nullptr)
        from_ = std::make_unique<peer>(wire_.remote());
    request.from = *from_;
    request.home = &wire_.home();
    http_target target;
    if (auto const fault = read_target(request.target, target))
        return fault;
    request.path = std::move(target.path);
    request.query = std::move(target.query);
    keep_alive_ = parser.keep_alive();
    version_1_1_ = request.version_1_1;
    head_only_ = request.method == "HEAD";
    return {};
}

// Everything that can be said before the body is read is said before the body is read.
void http_connection::begin_request()
{
    auto fault = check_route();
    if (!fault)
        fault = check_body_expected();
    if (fault) {
        refuse(fault);
        return;
    }
    if (incoming_->parser.is_done()) {
        run_handler();
        return;
    }
    // HTTP/1.0 knows no interim answers: such a client would take this one for the answer (RFC 9110 §10.1.1).
    if (version_1_1_ && incoming_->request.lists("Expect", "100-continue"))
        wire_.send("HTTP/1.1 100 Continue\r\n\r\n");
    phase_ = phase::body;
    wire_.set_deadline(settings_.body_wait);
}

http_fault http_connection::check_route()
{
    auto const& request = incoming_->request;
    if (!settings_.allowed_hosts.empty()) {
        auto const name = host_name(request.header("Host"));
        auto const known = [name](std::string const& host) { return same_token(host, name); };
        if (std::none_of(settings_.allowed_hosts.begin(), settings_.allowed_hosts.end(), known))
            return {421, "this host name is not served here"};
    }
    if (request.method == "CONNECT" || request.method == "TRACE")
        return {405, "this method is not supported"};
    if (request.path == "*")
        return {request.method == "OPTIONS" ? 405U : 400U, "this target is not supported"};
    incoming_->found = routes_.find(request.method, request.path, asks_for_websocket(request));
    incoming_->request.captures = incoming_->found.captures;
    return {};
}

http_fault http_connection::check_body_expected()
{
    auto& parser = incoming_->parser;
    auto const* route = incoming_->found.route;
    auto const limit = route != nullptr ? route->body_bytes_max : 0;
    auto const& expect = incoming_->request.header("Expect");
    if (!expect.empty() && !same_token(expect, "100-continue"))
        return {417, "only Expect: 100-continue is understood"};
    if (parser.is_done())
        return {};
    if (route == nullptr && incoming_->found.allowed.empty())
        return {404, "there is nothing here"};
    if (route == nullptr)
        return {405, "this method is not supported here"};
    if (route->websocket != nullptr)
        return {400, "a WebSocket handshake has no body"};
    if (parser.content_length() && *parser.content_length() > limit)
        return {413, "the body is too large"};
    parser.body_limit(limit);
    return {};
}

// One step of the parser at a time (a chunk's header, then its bytes), so that what is decided does not depend on how the
// bytes were cut into reads.
bool http_connection::read_body(std::span<char const>& in)
{
    auto& parser = incoming_->parser;
    while (!parser.is_done()) {
        // Whatever is missing of a chunked body is longer, and Beast asserts that the last chunk does not come in fewer bytes.
        if (in.empty() || (parser.chunked() && in.size() < chunked_end_bytes))
            return false;
        boost::system::error_code ec;
        in = in.subspan(parser.put(boost::asio::buffer(in.data(), in.size()), ec));
        if (ec == http::error::body_limit) {
            refuse({413, "the body is too large"});
            return true;
        }
        if (ec && ec != http::error::need_more) {
            refuse({400, "the body is malformed"});
            return true;
        }
        if (ec && in.size() > settings_.chunk_header_bytes_max) {
            refuse({400, "a chunk header or trailer is too large"});
            return true;
        }
        if (ec)
            return false;
    }
    incoming_->request.body = std::move(parser.get().body());
    run_handler();
    return true;
}

void http_connection::run_handler()
{
    auto const& found = incoming_->found;
    if (found.route == nullptr) {
        auto const missing = found.allowed.empty();
        auto response = problem_response(missing ? 404 : 405,
                                         missing ? "there is nothing here" : "this method is not supported here");
        if (!missing)
            response.headers.push_back({"Allow", found.allowed});
        answer(response);
    } else if (found.route->websocket) {
        open_websocket();
    } else if (found.route->handler) {
        answer(found.route->handler(incoming_->request));
    } else {
        run_async();
    }
}

void http_connection::run_async()
{
    phase_ = phase::answering;
    wire_.set_deadline(settings_.answer_wait);
    auto const exchange = std::make_shared<http_exchange>(static_cast<http_answer_sink&>(*this));
    exchange_ = exchange;
    auto const& handler = incoming_->found.route->async_handler;
    handler(std::move(incoming_->request), http_responder{exchange});
    if (phase_ == phase::answering)
        pause(waiting_);
}

void http_connection::complete(http_response const& response)
{
    if (phase_ != phase::answering)
        return;
    answer(response);
    resume(waiting_);
}

void http_connection::hand_over(http_response const& head, http_stream_factory const& make)
{
    if (phase_ != phase::answering)
        return;
    wire_.send(stream_head(head, version_1_1_));
    keep_alive_ = false;
    if (head_only_) {
        end_request();
    } else {
        incoming_.reset();
        phase_ = phase::handed_on;
        wire_.set_deadline(std::chrono::milliseconds{0});
    }
    auto const streams = phase_ == phase::handed_on;
    resume(waiting_);
    if (streams)
        wire_.replace_protocol(make(wire_));
}

void http_connection::open_websocket()
{
    auto const& route = *incoming_->found.route->websocket;
    auto const& request = incoming_->request;
    auto open = answer_handshake(request, route);
    if (open.answer.status != 101) {
        keep_alive_ = false;
        answer(open.answer);
        return;
    }
    wire_.send(response_head(open.answer, false, true));
    wire_.set_deadline(std::chrono::milliseconds{0});
    phase_ = phase::handed_on;
    wire_.replace_protocol(open_session(wire_, request, route, open));
}

void http_connection::answer(http_response const& response)
{
    wire_.send(response_head(response, keep_alive_, version_1_1_), head_only_ ? std::string_view{} : response.body);
    end_request();
}

// A client that breaks the rules may disagree with us about where the next request begins: there is none.
void http_connection::refuse(http_fault fault)
{
    keep_alive_ = false;
    auto response = problem_response(fault.status, fault.why);
    if (fault.status == 405 && incoming_ && !incoming_->found.allowed.empty())
        response.headers.push_back({"Allow", incoming_->found.allowed});
    answer(response);
}

void http_connection::end_request()
{
    incoming_.reset();
    exchange_.reset();
    if (!keep_alive_) {
        phase_ = phase::ended;
        wire_.close();
        return;
    }
    phase_ = phase::idle;
    wire_.set_deadline(settings_.idle_wait);
    if (wire_.backlog_bytes() > settings_.backlog_bytes_max)
        pause(backlogged_);
}

void http_connection::on_deadline()
{
    switch (phase_) {
    case phase::idle:
        phase_ = phase::ended;
        wire_.close();
        break;
    case phase::head:
    case phase::body: refuse({408, "the request did not arrive in time"}); break;
    case phase::answering:
        if (auto const waiting = exchange_.lock())
            waiting->forget();
        refuse({503, "the answer did not arrive in time"});
        break;
    case phase::handed_on:
    case phase::ended: break;
    }
}

void http_connection::pause(bool& why)
{
    if (!std::exchange(why, true))
        wire_.pause_reading();
}

void http_connection::resume(bool& why)
{
    if (std::exchange(why, false))
        wire_.resume_reading();
}

}  // namespace

std::unique_ptr<protocol> make_http_protocol(wire& connection, http_router const& routes, http_settings const& settings)
{
    return std::make_unique<http_connection>(connection, routes, settings);
}

}  // namespace fulmar::net
