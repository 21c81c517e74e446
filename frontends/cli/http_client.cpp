#include "frontends/cli/http_client.hpp"

#include "frontends/net/socket_address.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <optional>

#include <netinet/tcp.h>
#include <sys/socket.h>

namespace fulmar::cli {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
using error_code = boost::system::error_code;
using std::chrono::seconds;

constexpr seconds forever{0};

[[nodiscard]] failure unreachable(target const& where, std::string const& why, std::string const& advice)
{
    return {exit_code::unreachable, where.url + ": " + why + (advice.empty() ? "" : "; " + advice)};
}

[[nodiscard]] failure not_connected(target const& where, error_code const& error)
{
    if (error == asio::error::connection_refused)
        return unreachable(where, "nothing listens there",
                           "is the broker running? scripts/run starts it; --url names another one");
    if (error == beast::error::timeout)
        return unreachable(where, "no answer in time", "is this the right address and port?");
    return unreachable(where, error.message(), "is this the right address?");
}

// A stream may be silent for long: the kernel finds out whether the other end is still there. Not vital: may fail.
void watch_over(int socket)
{
    auto const set = [socket](int level, int option, int value) {
        (void)setsockopt(socket, level, option, &value, sizeof value);
    };
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 20);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set(IPPROTO_TCP, TCP_KEEPCNT, 4);
}

[[nodiscard]] bool is_address(std::string const& host) { return net::parse_ip(host).has_value(); }

}  // namespace

struct http_client::impl
{
    explicit impl(target to) : where{std::move(to)} {}

    using plain_stream = beast::tcp_stream;
    using tls_stream = beast::ssl_stream<beast::tcp_stream>;

    [[nodiscard]] beast::tcp_stream& lowest() { return secure ? beast::get_lowest_layer(*secure) : *plain; }
    [[nodiscard]] bool connected() const { return plain.has_value() || secure.has_value(); }
    template <class Use>
    void with_stream(Use use)
    {
        secure ? use(*secure) : use(*plain);
    }

    // Runs one asynchronous operation to its end.
    template <class Start>
    error_code await(seconds limit, Start start)
    {
        std::optional<error_code> ended;
        limit == forever ? lowest().expires_never() : lowest().expires_after(limit);
        start([&ended](error_code error, auto const&...) { ended = error; });
        while (!ended) {
            if (io.stopped())
                io.restart();
            io.run_one();
        }
        return *ended;
    }

    void disconnect()
    {
        parser.reset();
        plain.reset();
        secure.reset();
        buffer.clear();
        used = false;
    }

    [[nodiscard]] std::optional<failure> prepare_tls();
    [[nodiscard]] std::optional<failure> connect();
    [[nodiscard]] std::optional<failure> shake_hands();
    [[nodiscard]] error_code send(http_question const& question);
    [[nodiscard]] error_code read_whole(http_answer& out);
    [[nodiscard]] attempt<http_answer> exchange(http_question const& question, bool endless);
    [[nodiscard]] error_code exchange_once(http_question const& question, bool endless, http_answer& out);

    target const where;
    asio::io_context io{1};
    asio::signal_set signals{io};
    bool interrupted = false;
    ssl::context tls{ssl::context::tls_client};
    std::optional<plain_stream> plain;
    std::optional<tls_stream> secure;
    beast::flat_buffer buffer;
    std::optional<http::response_parser<http::buffer_body>> parser;  // of an answer without an end
    bool used = false;
};

std::optional<failure> http_client::impl::prepare_tls()
{
    error_code error;
    tls.set_verify_mode(ssl::verify_peer, error);
    SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
    if (where.cacert.empty())
        tls.set_default_verify_paths(error);
    else
        tls.load_verify_file(where.cacert, error);
    if (!error)
        return std::nullopt;
    return failure{exit_code::usage, "--cacert " + where.cacert + ": " + error.message() + "; it must be PEM"};
}

