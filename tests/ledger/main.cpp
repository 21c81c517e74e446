// fulmar_ledger load: publishes, receives and keeps books; then checks them.
// fulmar_ledger check: checks the books of an earlier run.
//
// Exit codes: 0 the broker kept every promise, 1 it did not, 2 the tool was used wrongly.

#include "tests/ledger/checker.hpp"
#include "tests/ledger/load_run.hpp"

#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <iostream>

namespace {

using namespace fulmar::ledger;

int judge(std::filesystem::path const& journals, bool complete)
{
    auto const v = check(read_publishers(journals), read_sessions(journals));
    std::cout << "{\"verdict\":";
    write_json(std::cout, v);
    std::cout << ",\"complete\":" << (complete ? "true" : "false") << "}" << std::endl;
    return v.clean() && complete && v.acknowledged > 0 ? 0 : 1;
}

void add_load_options(CLI::App& load, run_settings& s)
{
    static std::map<std::string, sabotage> const faults{{"none", sabotage::none},
                                                        {"lose", sabotage::lose},
                                                        {"swap", sabotage::swap},
                                                        {"corrupt", sabotage::corrupt},
                                                        {"repeat", sabotage::repeat}};
    load.add_option("--port", s.port, "MQTT port of the broker on 127.0.0.1")->required();
    load.add_option("--journals", s.journals, "directory for the books")->required();
    load.add_option("--run", s.run, "number of this run, part of every topic");
    load.add_option("--seed", s.seed, "seed of all random choices");
    load.add_option("--publishers", s.publishers)->check(CLI::Range(1, 400));
    load.add_option("--topics", s.topics, "topics of each publisher")->check(CLI::Range(1, 1000));
    load.add_option("--sessions", s.sessions)->check(CLI::Range(1, 400));
    load.add_option("--qos", s.qos)->check(CLI::IsMember({"1", "2", "mix"}));
    load.add_option("--rate", s.rate_per_s, "messages per second of all publishers together");
    load.add_option("--window", s.window, "unacknowledged messages of each publisher")->check(CLI::Range(1, 60000));
    load.add_option("--payload", s.payload_bytes);
    load.add_option("--seconds", s.seconds, "0: until a line comes on standard input");
    load.add_option("--drain-seconds", s.drain_seconds, "how long the end may take");
    load.add_option("--flap-ms", s.flap_ms, "mean time between coming and going");
    load.add_flag("--all-online", s.all_online, "no session comes and goes");
    load.add_option("--sabotage", s.fault, "put a fault between socket and books: the check must fail")
        ->transform(CLI::CheckedTransformer(faults));
}

}  // namespace

int main(int argc, char** argv)
{
    std::signal(SIGPIPE, SIG_IGN);
    CLI::App app{"Loads an MQTT broker and proves what it lost, changed, reordered or repeated."};
    app.require_subcommand(1);
    run_settings settings;
    auto* const load = app.add_subcommand("load", "publish, receive, keep books, check them");
    add_load_options(*load, settings);
    std::filesystem::path journals;
    auto* const inspect = app.add_subcommand("check", "check the books of an earlier run");
    inspect->add_option("journals", journals)->required();
    try {
        app.parse(argc, argv);
        if (*inspect)
            return judge(journals, true);
        bool complete = false;
        {
            load_run run{settings};
            complete = run.execute(std::cout);
        }
        return judge(settings.journals, complete);
    } catch (CLI::ParseError const& e) {
        return app.exit(e) == 0 ? 0 : 2;
    } catch (std::exception const& e) {
        std::cerr << "fulmar_ledger: " << e.what() << '\n';
        return 2;
    }
}
