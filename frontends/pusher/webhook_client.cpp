#include "frontends/pusher/webhook_client.hpp"

#include "broker/web_address.hpp"

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <map>
#include <optional>
#include <variant>

namespace fulmar::pusher {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using endpoints = tcp::resolver::results_type;

constexpr std::size_t resolving_threads = 4;
constexpr std::size_t idle_links_max = 8;  // per host
constexpr std::size_t idle_links_total = 256;
constexpr std::chrono::seconds idle_for{30};

using plain_link = tcp::socket;
using tls_link = asio::ssl::stream<tcp::socket>;

// One connection, of either kind.
class link
{
public:
    explicit link(asio::io_context& io) : stream_{std::in_place_type<plain_link>, io} {}
    link(asio::io_context& io, asio::ssl::context& tls) : stream_{std::in_place_type<tls_link>, io, tls} {}

    [[nodiscard]] tls_link* tls() noexcept { return std::get_if<tls_link>(&stream_); }
    [[nodiscard]] tcp::socket& socket() noexcept
    {
        auto* const secure = tls();
        return secure != nullptr ? secure->next_layer() : std::get<plain_link>(stream_);
    }
    template <class Use>
    void with_stream(Use&& use)
    {
        std::visit(std::forward<Use>(use), stream_);
    }

    boost::beast::flat_buffer buffer;
    std::chrono::steady_clock::time_point idle_since;

private:
    std::variant<plain_link, tls_link> stream_;
};

using link_ptr = std::shared_ptr<link>;

// Connections that were left open by their server, for the next request to the same host.
class link_pool
{
public:
    [[nodiscard]] link_ptr take(std::string const& host)
    {
        auto const now = std::chrono::steady_clock::now();
        auto const found = idle_.find(host);
        while (found != idle_.end() && !found->second.empty()) {
            auto last = std::move(found->second.back());
            found->second.pop_back();
            --count_;
            if (now - last->idle_since < idle_for)
                return last;
        }
        if (found != idle_.end())
            idle_.erase(found);
        return nullptr;
    }
    void give(std::string const& host, link_ptr open)
    {
        if (count_ >= idle_links_total) {
            idle_.clear();
            count_ = 0;
        }
        auto& list = idle_[host];
        if (list.size() >= idle_links_max)
            return;
        open->idle_since = std::chrono::steady_clock::now();
        list.push_back(std::move(open));
        ++count_;
    }

private:
    std::map<std::string, std::vector<link_ptr>> idle_;
    std::size_t count_ = 0;
};

// What all requests share.
struct client_state
{
    client_state(asio::io_context& on, asio::thread_pool& names)
        : io{on}, resolving{names}, tls{asio::ssl::context::tls_client}
    {
        tls.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                        asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
        tls.set_verify_mode(asio::ssl::verify_peer);
        error_code ignored;  // without authorities no certificate verifies, and every answer says so
        tls.set_default_verify_paths(ignored);
    }

    asio::io_context& io;
    asio::thread_pool& resolving;
    asio::ssl::context tls;
    link_pool links;
};

// One request from looking up the name to the end of the answer.
class exchange : public std::enable_shared_from_this<exchange>
{
public:
    exchange(std::shared_ptr<client_state> state, broker::web_address where, webhook_request&& request,
             std::function<void(webhook_answer)> done)
        : state_{std::move(state)},
          where_{std::move(where)},
          host_{(where_.tls ? "https://" : "http://") + where_.authority},
          done_{std::move(done)},
          deadline_{state_->io}
    {
        message_.method(http::verb::post);
        message_.target(where_.target);
        message_.version(11);
        message_.set(http::field::host, where_.authority);
        message_.set(http::field::user_agent, "fulmar/" FULMAR_VERSION);
        for (auto const& [name, value] : request.headers)
            message_.insert(name, value);
        message_.set(http::field::content_type, "application/json");
        message_.body() = std::move(request.body);
        message_.prepare_payload();
    }

    void begin()
    {
        deadline_.expires_after(std::chrono::seconds{webhook_answer_wait_s});
        deadline_.async_wait([self = shared_from_this()](error_code error) {
            if (!error)
                self->finish({0, "no answer in time"});
        });
        link_ = state_->links.take(host_);
        reused_ = link_ != nullptr;
        if (reused_)
            write();
        else
            resolve();
    }

private:
    void resolve()
    {
        asio::post(state_->resolving, [self = shared_from_this(), state = state_.get()] {
            error_code error;
            endpoints found;
            // The resolver's context is only asked for its services; the answer goes back to the sender's thread.
            asio::io_context own{1};
            found = tcp::resolver{own}.resolve(self->where_.host, std::to_string(self->where_.port), error);
            asio::post(state->io, [self, error, found] { self->connect(error, found); });
        });
    }

