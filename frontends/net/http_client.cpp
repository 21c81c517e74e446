#include "frontends/net/http_client.hpp"

#include "frontends/net/http_answer_parser.hpp"
#include "frontends/net/idle_links.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <list>
#include <optional>
#include <utility>

namespace fulmar::net {

namespace {

namespace asio = boost::asio;
using broker::error_code;
using link_ptr = std::shared_ptr<outgoing_link>;

[[nodiscard]] std::string request_text(http_call const& call)
{
    auto text = call.method + " " + call.where.target + " HTTP/1.1\r\n";
    append_field(text, "Host", call.where.authority);
    append_field(text, "User-Agent", "fulmar/" FULMAR_VERSION);
    for (auto const& [name, value] : call.headers)
        append_field(text, name, value);
    if (!call.body.empty() || (call.method != "GET" && call.method != "DELETE"))
        append_field(text, "Content-Length", std::to_string(call.body.size()));
    text += "\r\n";
    return text += call.body;
}

[[nodiscard]] http_trouble trouble_of(answer_fault fault)
{
    switch (fault) {
    case answer_fault::none: return http_trouble::none;
    case answer_fault::not_http: return http_trouble::not_http;
    case answer_fault::too_large: return http_trouble::too_large;
    case answer_fault::cut_off: break;
    }
    return http_trouble::receive;
}

[[nodiscard]] std::string in_words(http_trouble trouble, std::string const& why)
{
    switch (trouble) {
    case http_trouble::none: return {};
    case http_trouble::name: return "the name cannot be looked up: " + why;
    case http_trouble::connect: return "cannot connect: " + why;
    case http_trouble::secure: return "no secure connection: " + why;
    case http_trouble::send: return "cannot send: " + why;
    case http_trouble::receive: return "no answer: " + why;
    case http_trouble::not_http: return "what answers there does not speak HTTP";
    case http_trouble::too_large: return "the answer is too large";
    case http_trouble::late: return "no answer in time";
    }
    return why;
}

}  // namespace

// What all calls share.
struct http_client::state
{
    state(asio::io_context& on, options const& chosen) : io{on}, threads{chosen.resolving_threads}
    {
        if (chosen.tls)
            (void)tls.load(chosen.authorities, authorities_problem);
    }

    asio::io_context& io;
    unsigned const threads;
    std::optional<asio::thread_pool> resolving;  // from the first name on
    tls_client_context tls;
    std::string authorities_problem;
    idle_links idle;
    std::list<std::weak_ptr<exchange>> under_way;
};

// The rest of an answer whose head has come.
class http_client::piecewise final : public http_download
{
public:
    piecewise(link_ptr link, http_answer_parser&& parser) : core_{std::make_shared<core>()}
    {
        core_->link = std::move(link);
        core_->parser.emplace(std::move(parser));
    }
    ~piecewise() override
    {
        core_->then = {};
        core_->link->close();
    }

    void read(std::span<char> into, std::function<void(error_code, std::size_t)> then) override
    {
        core_->into = into;
        core_->then = std::move(then);
        core_->go_on();
    }

private:
    struct core : std::enable_shared_from_this<core>
    {
        void go_on()
        {
            auto& body = parser->body();
            auto const size = std::min(body.size(), into.size());
            std::copy_n(body.begin(), size, into.begin());
            body.erase(0, size);
            if (size != 0 || parser->done())
                return tell({}, size);
            link->read(
                in, [self = shared_from_this()](error_code error, std::size_t bytes) { self->on_bytes(error, bytes); });
        }
        void on_bytes(error_code error, std::size_t bytes)
        {
            auto const fault = error        ? answer_fault::none
                               : bytes == 0 ? parser->finish()
                                            : parser->feed({in.data(), bytes});
            if (!error && fault != answer_fault::none)
                error = asio::error::connection_reset;
            error ? tell(error, 0) : go_on();
        }
        void tell(error_code error, std::size_t bytes)
        {
            link->later([self = shared_from_this(), error, bytes] {
                if (auto const call = std::exchange(self->then, {}))
                    call(error, bytes);
            });
        }

        link_ptr link;
        std::optional<http_answer_parser> parser;
        std::array<char, 16 * 1024> in{};
        std::span<char> into;
        std::function<void(error_code, std::size_t)> then;
    };
    std::shared_ptr<core> core_;
};

// One call from looking up the name to the end of the answer.
class http_client::exchange : public std::enable_shared_from_this<exchange>
{
public:
    exchange(std::shared_ptr<state> shared, http_call const& call, http_call_limits const& limits, bool endless,
             opened then)
        : state_{std::move(shared)},
          where_{call.where},
          host_{(where_.tls ? "https://" : "http://") + where_.authority},
          request_{request_text(call)},
          limits_{limits},
          endless_{endless},
          then_{std::move(then)},
          deadline_{state_->io}
    {
    }

    void begin()
    {
        if (!then_)
            return;
        wait_at_most(limits_.wait);
        link_ = state_->idle.take(host_);
        reused_ = link_ != nullptr;
        reused_ ? write() : resolve();
    }

    // Its caller is gone.
    void forget() { (void)end(); }

private:
    void wait_at_most(std::chrono::milliseconds time)
    {
        deadline_.expires_after(time);
        deadline_.async_wait([self = shared_from_this()](error_code error) {
            if (!error)
                self->fail(http_trouble::late);
        });
    }

    void resolve()
    {
        std::vector<native_address> found;
        if (!look_up(where_.host, where_.port, true, found))
            return connect(std::move(found));
        if (!state_->resolving)
            state_->resolving.emplace(state_->threads);
        asio::post(*state_->resolving, [self = shared_from_this(), &io = state_->io]() mutable {
            std::vector<native_address> named;
            auto const error = look_up(self->where_.host, self->where_.port, false, named);
            // The last hold on the call is given up on its own thread.
            asio::post(io, [self = std::move(self), error, named = std::move(named)]() mutable {
                if (!self->failed(http_trouble::name, error))
                    self->connect(std::move(named));
            });
        });
    }

