#include "frontends/cli/commands.hpp"

#include "broker/config_value.hpp"
#include "frontends/cli/history.hpp"
#include "frontends/cli/publish.hpp"
#include "frontends/cli/subscribe.hpp"
#include "frontends/cli/target.hpp"
#include "frontends/cli/token.hpp"
#include "frontends/cli/top.hpp"

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>

namespace fulmar::cli {

namespace {

constexpr char const* where_footer =
    "Without credentials those of the development app in ./fulmar-data are used, if the broker is on this machine.\n"
    "FULMAR_URL, FULMAR_KEY, FULMAR_SECRET, FULMAR_TOKEN and FULMAR_CACERT stand for the options of these names; secrets\n"
    "are better there, because others on this machine can see command lines.\n"
    "Exit codes: 0 success, 1 failure, 2 command line, 6 no broker answers, 7 credentials or permissions.";

// Everything the commands fill in; shared by their callbacks, which outlive add_commands.
struct options
{
    client_arguments client;
    publish_arguments publishing;
    subscribe_arguments subscribing;
    history_arguments reading;
    top_arguments watching;
    mint_arguments minting;
    key_arguments checking;
    std::string admin;
    std::string token;
    std::string config;
    std::string interval;
    std::string ttl = "1h";
    bool json = false;
    bool text = false;
};
using shared_options = std::shared_ptr<options>;

[[nodiscard]] std::string variable(char const* name)
{
    auto const* const value = std::getenv(name);
    return value == nullptr ? std::string{} : std::string{value};
}

[[nodiscard]] output output_of(options const& o)
{
    if (o.json || o.text)
        return output{o.json ? output_format::json : output_format::text};
    return output{};
}

[[nodiscard]] int finish(attempt<exit_code> const& ended)
{
    if (ended)
        return static_cast<int>(*ended);
    auto const failed = ended.error();
    (void)std::fflush(stdout);
    std::fprintf(stderr, "fulmar: error: %s\n", printable(failed.what).c_str());
    return static_cast<int>(failed.code);
}

// Reads a time such as "500ms"; a usage error otherwise.
[[nodiscard]] std::optional<failure> read_duration(std::string const& text, char const* option,
                                                   std::chrono::milliseconds& into)
{
    if (text.empty())
        return std::nullopt;
    auto const found = broker::parse_duration_ms(text);
    if (!found)
        return failure{exit_code::usage, std::string{option} + ": '" + text + "' is no time such as 500ms, 10s or 1h"};
    into = std::chrono::milliseconds{*found};
    return std::nullopt;
}

template <class Command>
[[nodiscard]] attempt<exit_code> with_broker(options const& o, Command command)
{
    std::signal(SIGPIPE, SIG_IGN);  // whoever reads our output may stop
    auto found = find_target(o.client, variable);
    if (!found)
        return found.error();
    http_client broker{std::move(*found)};
    auto out = output_of(o);
    return command(broker, out);
}

void add_client_options(CLI::App& command, options& o)
{
    command.add_option("-u,--url", o.client.url, "The broker's HTTP address [http://127.0.0.1:8080]")->type_name("URL");
    command.add_option("--key", o.client.key, "Key of an app, or a user name")->type_name("KEY");
    command.add_option("--secret", o.client.secret, "Its secret, or the password")->type_name("SECRET");
    command.add_option("--token", o.client.token, "A token (JWT) instead")->type_name("TOKEN");
    command.add_option("--cacert", o.client.cacert, "Authorities to trust instead of the system's (PEM)")
        ->type_name("FILE");
    command.add_option("--data-dir", o.client.data_dir, "Where the development app is looked for")
        ->type_name("DIR")
        ->capture_default_str();
}

void add_format_options(CLI::App& command, options& o)
{
    auto* const json = command.add_flag("--json", o.json, "One JSON object a line, also on a terminal");
    command.add_flag("--text", o.text, "Text, also into a pipe: payloads as they are")->excludes(json);
}

void add_pub(CLI::App& app, shared_options const& o, int& result)
{
    auto& command = *app.add_subcommand("pub", "Publish: fulmar pub hello/world 'It works'");
    auto& p = o->publishing;
    command.add_option("TOPIC", p.topic, "Topic name, or channel")->required();
    command.add_option("DATA", p.payload, "The payload; - reads it from standard input");
    command.add_flag("-l,--lines", p.lines, "One message for each line of standard input, as they come");
    command.add_option("-e,--event", p.event, "Event name (Pusher, SSE)")->type_name("NAME");
    command.add_flag("-r,--retain", p.retain, "Keep it as the topic's last message; without DATA, remove that");
    command.add_option("-q,--qos", p.qos, "0 or 1: whether durable subscribers get it")
        ->check(CLI::Range(0, 1))
        ->capture_default_str();
    command.add_option("--expiry", p.expiry_s, "Worth delivering for so many seconds")->type_name("SECONDS");
    command.add_option("--content-type", p.content_type, "What the payload is")->type_name("TYPE");
    command.add_option("-n,--count", p.count, "Publish it so often; 0: until Ctrl-C")->capture_default_str();
    command.add_option("--interval", o->interval, "Wait so long in between: 500ms, 10s")->type_name("TIME");
    command.add_flag("--quiet", p.quiet, "Say nothing about success");
    add_client_options(command, *o);
    add_format_options(command, *o);
    command.footer(std::string{"Success means that the broker has stored it, if anybody durable waits for it.\n"
                               "  fulmar pub orders '{\"number\":1}' --event created --content-type application/json\n"
                               "  tail -f access.log | fulmar pub --lines logs/web\n"
                               "  fulmar pub images/last - --retain < last.png\n"} +
                   where_footer);
    command.callback([o, &result] {
        auto& p = o->publishing;
        if (p.lines && p.payload && *p.payload != "-")
            return void(result = finish(failure{exit_code::usage, "--lines reads standard input: leave DATA out"}));
        if (auto failed = read_duration(o->interval, "--interval", p.interval))
            return void(result = finish(*failed));
        result = finish(with_broker(*o, [&](http_client& broker, output& out) {
            if (p.count != 1)
                broker.catch_signals();
            return publish(broker, p, out);
        }));
    });
}

void add_sub(CLI::App& app, shared_options const& o, int& result)
{
    auto& command = *app.add_subcommand("sub", "Subscribe and print: fulmar sub 'hello/#'");
    auto& s = o->subscribing;
    command.add_option("FILTER", s.filters, "Topic names or filters with + and #")->required();
    command.add_flag("-v,--verbose", s.verbose, "With time, topic and event name");
    command.add_option("-s,--since", s.since, "Begin there: an event id, earliest, a time, or so long ago (10m)")
        ->type_name("WHEN");
    command.add_option("--history", s.history, "Begin with the newest so many")
        ->type_name("N")
        ->check(CLI::Range(0, 1000));
    command.add_option("--session", s.session, "Keep what is missed, also of topics without history, under this name")
        ->type_name("NAME");
    command.add_option("-n,--count", s.count, "End with success after so many messages")->type_name("N");
    command.add_flag("--quiet", s.quiet, "Say nothing about the connection");
    add_client_options(command, *o);
    add_format_options(command, *o);
    command.footer(
        std::string{"Prints payloads on a terminal and one JSON object a line into a pipe. A lost connection comes "
                    "back and\ncontinues where it stopped; topics without history lose what was published "
                    "meanwhile.\n"
                    "  fulmar sub -v 'sensors/+/temperature' alarms\n"
                    "  fulmar sub --since 1h orders | jq .data\n"} +
        where_footer);
    command.callback([o, &result] {
        result = finish(
            with_broker(*o, [&](http_client& broker, output& out) { return subscribe(broker, o->subscribing, out); }));
    });
}

void add_history(CLI::App& app, shared_options const& o, int& result)
{
    auto& command = *app.add_subcommand("history", "Print what a topic has kept");
    auto& h = o->reading;
    command.add_option("TOPIC", h.topic, "Topic name")->required();
    command.add_option("-s,--since", h.since, "Begin after this event id, at a time, or so long ago (10m)")
        ->type_name("WHEN");
    command.add_option("--before", h.before, "With --reverse: begin before this event id")->type_name("ID");
    command.add_option("-n,--limit", h.limit, "At most so many; 0: everything")->capture_default_str();
    command.add_flag("-r,--reverse", h.reverse, "The newest first");
    add_client_options(command, *o);
    add_format_options(command, *o);
    command.footer(std::string{"Topics keep a history where a [[history]] rule of the configuration says so.\n"
                               "  fulmar history news/1 --reverse --limit 10\n"} +
                   where_footer);
    command.callback([o, &result] {
        result = finish(
            with_broker(*o, [&](http_client& broker, output& out) { return read_history(broker, o->reading, out); }));
    });
}

void add_top(CLI::App& app, shared_options const& o, int& result)
{
    auto& command = *app.add_subcommand("top", "Watch what a broker is doing");
    command.add_option("--admin", o->admin, "Its admin listener (FULMAR_ADMIN) [http://127.0.0.1:9090]")
        ->type_name("URL");
    command.add_option("--interval", o->interval, "Time between two looks [2s]")->type_name("TIME");
    command.add_flag("--once", o->watching.once, "One look at one interval, then end");
    add_format_options(command, *o);
    command.footer(
        "Redraws a terminal; writes one JSON object per interval into a pipe. Ctrl-C ends.\n"
        "  fulmar top --once --interval 10s | jq .messages_in_per_s");
    command.callback([o, &result] {
        std::signal(SIGPIPE, SIG_IGN);
        if (auto failed = read_duration(o->interval, "--interval", o->watching.interval))
            return void(result = finish(*failed));
        auto url = o->admin.empty() ? variable("FULMAR_ADMIN") : o->admin;
        auto found = address_of(url.empty() ? std::string{default_admin_url} : std::move(url));
        if (!found)
            return void(result = finish(found.error()));
        http_client admin{std::move(*found)};
        auto out = output_of(*o);
        result = finish(top(admin, o->watching, out));
    });
}

void add_key_options(CLI::App& command, options& o, key_arguments& keys)
{
    command.add_option("-c,--config", o.config, "Configuration with a [jwt] section")
        ->envname("FULMAR_CONFIG")
        ->type_name("FILE");
    command.add_option("--algorithm", keys.algorithm, "HS256, RS256, ES256 or EdDSA [the configuration's, or HS256]")
        ->type_name("ALG");
}

void add_mint(CLI::App& token, shared_options const& o, jwt_reader const& read_jwt, int& result)
{
    auto& command = *token.add_subcommand("mint", "Make a token and print it");
    auto& m = o->minting;
    add_key_options(command, *o, m.keys);
    command.add_option("--key-file", m.keys.key_file, "The secret for HS256, else a private key in PEM")
        ->type_name("FILE");
    command.add_option("--kid", m.key_id, "Id of the key, where there are several")->type_name("ID");
    command.add_option("--sub", m.subject, "Whose it is; needed for MQTT")->type_name("NAME");
    command.add_option("--publish", m.publish, "Topic filters it may publish to (repeatable)")
        ->type_name("FILTER")
        ->allow_extra_args(false);
    command.add_option("--subscribe", m.subscribe, "Topic filters it may read (repeatable)")
        ->type_name("FILTER")
        ->allow_extra_args(false);
    command.add_option("--ttl", o->ttl, "How long it is good: 10m, 1h, 30d")->type_name("TIME")->capture_default_str();
    command.add_option("--app", m.app, "Configured id of the app; without it the first")->type_name("ID");
    command.add_flag("--admin", m.admin, "May look at and end what belongs to others");
    command.footer(
        "  fulmar token mint --config fulmar.toml --sub ann --subscribe 'news/#' --publish 'chat/+' --ttl 12h");
    command.callback([o, read_jwt, &result] {
        auto& m = o->minting;
        if (auto failed = read_duration(o->ttl, "--ttl", m.ttl))
            return void(result = finish(*failed));
        if (m.ttl.count() <= 0)
            return void(result = finish(failure{exit_code::usage, "--ttl: a token that is never good is of no use"}));
        if (!o->config.empty() && !read_jwt(o->config, m.keys.configured))
            return void(result = static_cast<int>(exit_code::configuration));
        output out{output_format::text};
        result = finish(mint_token(m, broker::system_clock{}.wall(), out));
    });
}

void add_check(CLI::App& token, shared_options const& o, jwt_reader const& read_jwt, int& result)
{
    auto& command = *token.add_subcommand("check", "Explain a token, and say whether it would be accepted");
    add_key_options(command, *o, o->checking);
    command.add_option("TOKEN", o->token, "The token; - reads it from standard input")->required();
    command.add_option("--key-file", o->checking.key_file, "The secret for HS256, else a key in PEM")
        ->type_name("FILE");
    command.add_option("--jwks-file", o->checking.jwks_file, "Several public keys (JWKS)")->type_name("FILE");
    add_format_options(command, *o);
    command.footer(
        "Exit codes: 0 it would be accepted, 1 it would not, or there was no key to check it with.\n"
        "  fulmar token check - --config fulmar.toml < token");
    command.callback([o, read_jwt, &result] {
        if (!o->config.empty() && !read_jwt(o->config, o->checking.configured))
            return void(result = static_cast<int>(exit_code::configuration));
        if (o->token == "-")
            std::getline(std::cin, o->token);
        while (!o->token.empty() && std::string_view{" \t\r\n"}.find(o->token.back()) != std::string_view::npos)
            o->token.pop_back();
        auto out = output_of(*o);
        result = finish(explain_token(o->token, o->checking, broker::system_clock{}.wall(), out));
    });
}

}  // namespace

void add_commands(CLI::App& app, jwt_reader read_jwt, int& result)
{
    auto const shared = std::make_shared<options>();
    add_pub(app, shared, result);
    add_sub(app, shared, result);
    add_history(app, shared, result);
    add_top(app, shared, result);
    auto& token = *app.add_subcommand("token", "Make and explain tokens (JWT)")->require_subcommand(1);
    add_mint(token, shared, read_jwt, result);
    add_check(token, shared, read_jwt, result);
}

}  // namespace fulmar::cli