std::optional<failure> http_client::impl::shake_hands()
{
    auto const& host = where.address.host;
    if (!is_address(host))
        SSL_set_tlsext_host_name(secure->native_handle(), host.c_str());
    secure->set_verify_callback(ssl::host_name_verification{host});
    auto const error = await(patience, [&](auto done) { secure->async_handshake(ssl::stream_base::client, done); });
    if (!error)
        return std::nullopt;
    auto const verdict = SSL_get_verify_result(secure->native_handle());
    auto const untrusted = verdict != X509_V_OK;
    // What our comparison of names has refused has no code of its own.
    auto const* const reason =
        verdict == X509_V_ERR_UNSPECIFIED ? "it is for another host name" : X509_verify_cert_error_string(verdict);
    auto const why =
        untrusted ? std::string{"its certificate is not trusted ("} + reason + ")" : "TLS failed: " + error.message();
    disconnect();
    return unreachable(where, why, untrusted ? "--cacert names the authority to trust" : "is this the TLS port?");
}

std::optional<failure> http_client::impl::connect()
{
    disconnect();
    error_code error;
    asio::ip::tcp::resolver resolver{io};
    auto const found = resolver.resolve(where.address.host, std::to_string(where.address.port), error);
    if (error)
        return unreachable(where, "there is no host '" + where.address.host + "'", "is the name right?");
    if (where.address.tls) {
        if (auto failed = prepare_tls())
            return failed;
        secure.emplace(io, tls);
    } else {
        plain.emplace(io);
    }
    error = await(patience, [&](auto done) { lowest().async_connect(found, done); });
    if (error) {
        disconnect();
        return not_connected(where, error);
    }
    lowest().socket().set_option(asio::ip::tcp::no_delay{true}, error);
    watch_over(lowest().socket().native_handle());
    return secure ? shake_hands() : std::nullopt;
}

error_code http_client::impl::send(http_question const& question)
{
    http::request<http::string_body> request{http::string_to_verb(question.method), where.base + question.path, 11};
    request.set(http::field::host, where.address.authority);
    request.set(http::field::user_agent, "fulmar/" FULMAR_VERSION);
    if (!where.authorization.empty())
        request.set(http::field::authorization, where.authorization);
    for (auto const& [name, value] : question.fields)
        request.set(name, value);
    request.body() = question.body;
    request.prepare_payload();
    error_code error;
    with_stream(
        [&](auto& stream) { error = await(patience, [&](auto done) { http::async_write(stream, request, done); }); });
    return error;
}

error_code http_client::impl::read_whole(http_answer& out)
{
    http::response_parser<http::string_body> whole{std::move(*parser)};
    parser.reset();
    whole.body_limit(answer_bytes_max);
    error_code error;
    with_stream([&](auto& stream) {
        error = await(patience, [&](auto done) { http::async_read(stream, buffer, whole, done); });
    });
    out.body = std::move(whole.get().body());
    if (!error && !whole.get().keep_alive())
        disconnect();
    return error;
}

error_code http_client::impl::exchange_once(http_question const& question, bool endless, http_answer& out)
{
    auto error = send(question);
    if (error)
        return error;
    parser.emplace();
    parser->body_limit(boost::none);
    with_stream([&](auto& stream) {
        error = await(patience, [&](auto done) { http::async_read_header(stream, buffer, *parser, done); });
    });
    if (error)
        return error;
    out.status = parser->get().result_int();
    used = true;
    return endless && out.status == 200 ? error_code{} : read_whole(out);
}

