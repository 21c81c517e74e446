#include "frontends/cli/subscribe.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <utility>

namespace fulmar::cli {

namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

constexpr milliseconds first_pause{250};
constexpr milliseconds longest_pause{5'000};

struct subscription
{
    http_client& broker;
    subscribe_arguments const& arguments;
    output& out;
    event_parser events = {};
    std::string last_id = {};
    std::uint64_t printed = 0;
    bool finished = false;  // enough, or nobody reads any more
    bool lost_session = false;
    bool resumed = false;  // this is not the first connection
    milliseconds delay = first_pause;

    void say_unless_quiet(std::string_view what) const
    {
        if (!arguments.quiet)
            say(what);
    }
    void on_ready(json::object const& topics);
    void on_gap(server_event const& event, json::object const& places);
    void on_event(server_event const& event);
    void follow();
    [[nodiscard]] std::optional<failure> connect();
};

// Its session has kept everything.
[[nodiscard]] bool session_resumed(json::object const& ready)
{
    auto const* const session = ready.if_contains("session");
    auto const* const resumed =
        session == nullptr || !session->is_object() ? nullptr : session->get_object().if_contains("resumed");
    return resumed != nullptr && *resumed == json::value(true);
}

// After a reconnection: which topics have lost what was published meanwhile.
void subscription::on_ready(json::object const& topics)
{
    delay = first_pause;
    if (!std::exchange(resumed, true))
        return;
    std::string without;
    auto const* const list = session_resumed(topics) ? nullptr : topics.if_contains("topics");
    if (list != nullptr && list->is_array())
        for (auto const& each : list->get_array()) {
            auto const* const topic = each.is_object() ? each.get_object().if_contains("topic") : nullptr;
            auto const* const kept = each.is_object() ? each.get_object().if_contains("history") : nullptr;
            if (topic == nullptr || !topic->is_string() || kept == nullptr || *kept == json::value(true))
                continue;
            auto const& name = topic->get_string();
            without += (without.empty() ? "" : ", ") + printable_line({name.data(), name.size()});
        }
    say_unless_quiet(without.empty() ? "connected again, continuing where it stopped"
                                     : "connected again; what was published meanwhile is missing from topics without "
                                       "history: " +
                                           without);
}

void subscription::on_gap(server_event const& event, json::object const& places)
{
    say_unless_quiet("some messages are no longer there: " + printable_line(json::serialize(places)));
    if (out.json())
        out.line("{\"gap\":" + event.data + "}");
}

void subscription::on_event(server_event const& event)
{
    boost::system::error_code bad;
    auto const parsed = json::parse(event.data, bad);
    if (finished || bad || !parsed.is_object())
        return;
    auto const& object = parsed.get_object();
    // A publisher may call its event "ready", too: only messages name a topic.
    auto const message = read_message(object);
    if (!message && event.name == "ready")
        return on_ready(object);
    if (!message && event.name == "gap")
        return on_gap(event, object);
    if (!message && event.name == "taken-over")
        lost_session = finished = true;
    if (!message)
        return;
    print_message(out, *message, event.data, arguments.verbose);
    ++printed;
    finished = printed == arguments.count;
}

// Reads until the stream ends, whatever the reason.
void subscription::follow()
{
    events = {};
    std::array<char, 65'536> some{};
    std::vector<server_event> complete;
    while (!finished) {
        auto const got = broker.read(some);
        if (!got || *got == 0)
            return;
        complete.clear();
        if (!events.feed({some.data(), *got}, complete)) {
            say("an event is too large; starting again after it is not possible");
            finished = true;
        }
        for (auto const& each : complete)
            on_event(each);
        if (!events.last_id().empty())
            last_id = events.last_id();
        finished = !out.flush() || finished;
    }
}

// Nothing: a stream is open, or is worth another try.
std::optional<failure> subscription::connect()
{
    auto const answer = broker.open(stream_question(arguments, last_id));
    if (broker.interrupted())
        return std::nullopt;
    if (answer && answer->status == 200) {
        follow();
        return std::nullopt;
    }
    auto const why = answer ? refusal_of(broker.where(), *answer) : answer.error();
    auto const passing = !answer || answer->status == 503 || answer->status == 429;
    if (!resumed || !passing)
        return why;
    return std::nullopt;
}

}  // namespace

http_question stream_question(subscribe_arguments const& arguments, std::string_view last_id)
{
    json::array topics;
    for (auto const& each : arguments.filters)
        topics.emplace_back(each);
    json::object body{{"topics", std::move(topics)}, {"format", "json"}};
    if (!arguments.since.empty())
        body["since"] = arguments.since;
    if (!arguments.session.empty())
        body["session"] = arguments.session;
    if (arguments.history)
        body["history"] = *arguments.history;
    http_question out{"POST", "/sse", json::serialize(body), {{"Content-Type", "application/json"}}};
    if (!last_id.empty())
        out.fields.emplace_back("Last-Event-ID", last_id);
    return out;
}

void print_message(output& out, shown_message const& message, std::string_view object, bool verbose)
{
    if (out.json())
        return out.line(object);
    std::string prefix;
    if (verbose) {
        auto const time = time_text(message.time);
        auto head = std::string_view{time}.substr(time.find(' ') + 1);
        prefix = out.dimmed(head) + " " + out.bold(printable_line(message.topic)) + " ";
        if (!message.event.empty())
            prefix += out.dimmed("[" + printable_line(message.event) + "]") + " ";
    }
    out.payload_line(prefix, message.payload);
}

attempt<exit_code> subscribe(http_client& broker, subscribe_arguments const& arguments, output& out)
{
    broker.catch_signals();
    subscription run{broker, arguments, out};
    while (true) {
        if (auto failed = run.connect())
            return *failed;
        if (broker.interrupted() || run.finished) {
            (void)out.flush();
            if (run.lost_session)
                return failure{exit_code::failure, "another reader uses the session '" + arguments.session + "' now"};
            return exit_code::success;
        }
        if (!run.resumed)
            return failure{exit_code::unreachable, broker.where().url + ": the stream ended before it began"};
        if (run.delay == first_pause)
            run.say_unless_quiet("the connection to " + broker.where().url + " is lost; trying again");
        if (!broker.pause(run.delay))
            return exit_code::success;
        run.delay = std::min(run.delay * 2, longest_pause);
    }
}

}  // namespace fulmar::cli
