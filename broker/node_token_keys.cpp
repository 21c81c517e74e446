#include "broker/node_token_keys.hpp"

#include "frontends/admin/metric_writer.hpp"
#include "frontends/auth/jwks_refresher.hpp"
#include "frontends/auth/token_authenticator.hpp"
#include "frontends/net/http_client.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <thread>
#include <utility>

namespace fulmar {

struct token_key_fetcher::parts
{
    parts(auth::token_authenticator& all, broker::jwt_settings const& settings)
        : tokens{all},
          where{broker::parse_web_address(settings.jwks_url).value()},
          client{io, {{}, where.tls, 1}},
          refresher{io, settings.jwks_refresh, [this](auto then) { fetch(std::move(then)); },
                    [this](std::string_view text) { return tokens.take_keys(text); }}
    {
        limits.answer_bytes_max = auth::key_file_bytes_max;
        limits.wait = fetch_wait;
    }

    void fetch(std::function<void(auth::jwks_refresher::answer)> then)
    {
        net::http_call call{"GET", where, {{"Accept", "application/jwk-set+json, application/json"}}, {}};
        client.ask(std::move(call), limits, [then = std::move(then)](net::http_reply reply) {
            if (reply.trouble == net::http_trouble::none && reply.status != 200)
                reply.problem = "the server answers with status " + std::to_string(reply.status);
            then({std::move(reply.body), std::move(reply.problem)});
        });
    }

    auth::token_authenticator& tokens;
    broker::web_address const where;
    net::http_call_limits limits;
    boost::asio::io_context io{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard{io.get_executor()};
    net::http_client client;
    auth::jwks_refresher refresher;
    std::thread thread;
};

token_key_fetcher::token_key_fetcher(auth::token_authenticator& tokens, broker::jwt_settings const& settings)
    : parts_{std::make_unique<parts>(tokens, settings)}
{
    tokens.ask_for_keys([to = &parts_->refresher] { to->ask(); });
}

token_key_fetcher::~token_key_fetcher()
{
    if (!parts_->thread.joinable())
        return;
    parts_->io.stop();
    parts_->thread.join();
}

void token_key_fetcher::start()
{
    parts_->thread = std::thread{[at = parts_.get()] {
        at->refresher.start();
        at->io.run();
    }};
}

void token_key_fetcher::write_metrics(admin::metric_writer& out) const
{
    auto const help = "Fetches of jwt.jwks_url, by outcome";
    auto const& from = parts_->refresher;
    out.counter("fulmar_jwks_fetches_total", help, static_cast<double>(from.fetched()), {{"outcome", "taken"}});
    out.counter("fulmar_jwks_fetches_total", help, static_cast<double>(from.failed()), {{"outcome", "failed"}});
    out.gauge("fulmar_jwks_keys", "Keys in force that came from jwt.jwks_url",
              static_cast<double>(parts_->tokens.key_count()));
}

}  // namespace fulmar
