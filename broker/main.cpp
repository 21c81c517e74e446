// The command line: arguments, configuration, exit codes, and nothing else.
#include "bench/load/run.hpp"
#include "broker/config.hpp"
#include "broker/config_apps.hpp"
#include "broker/doctor.hpp"
#include "broker/node_session_token.hpp"
#include "broker/server.hpp"
#include "frontends/auth/password_file.hpp"
#include "frontends/auth/password_prompt.hpp"
#include "frontends/cli/commands.hpp"
#include "storage/inspection.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include <CLI/CLI.hpp>

namespace {

using namespace fulmar;

constexpr char const* help_footer = R"(Examples:
  fulmar serve                                   on this machine only, data in ./fulmar-data
  fulmar serve --config fulmar.toml --log-format json
  fulmar serve --set listeners.mqtt.port=2883 --set mqtt.max_qos=1
  FULMAR_STORAGE_DURABILITY=os fulmar serve      every setting has an environment name
  fulmar config check --config fulmar.toml       every mistake with its line and its cure
  fulmar config show --config fulmar.toml        effective values and where each came from
  fulmar user add alice --password-file users    asks for the password
  fulmar store check --data-dir ./fulmar-data    with the broker stopped
  fulmar session-token --config fulmar.toml      a signed wsPath for a Pusher client
  fulmar doctor --config fulmar.toml             is this machine set up for it?
  fulmar sub -v 'hello/#'                        prints what is published; docs/cli.md has all client commands
  fulmar pub hello/world 'It works'
  fulmar token mint --config fulmar.toml --sub ann --subscribe 'news/#'
  fulmar top                                     what this broker is doing now
  fulmar bench fanout --pid $(pidof fulmar)      measures this broker, or another one, and checks every delivery

Settings: defaults, then the file, then the environment, then flags; the last one decides.
Signals:  SIGTERM, SIGINT drain and stop. SIGHUP reads password and ACL files, certificates and the log level again.
Exit codes: 0 success, 1 failure, 2 command line, 3 configuration, 4 address or port unusable, 5 store unusable,
            6 no broker answers, 7 credentials or permissions.)";

constexpr int code(exit_code c) { return static_cast<int>(c); }

// What the commands that read a configuration have in common.
struct config_arguments
{
    std::string file;
    std::vector<std::string> sets;
    std::vector<std::string> named = std::vector<std::string>(broker::setting_flags().size());
};

void add_config_options(CLI::App& command, config_arguments& arguments)
{
    command.add_option("-c,--config", arguments.file, "Configuration file (TOML)")
        ->envname("FULMAR_CONFIG")
        ->type_name("FILE");
    command.add_option("--set", arguments.sets, "Any setting: --set section.key=value (repeatable)")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
    auto const flags = broker::setting_flags();
    for (std::size_t i = 0; i < flags.size(); ++i) {
        auto const* row = broker::find_setting(flags[i].key);
        command.add_option(std::string{flags[i].flag}, arguments.named[i], std::string{row->description})
            ->type_name(row->type_name());
    }
}

broker::config_source source_of(config_arguments const& arguments)
{
    broker::config_source source;
    source.file = arguments.file;
    source.environment = broker::fulmar_environment();
    auto const flags = broker::setting_flags();
    for (std::size_t i = 0; i < flags.size(); ++i) {
        if (!arguments.named[i].empty())
            source.flags.push_back({std::string{flags[i].flag}, std::string{flags[i].key}, arguments.named[i]});
    }
    for (auto const& set : arguments.sets) {
        auto const equals = set.find('=');
        auto const key = set.substr(0, equals);
        source.flags.push_back({"--set " + key, key, equals == std::string::npos ? "" : set.substr(equals + 1)});
    }
    return source;
}

void print(std::vector<broker::config_problem> const& problems, char const* kind)
{
    for (auto const& problem : problems)
        std::fprintf(stderr, "fulmar: %s: %s\n", kind, problem.text().c_str());
}

broker::configuration load(config_arguments const& arguments)
{
    auto loaded = broker::load_configuration(source_of(arguments));
    print(loaded.warnings, "warning");
    print(loaded.problems, "error");
    return loaded;
}