    void connect(std::vector<native_address> found)
    {
        link_ = std::make_shared<outgoing_link>(state_->io);
        link_->connect(std::move(found), [self = shared_from_this()](error_code error) {
            if (!self->failed(http_trouble::connect, error))
                self->where_.tls ? self->secure() : self->write();
        });
    }

    void secure()
    {
        link_->secure(state_->tls, where_.host, [self = shared_from_this()](error_code error) {
            if (!self->failed(http_trouble::secure, error))
                self->write();
        });
    }

    void write()
    {
        parser_.emplace(limits_.head_bytes_max,
                        endless_ ? http_answer_parser::no_body_limit : limits_.answer_bytes_max);
        head_seen_ = false;
        link_->write(request_, [self = shared_from_this()](error_code error) {
            if (!self->failed(http_trouble::send, error))
                self->read();
        });
    }

    void read()
    {
        link_->read(in_, [self = shared_from_this()](error_code error, std::size_t bytes) {
            if (!self->failed(http_trouble::receive, error))
                self->on_bytes(bytes);
        });
    }

    void on_bytes(std::size_t bytes)
    {
        auto const fault = bytes == 0 ? parser_->finish() : parser_->feed({in_.data(), bytes});
        if (fault == answer_fault::cut_off)
            return (void)failed(http_trouble::receive, asio::error::make_error_code(asio::error::eof));
        if (fault != answer_fault::none)
            return fail(trouble_of(fault));
        if (parser_->head_done() && !std::exchange(head_seen_, true)) {
            if (endless_ && parser_->status() == 200)
                return hand_over();
            if (parser_->body().size() > limits_.answer_bytes_max)
                return fail(http_trouble::too_large);
            parser_->limit_body(limits_.answer_bytes_max - parser_->body().size());
            if (limits_.body_wait.count() != 0)
                wait_at_most(limits_.body_wait);
        }
        parser_->done() ? succeed() : read();
    }

    // True: it is over, or begins again.
    [[nodiscard]] bool failed(http_trouble step, error_code error)
    {
        if (!error && then_)
            return false;
        // A connection that was left open may have been closed just now: one more try with a new one.
        if (then_ && reused_ && !parser_->head_done()) {
            reused_ = false;
            link_->close();
            resolve();
        } else {
            fail(step, error);
        }
        return true;
    }

    void fail(http_trouble trouble, error_code error = {})
    {
        http_reply reply;
        reply.trouble = trouble;
        reply.error = error;
        auto why = error.message();
        if (trouble == http_trouble::secure && link_) {
            reply.distrust = link_->distrust();
            why = link_->why() + (reply.distrust.empty() ? "" : " (" + reply.distrust + ")");
        } else if (error == asio::error::eof) {
            why = "the connection ended";
        }
        reply.problem = in_words(trouble, why);
        if (parser_ && parser_->head_done())
            reply.status = parser_->status();
        if (auto const then = end())
            then(std::move(reply), nullptr);
    }

    void succeed()
    {
        auto reply = what_came();
        reply.body = std::move(parser_->body());
        if (parser_->reusable())
            state_->idle.give(host_, std::exchange(link_, nullptr));
        if (auto const then = end())
            then(std::move(reply), nullptr);
    }

    void hand_over()
    {
        auto reply = what_came();
        auto rest = std::make_unique<piecewise>(std::exchange(link_, nullptr), std::move(*parser_));
        parser_.reset();
        if (auto const then = end())
            then(std::move(reply), std::move(rest));
    }

    [[nodiscard]] http_reply what_came()
    {
        http_reply reply;
        reply.status = parser_->status();
        reply.headers = std::move(parser_->fields());
        return reply;
    }

    // Gives up everything; whom to tell is returned.
    [[nodiscard]] opened end()
    {
        deadline_.cancel();
        if (auto const link = std::exchange(link_, nullptr))
            link->close();
        return std::exchange(then_, {});
    }

    std::shared_ptr<state> const state_;
    broker::web_address const where_;
    std::string const host_;
    std::string const request_;
    http_call_limits const limits_;
    bool const endless_;
    opened then_;
    asio::steady_timer deadline_;
    std::optional<http_answer_parser> parser_;
    std::array<char, 16 * 1024> in_{};
    link_ptr link_;
    bool reused_ = false;
    bool head_seen_ = false;
};

http_client::http_client(asio::io_context& io, options chosen) : state_{std::make_shared<state>(io, chosen)} {}

http_client::~http_client()
{
    state_->resolving.reset();
    for (auto const& each : state_->under_way)
        if (auto const call = each.lock())
            call->forget();
}

std::string const& http_client::authorities_problem() const noexcept { return state_->authorities_problem; }

void http_client::begin(std::shared_ptr<exchange> const& call)
{
    state_->under_way.remove_if([](auto const& each) { return each.expired(); });
    state_->under_way.push_back(call);
    asio::post(state_->io, [call] { call->begin(); });
}

void http_client::ask(http_call call, http_call_limits const& limits, answered then)
{
    begin(std::make_shared<exchange>(
        state_, call, limits, false,
        [then = std::move(then)](http_reply reply, std::unique_ptr<http_download> const&) { then(std::move(reply)); }));
}

void http_client::open(http_call call, http_call_limits const& limits, opened then)
{
    begin(std::make_shared<exchange>(state_, call, limits, true, std::move(then)));
}

}  // namespace fulmar::net
