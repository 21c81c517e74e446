#include "frontends/cli/http_client.hpp"

#include "frontends/net/http_client.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <optional>

namespace fulmar::cli {

namespace {

namespace asio = boost::asio;
using error_code = boost::system::error_code;
using net::http_trouble;

[[nodiscard]] failure unreachable(target const& where, std::string const& why, std::string const& advice)
{
    return {exit_code::unreachable, where.url + ": " + why + (advice.empty() ? "" : "; " + advice)};
}

[[nodiscard]] failure failure_of(target const& where, net::http_reply const& reply)
{
    switch (reply.trouble) {
    case http_trouble::name:
        return unreachable(where, "there is no host '" + where.address.host + "'", "is the name right?");
    case http_trouble::connect:
        if (reply.error == asio::error::connection_refused)
            return unreachable(where, "nothing listens there",
                               "is the broker running? scripts/run starts it; --url names another one");
        return unreachable(where, reply.error.message(), "is this the right address?");
    case http_trouble::secure:
        return reply.distrust.empty() ? unreachable(where, "TLS failed: " + reply.problem, "is this the TLS port?")
                                      : unreachable(where, "its certificate is not trusted (" + reply.distrust + ")",
                                                    "--cacert names the authority to trust");
    case http_trouble::late: return unreachable(where, "no answer in time", "is this the right address and port?");
    case http_trouble::not_http:
        return unreachable(where, "what answers there does not speak HTTP", "is this the HTTP port?");
    case http_trouble::too_large:
        return {exit_code::failure, where.url + ": the answer is larger than this program takes"};
    case http_trouble::none:
    case http_trouble::send:
    case http_trouble::receive: break;
    }
    return unreachable(where, "the connection broke: " + reply.problem, "");
}

}  // namespace

struct http_client::impl
{
    explicit impl(target to) : where{std::move(to)}
    {
        limits.answer_bytes_max = answer_bytes_max;
        limits.wait = patience;
        limits.body_wait = patience;
    }

    // Runs until `ended` or a signal.
    void wait_for(bool const& ended)
    {
        while (!ended && !interrupted) {
            if (io.stopped())
                io.restart();
            io.run_one();
        }
    }

    [[nodiscard]] std::optional<failure> prepare();
    [[nodiscard]] net::http_call call_of(http_question const& question) const;
    [[nodiscard]] attempt<http_answer> exchange(http_question const& question, bool endless);

    target const where;
    net::http_call_limits limits;
    asio::io_context io{1};
    asio::signal_set signals{io};
    bool interrupted = false;
    std::optional<net::http_client> client;
    std::unique_ptr<net::http_download> rest;  // of an answer without an end
};

// Authorities are read when they are needed: reading those of the system takes longer than most commands.
std::optional<failure> http_client::impl::prepare()
{
    if (client)
        return std::nullopt;
    client.emplace(io, net::http_client::options{where.cacert, where.address.tls, 1});
    if (!where.address.tls || client->authorities_problem().empty())
        return std::nullopt;
    return failure{exit_code::usage,
                   "--cacert " + where.cacert + ": " + client->authorities_problem() + "; it must be PEM"};
}

net::http_call http_client::impl::call_of(http_question const& question) const
{
    net::http_call call{question.method, where.address, {}, question.body};
    call.where.target = where.base + question.path;
    if (!where.authorization.empty())
        call.headers.push_back({"Authorization", where.authorization});
    for (auto const& [name, value] : question.fields)
        call.headers.push_back({name, value});
    return call;
}

attempt<http_answer> http_client::impl::exchange(http_question const& question, bool endless)
{
    rest.reset();
    if (auto failed = prepare())
        return *failed;
    net::http_reply reply;
    bool ended = false;
    auto const answered = [&](net::http_reply got, std::unique_ptr<net::http_download> more) {
        reply = std::move(got);
        rest = std::move(more);
        ended = true;
    };
    if (endless)
        client->open(call_of(question), limits, answered);
    else
        client->ask(call_of(question), limits, [&](net::http_reply got) { answered(std::move(got), nullptr); });
    wait_for(ended);
    if (!ended) {
        client.reset();  // nobody is left to be told
        return failure{exit_code::failure, "interrupted"};
    }
    if (reply.trouble != http_trouble::none)
        return failure_of(where, reply);
    return http_answer{reply.status, std::move(reply.body)};
}

http_client::http_client(target where) : impl_{std::make_unique<impl>(std::move(where))} {}
http_client::~http_client() = default;

target const& http_client::where() const noexcept { return impl_->where; }
bool http_client::interrupted() const noexcept { return impl_->interrupted; }

void http_client::catch_signals()
{
    impl_->signals.add(SIGINT);
    impl_->signals.add(SIGTERM);
    impl_->signals.async_wait([this](error_code error, int) { impl_->interrupted = impl_->interrupted || !error; });
}

bool http_client::pause(std::chrono::milliseconds how_long)
{
    asio::steady_timer timer{impl_->io, how_long};
    bool over = false;
    timer.async_wait([&over](error_code) { over = true; });
    impl_->wait_for(over);
    timer.cancel();
    while (!over)
        impl_->io.run_one();
    return !impl_->interrupted;
}

attempt<http_answer> http_client::ask(http_question const& question) { return impl_->exchange(question, false); }

attempt<http_answer> http_client::open(http_question const& question) { return impl_->exchange(question, true); }

attempt<std::size_t> http_client::read(std::span<char> into)
{
    error_code failed;
    std::size_t got = 0;
    bool ended = false;
    if (impl_->interrupted || !impl_->rest)
        return got;
    impl_->rest->read(into, [&](error_code error, std::size_t bytes) {
        failed = error;
        got = bytes;
        ended = true;
    });
    impl_->wait_for(ended);
    if (!ended)
        impl_->rest.reset();  // nobody is left to be told
    else if (failed)
        return failure{exit_code::unreachable, failed.message()};
    return got;
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