struct serve_arguments
{
    config_arguments config;
    bool conformance = false;
    std::string ports_file;
};

std::unique_ptr<broker::settings> reread(config_arguments const& arguments, std::string& problems)
{
    auto loaded = broker::load_configuration(source_of(arguments));
    for (auto const& problem : loaded.problems)
        problems.append(problems.empty() ? "" : "\n").append(problem.text());
    return loaded.usable() ? std::make_unique<broker::settings>(std::move(loaded.values)) : nullptr;
}

int run_serve(serve_arguments const& arguments)
{
    auto loaded = load(arguments.config);
    if (!loaded.usable())
        return code(exit_code::configuration);
    auto& values = loaded.values;
    if (arguments.conformance &&
        !(broker::is_loopback(values.listeners.http.address) && broker::is_loopback(values.listeners.https.address))) {
        std::fputs(
            "fulmar: error: --conformance echoes whatever it is sent and is for loopback only; bind listeners.http and "
            "listeners.https to 127.0.0.1\n",
            stderr);
        return code(exit_code::configuration);
    }
    values.run.conformance = arguments.conformance;
    values.run.ports_file = arguments.ports_file;
    values.run.reread = [config = arguments.config](std::string& problems) { return reread(config, problems); };
    broker::start_log(values.log.format, values.log.level);
    return serve(values);
}

int run_config_check(config_arguments const& arguments)
{
    auto const loaded = load(arguments);
    if (!loaded.usable())
        return code(exit_code::configuration);
    std::printf("%s: no mistakes found\n", arguments.file.empty() ? "configuration" : arguments.file.c_str());
    return code(exit_code::success);
}

int run_config_show(config_arguments const& arguments)
{
    auto const loaded = load(arguments);
    std::fputs(broker::show_configuration(loaded).c_str(), stdout);
    return code(loaded.usable() ? exit_code::success : exit_code::configuration);
}

// --- users -----------------------------------------------------------------------------------------

struct user_arguments
{
    config_arguments config;
    std::string password_file;
    std::string name;
    std::uint32_t iterations = auth::iterations_default;
};

enum class user_action { add, change, erase, list };

int complain(std::string const& what, exit_code c)
{
    std::fprintf(stderr, "fulmar: error: %s\n", what.c_str());
    return code(c);
}

// The file named on the command line, else the configured one; empty with a message if there is none.
std::string password_file_of(user_arguments const& arguments)
{
    if (!arguments.password_file.empty())
        return arguments.password_file;
    auto const loaded = broker::load_configuration(source_of(arguments.config));  // it may not exist yet: not checked
    return loaded.values.access.password_file;
}

int change_password(auth::password_file& users, user_arguments const& arguments)
{
    auto const password = auth::ask_password("Password for " + arguments.name);
    if (!password)
        return complain("no password was given, or the two differ", exit_code::failure);
    auto hash = auth::make_password_hash(*password, arguments.iterations);
    if (!hash || users.set(arguments.name, std::move(*hash)))
        return complain("the password could not be hashed", exit_code::failure);
    return code(exit_code::success);
}

int edit_users(auth::password_file& users, user_arguments const& arguments, user_action action)
{
    auto const& name = arguments.name;
    if (!auth::valid_user_name(name))
        return complain("a user name is 1 to 255 bytes without ':' and control characters", exit_code::usage);
    bool const known = users.find(name) != nullptr;
    if (action == user_action::add && known)
        return complain("'" + name + "' exists; change the password with: fulmar user passwd " + name,
                        exit_code::failure);
    if (action != user_action::add && !known)
        return complain("there is no user '" + name + "'", exit_code::failure);
    if (action == user_action::erase)
        return users.erase(name) ? code(exit_code::success) : code(exit_code::failure);
    return change_password(users, arguments);
}