    void connect(error_code error, endpoints const& found)
    {
        if (failed(error, "the name cannot be looked up: "))
            return;
        link_ = where_.tls ? std::make_shared<link>(state_->io, state_->tls) : std::make_shared<link>(state_->io);
        asio::async_connect(link_->socket(), found, [self = shared_from_this()](error_code e, tcp::endpoint const&) {
            if (self->failed(e, "cannot connect: "))
                return;
            self->secure();
        });
    }

    void secure()
    {
        auto* const tls = link_->tls();
        if (tls == nullptr)
            return write();
        error_code ignored;
        auto const numeric = !asio::ip::make_address(where_.host, ignored).is_unspecified() && !ignored;
        if (!numeric)
            SSL_set_tlsext_host_name(tls->native_handle(), where_.host.c_str());
        tls->set_verify_callback(asio::ssl::host_name_verification(where_.host), ignored);
        tls->async_handshake(asio::ssl::stream_base::client, [self = shared_from_this()](error_code e) {
            if (self->failed(e, "no secure connection: "))
                return;
            self->write();
        });
    }

    void write()
    {
        link_->with_stream([this](auto& stream) {
            http::async_write(stream, message_, [self = shared_from_this()](error_code e, std::size_t) {
                if (self->again(e) || self->failed(e, "cannot send: "))
                    return;
                self->read();
            });
        });
    }

    void read()
    {
        parser_.emplace();
        parser_->header_limit(16 * 1024);
        parser_->body_limit(webhook_answer_bytes_max);
        link_->with_stream([this](auto& stream) {
            http::async_read(stream, link_->buffer, *parser_,
                             [self = shared_from_this()](error_code e, std::size_t) { self->on_answer(e); });
        });
    }

    void on_answer(error_code error)
    {
        if (done_ && parser_->is_header_done()) {
            if (!error && parser_->get().keep_alive())
                state_->links.give(host_, link_);
            return finish({parser_->get().result_int(), {}});
        }
        if (!again(error))
            (void)failed(error, "no answer: ");
    }

    // A connection that was left open may have been closed just now: one more try with a new one.
    [[nodiscard]] bool again(error_code error)
    {
        if (!error || !done_ || !reused_)
            return false;
        reused_ = false;
        link_.reset();
        resolve();
        return true;
    }

    // True: it is over.
    [[nodiscard]] bool failed(error_code error, char const* step)
    {
        if (!error && done_)
            return false;
        finish({0, step + error.message()});
        return true;
    }

    void finish(webhook_answer answer)
    {
        auto const done = std::exchange(done_, {});
        if (!done)
            return;
        deadline_.cancel();
        if (answer.status == 0 && link_) {
            error_code ignored;
            link_->socket().close(ignored);
        }
        done(std::move(answer));
    }

    std::shared_ptr<client_state> const state_;
    broker::web_address const where_;
    std::string const host_;
    std::function<void(webhook_answer)> done_;
    asio::steady_timer deadline_;
    http::request<http::string_body> message_;
    std::optional<http::response_parser<http::string_body>> parser_;
    link_ptr link_;
    bool reused_ = false;
};

class beast_client final : public webhook_client
{
public:
    explicit beast_client(asio::io_context& io) : state_{std::make_shared<client_state>(io, resolving_)} {}
    ~beast_client() override
    {
        resolving_.stop();
        resolving_.join();
    }

    void post(webhook_request request, std::function<void(webhook_answer)> done) override
    {
        auto where = broker::parse_web_address(request.url);
        if (!where) {
            asio::post(state_->io, [done = std::move(done)] { done({0, "not an address"}); });
            return;
        }
        std::make_shared<exchange>(state_, std::move(*where), std::move(request), std::move(done))->begin();
    }

private:
    // Looking up a name can take long and cannot be broken off: not on the sender's thread.
    asio::thread_pool resolving_{resolving_threads};
    std::shared_ptr<client_state> state_;
};

}  // namespace

std::unique_ptr<webhook_client> make_webhook_client(asio::io_context& io) { return std::make_unique<beast_client>(io); }

}  // namespace fulmar::pusher