attempt<http_answer> http_client::impl::exchange(http_question const& question, bool endless)
{
    for (int tries = 0;; ++tries) {
        auto const again = used && connected();
        if (!connected())
            if (auto failed = connect())
                return *failed;
        http_answer out;
        auto const error = exchange_once(question, endless, out);
        if (!error)
            return out;
        disconnect();
        if (interrupted)
            return failure{exit_code::failure, "interrupted"};
        if (again && tries == 0 && error != beast::error::timeout)
            continue;
        if (error == http::error::body_limit)
            return failure{exit_code::failure, where.url + ": the answer is larger than this program takes"};
        if (error == http::error::bad_version || error == http::error::bad_status)
            return unreachable(where, "what answers there does not speak HTTP", "is this the HTTP port?");
        return unreachable(where, "the connection broke: " + error.message(), "");
    }
}

http_client::http_client(target where) : impl_{std::make_unique<impl>(std::move(where))} {}
http_client::~http_client() = default;

target const& http_client::where() const noexcept { return impl_->where; }
bool http_client::interrupted() const noexcept { return impl_->interrupted; }

void http_client::catch_signals()
{
    impl_->signals.add(SIGINT);
    impl_->signals.add(SIGTERM);
    impl_->signals.async_wait([this](error_code error, int) {
        if (error)
            return;
        impl_->interrupted = true;
        if (impl_->connected())
            impl_->lowest().cancel();
    });
}

bool http_client::pause(std::chrono::milliseconds how_long)
{
    if (impl_->io.stopped())
        impl_->io.restart();
    auto const until = std::chrono::steady_clock::now() + how_long;
    asio::steady_timer timer{impl_->io, until};
    bool over = false;
    timer.async_wait([&over](error_code) { over = true; });
    while (!over && !impl_->interrupted)
        impl_->io.run_one();
    timer.cancel();
    while (!over)
        impl_->io.run_one();
    return !impl_->interrupted;
}

attempt<http_answer> http_client::ask(http_question const& question) { return impl_->exchange(question, false); }

attempt<http_answer> http_client::open(http_question const& question)
{
    impl_->disconnect();
    return impl_->exchange(question, true);
}

attempt<std::size_t> http_client::read(std::span<char> into)
{
    auto& parser = *impl_->parser;
    while (!impl_->interrupted) {
        if (parser.is_done())
            return std::size_t{0};
        auto& body = parser.get().body();
        body.data = into.data();
        body.size = into.size();
        body.more = true;
        error_code error;
        impl_->with_stream([&](auto& stream) {
            error =
                impl_->await(forever, [&](auto done) { http::async_read_some(stream, impl_->buffer, parser, done); });
        });
        auto const taken = into.size() - parser.get().body().size;
        if (taken != 0)
            return taken;
        if (error && error != http::error::need_buffer && !impl_->interrupted)
            return failure{exit_code::unreachable, error.message()};
    }
    return std::size_t{0};
}

failure refusal_of(target const& where, http_answer const& answer)
{
    boost::system::error_code bad;
    auto const parsed = boost::json::parse(answer.body, bad);
    auto const* const object = bad ? nullptr : parsed.if_object();
    auto const* const detail = object == nullptr ? nullptr : object->if_contains("detail");
    auto const* const text = detail == nullptr ? nullptr : detail->if_string();
    auto const why =
        text == nullptr ? "HTTP status " + std::to_string(answer.status) : std::string{text->data(), text->size()};
    switch (answer.status) {
    case 401:
        if (where.authorization.empty())
            return {exit_code::refused,
                    where.url + " wants credentials (" + why + "); give --key and --secret, or --token"};
        return {exit_code::refused, where.url + " does not accept " + where.identity + ": " + why};
    case 403:
        return {exit_code::refused,
                (where.authorization.empty() ? "without credentials" : where.identity) + ": " + why};
    case 404:
        if (text == nullptr)
            return {exit_code::failure, where.url + " has no such page: is this the broker's HTTP address?"};
        return {exit_code::failure, why};
    case 503: return {exit_code::failure, where.url + " cannot do it now: " + why};
    case 507: return {exit_code::failure, "the broker's disk is full: nothing can be stored (" + why + ")"};
    default: return {exit_code::failure, why};
    }
}

}  // namespace fulmar::cli