int run_user(user_arguments const& arguments, user_action action)
{
    auto const path = password_file_of(arguments);
    if (path.empty())
        return complain("no password file: give --password-file FILE, or set access.password_file", exit_code::usage);
    auth::password_file users;
    std::string problem;
    struct stat found = {};
    bool const exists = stat(path.c_str(), &found) == 0;
    if (exists && !users.load(path, problem))
        return complain(problem, exit_code::configuration);
    if (!exists && action != user_action::add)
        return complain(path + " does not exist; create it with: fulmar user add NAME", exit_code::configuration);
    if (action == user_action::list) {
        for (auto const& [name, hash] : users.users())
            std::printf("%s\n", name.c_str());
        return code(exit_code::success);
    }
    if (auto const failed = edit_users(users, arguments, action); failed != 0)
        return failed;
    if (auto const error = users.save(path))
        return complain(path + " cannot be written: " + error.message(), exit_code::failure);
    std::printf("%s written; a running broker reads it at SIGHUP\n", path.c_str());
    return code(exit_code::success);
}

void add_user_command(CLI::App& parent, char const* name, char const* what, user_action action,
                      user_arguments& arguments, int& result)
{
    auto& command = *parent.add_subcommand(name, what);
    if (action != user_action::list)
        command.add_option("NAME", arguments.name, "User name")->required();
    command.add_option("-f,--password-file", arguments.password_file, "Password file; created by add")
        ->type_name("FILE");
    command.add_option("-c,--config", arguments.config.file, "Configuration that names the password file")
        ->envname("FULMAR_CONFIG")
        ->type_name("FILE");
    if (action == user_action::add || action == user_action::change)
        command.add_option("--iterations", arguments.iterations, "Cost of the password hash")
            ->check(CLI::Range(auth::iterations_min, auth::iterations_max))
            ->capture_default_str();
    command.callback([&arguments, &result, action] { result = run_user(arguments, action); });
}

// --- the store -------------------------------------------------------------------------------------

int run_store(config_arguments const& arguments, bool repair)
{
    auto const loaded = load(arguments);
    if (!loaded.usable())
        return code(exit_code::configuration);
    auto const& directory = loaded.values.node.data_dir;
    bool const sound =
        repair ? storage::repair_store(directory, std::cout) : storage::check_store(directory, std::cout);
    return code(sound ? exit_code::success : exit_code::store);
}

int run_doctor(config_arguments const& arguments, bool json)
{
    auto const loaded = load(arguments);
    if (!loaded.usable())
        return code(exit_code::configuration);
    auto const findings = broker::check_machine(broker::probe_machine(loaded.values), loaded.values);
    std::fputs((json ? broker::doctor_json(findings) : broker::doctor_table(findings)).c_str(), stdout);
    return code(broker::fit_to_run(findings) ? exit_code::success : exit_code::failure);
}

int run_session_token(config_arguments const& arguments, session_token_request const& wanted)
{
    auto const loaded = load(arguments);
    if (!loaded.usable())
        return code(exit_code::configuration);
    auto const problem = print_session_token(loaded.values, wanted);
    return problem.empty() ? code(exit_code::success) : complain(problem, exit_code::failure);
}

// --- the whole -------------------------------------------------------------------------------------

// What every command fills in; outlives the parsing.
struct command_line
{
    serve_arguments serving;
    config_arguments configured;
    user_arguments users;
    session_token_request token;
    bool json = false;
    int result = 0;
};

void add_serve_command(CLI::App& app, command_line& line)
{
    auto& command = *app.add_subcommand("serve", "Run the broker until SIGTERM");
    add_config_options(command, line.serving.config);
    command.add_flag("--conformance", line.serving.conformance, "Add /echo for public protocol suites (loopback only)");
    command
        .add_option("--ports-file", line.serving.ports_file, "Write the ports in use as JSON once everything listens")
        ->type_name("FILE");
    command.callback([&line] { line.result = run_serve(line.serving); });
}

void add_config_commands(CLI::App& app, command_line& line)
{
    auto& config = *app.add_subcommand("config", "Check or show the configuration")->require_subcommand(1);
    auto& check = *config.add_subcommand("check", "Name every mistake with its place and its cure");
    add_config_options(check, line.configured);
    check.callback([&line] { line.result = run_config_check(line.configured); });
    auto& show = *config.add_subcommand("show", "Print the effective values and where each came from");
    add_config_options(show, line.configured);
    show.callback([&line] { line.result = run_config_show(line.configured); });
    config.add_subcommand("reference", "Print the tables of all settings (Markdown)")->callback([] {
        std::fputs((broker::settings_reference() + "\n" + broker::apps_reference()).c_str(), stdout);
    });
}

void add_user_commands(CLI::App& app, command_line& line)
{
    auto& user = *app.add_subcommand("user", "Change the password file")->require_subcommand(1);
    user.footer("The password is asked for, or read as one line from standard input if that is not a terminal.");
    add_user_command(user, "add", "Add a user", user_action::add, line.users, line.result);
    add_user_command(user, "passwd", "Change a user's password", user_action::change, line.users, line.result);
    add_user_command(user, "del", "Remove a user", user_action::erase, line.users, line.result);
    add_user_command(user, "list", "List the users", user_action::list, line.users, line.result);
}

void add_store_commands(CLI::App& app, command_line& line)
{
    auto& store =
        *app.add_subcommand("store", "Check or repair the database of a stopped broker")->require_subcommand(1);
    auto& check = *store.add_subcommand("check", "Read everything and report damage");
    add_config_options(check, line.configured);
    check.callback([&line] { line.result = run_store(line.configured, false); });
    auto& repair = *store.add_subcommand("repair", "Keep what is sound and report what was lost");
    add_config_options(repair, line.configured);
    repair.callback([&line] { line.result = run_store(line.configured, true); });
}

void add_doctor_command(CLI::App& app, command_line& line)
{
    auto& command = *app.add_subcommand("doctor", "Check whether this machine fits the configuration");
    add_config_options(command, line.configured);
    command.add_flag("--json", line.json, "Print the findings as one JSON object");
    command.footer("Says what to set. Exit codes: 0 nothing has to change (warnings aside), 1 something has to.");
    command.callback([&line] { line.result = run_doctor(line.configured, line.json); });
}

void add_session_token_command(CLI::App& app, command_line& line)
{
    auto& command = *app.add_subcommand("session-token", "Print the wsPath of a durable session, signed for an app");
    add_config_options(command, line.configured);
    command.add_option("--app", line.token.app, "Id of the app")->type_name("ID");
    command.add_option("SESSION", line.token.id, "Session id; a random one if there is none");
    command.callback([&line] { line.result = run_session_token(line.configured, line.token); });
}

bool read_jwt_settings(std::string const& file, broker::jwt_settings& out)
{
    config_arguments arguments;
    arguments.file = file;
    auto const loaded = load(arguments);
    out = loaded.values.jwt;
    return loaded.usable();
}

int run(int argc, char** argv)
{
    if (argc >= 2 && std::string_view{argv[1]} == "bench")  // has a command line of its own
        return load::run(argc - 1, argv + 1, "fulmar bench");
    CLI::App app{"Fulmar: a self-hosted realtime message broker that never loses an acknowledged message."};
    app.name("fulmar");
    app.footer(help_footer);
    app.require_subcommand(1);
    app.set_help_all_flag("--help-all", "Help for every command");
    app.set_version_flag("--version", "fulmar " FULMAR_VERSION, "Print the version");
    command_line line;
    add_serve_command(app, line);
    add_config_commands(app, line);
    add_user_commands(app, line);
    add_store_commands(app, line);
    add_doctor_command(app, line);
    add_session_token_command(app, line);
    cli::add_commands(app, read_jwt_settings, line.result);
    app.add_subcommand("bench", "Measure a broker; see fulmar bench --help");
    app.add_subcommand("version", "Print the version")->callback([] { std::printf("fulmar %s\n", FULMAR_VERSION); });
    try {
        app.parse(argc, argv);
    } catch (CLI::ParseError const& error) {
        return app.exit(error) == 0 ? code(exit_code::success) : code(exit_code::usage);
    }
    return line.result;
}

}  // namespace

int main(int argc, char** argv)
{
    umask(077);  // what the broker stores is for its own user
    try {
        return run(argc, argv);
    } catch (std::exception const& error) {
        std::fprintf(stderr, "fulmar: error: %s\n", error.what());
        return code(exit_code::failure);
    }
}
