#include "frontends/cli/publish.hpp"

#include "broker/topic.hpp"
#include "frontends/net/http_access.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <random>

#include <unistd.h>

namespace fulmar::cli {

namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

constexpr milliseconds busy_patience{30'000};
constexpr milliseconds busy_pause{200};

// So that a request that is sent again is not published again.
[[nodiscard]] std::string fresh_key()
{
    static std::random_device source;
    std::string out = "cli-";
    for (int i = 0; i < 4; ++i)
        out += std::to_string(source());
    return out;
}

[[nodiscard]] failure unreadable(int error)
{
    return {exit_code::failure, std::string{"standard input cannot be read: "} + std::strerror(error)};
}

// Appends what is there; false: that was all.
[[nodiscard]] attempt<bool> read_more(std::string& into)
{
    std::array<char, 65'536> some{};
    while (true) {
        auto const got = ::read(STDIN_FILENO, some.data(), some.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return unreadable(errno);
        into.append(some.data(), static_cast<std::size_t>(got));
        return got != 0;
    }
}

struct publishing
{
    http_client& broker;
    publish_arguments const& arguments;
    output& out;
    std::uint64_t published = 0;
    std::uint64_t logged = 0;
    std::uint64_t unmatched = 0;
    std::string last_id;

    // A broker that is busy is asked again for a while.
    [[nodiscard]] attempt<json::object> ask(http_question question);
    void note(json::object const& result);
    [[nodiscard]] std::optional<failure> send_one(std::string_view payload);
    [[nodiscard]] std::optional<failure> send_batch(std::vector<std::string_view> const& payloads);
    [[nodiscard]] std::optional<failure> send_lines(std::string& pending, bool complete);
    [[nodiscard]] std::optional<failure> publish_lines();
    [[nodiscard]] std::optional<failure> publish_repeatedly(std::string const& payload);
    void summarise();
};

attempt<json::object> publishing::ask(http_question question)
{
    question.fields.emplace_back("Idempotency-Key", fresh_key());
    for (auto waited = milliseconds{0};; waited += busy_pause) {
        auto answer = broker.ask(question);
        if (!answer)
            return answer.error();
        auto const busy = answer->status == 503 || answer->status == 429 || answer->status == 409;
        if (busy && waited < busy_patience && broker.pause(busy_pause))
            continue;
        if (answer->status != 200)
            return refusal_of(broker.where(), *answer);
        boost::system::error_code bad;
        auto parsed = json::parse(answer->body, bad);
        if (bad || !parsed.is_object())
            return failure{exit_code::failure, broker.where().url + " answers something else than a broker would"};
        return std::move(parsed.get_object());
    }
}

void publishing::note(json::object const& result)
{
    ++published;
    if (auto const* const id = result.if_contains("id"); id != nullptr && id->is_string()) {
        ++logged;
        last_id.assign(id->get_string().data(), id->get_string().size());
    }
    if (auto const* const matched = result.if_contains("matched"); matched != nullptr && matched->is_bool())
        unmatched += matched->get_bool() ? 0 : 1;
}

std::optional<failure> publishing::send_one(std::string_view payload)
{
    auto const result = ask(publish_question(arguments, payload));
    if (!result)
        return result.error();
    note(*result);
    if (out.json() && !arguments.quiet)
        out.line(json::serialize(*result));
    return std::nullopt;
}

std::optional<failure> publishing::send_batch(std::vector<std::string_view> const& payloads)
{
    auto const answer = ask(batch_question(arguments, payloads));
    if (!answer)
        return answer.error();
    if (auto const* const results = answer->if_contains("results"); results != nullptr && results->is_array())
        for (auto const& each : results->get_array())
            if (each.is_object())
                note(each.get_object());
    return std::nullopt;
}

// Sends the whole lines of `pending` and leaves the rest of it.
std::optional<failure> publishing::send_lines(std::string& pending, bool complete)
{
    std::vector<std::string_view> batch;
    std::size_t begin = 0;
    std::size_t sent = 0;
    std::size_t bytes = 0;
    auto const flush = [&]() -> std::optional<failure> {
        if (batch.empty())
            return std::nullopt;
        auto failed = send_batch(batch);
        batch.clear();
        bytes = 0;
        sent = begin;
        return failed;
    };
    while (begin < pending.size()) {
        auto end = pending.find('\n', begin);
        if (end == std::string::npos && !complete)
            break;
        end = std::min(end, pending.size());
        auto const one = std::string_view{pending}.substr(begin, end - begin);
        if (!batch.empty() && (batch.size() == batch_messages_max || bytes + one.size() > batch_bytes_max))
            if (auto failed = flush())
                return failed;
        batch.push_back(one);
        bytes += one.size();
        begin = std::min(end + 1, pending.size());
    }
    if (auto failed = flush())
        return failed;
    pending.erase(0, sent);
    return std::nullopt;
}

std::optional<failure> publishing::publish_lines()
{
    std::string pending;
    while (true) {
        auto const more = read_more(pending);
        if (!more)
            return more.error();
        if (auto failed = send_lines(pending, !*more))
            return failed;
        if (!*more)
            return std::nullopt;
        if (pending.size() > payload_bytes_max)
            return failure{exit_code::failure, "a line of standard input is longer than 16 MiB"};
    }
}

std::optional<failure> publishing::publish_repeatedly(std::string const& payload)
{
    for (std::uint64_t n = 0; arguments.count == 0 || n < arguments.count; ++n) {
        if (n != 0 && arguments.interval.count() > 0 && !broker.pause(arguments.interval))
            return std::nullopt;
        if (auto failed = send_one(payload))
            return failed;
        if (!out.flush())
            return std::nullopt;
    }
    return std::nullopt;
}

void publishing::summarise()
{
    if (arguments.quiet)
        return;
    if (out.json()) {
        if (!arguments.lines)
            return;
        json::object summary{{"published", published}, {"logged", logged}, {"unmatched", unmatched}};
        if (!last_id.empty())
            summary["last_id"] = last_id;
        return out.line(json::serialize(summary));
    }
    auto text = "published " + std::to_string(published) + (published == 1 ? " message" : " messages") + " to " +
                printable_line(arguments.topic);
    if (!last_id.empty())
        text += published == 1 ? ", id " + last_id : ", the last with id " + last_id;
    if (unmatched != 0)
        text += published == 1 ? "; nobody is subscribed now"
                               : "; nobody was subscribed to " + std::to_string(unmatched) + " of them";
    out.line(text);
}

}  // namespace

http_question publish_question(publish_arguments const& arguments, std::string_view payload)
{
    http_question out{"POST", "/v1/publish?topic=" + encoded_value(arguments.topic), std::string{payload}, {}};
    if (!arguments.event.empty())
        out.path += "&event=" + encoded_value(arguments.event);
    out.path += "&qos=" + std::to_string(arguments.qos);
    if (arguments.retain)
        out.path += "&retain=true";
    if (arguments.expiry_s != 0)
        out.path += "&expiry=" + std::to_string(arguments.expiry_s);
    if (!arguments.content_type.empty())
        out.fields.emplace_back("Content-Type", arguments.content_type);
    return out;
}

http_question batch_question(publish_arguments const& arguments, std::vector<std::string_view> const& payloads)
{
    json::object message{{"topic", arguments.topic}, {"qos", arguments.qos}};
    if (!arguments.event.empty())
        message["event"] = arguments.event;
    if (arguments.retain)
        message["retain"] = true;
    if (arguments.expiry_s != 0)
        message["expiry"] = arguments.expiry_s;
    if (!arguments.content_type.empty())
        message["content_type"] = arguments.content_type;
    http_question out{"POST", "/v1/publish/batch", {}, {{"Content-Type", "application/x-ndjson"}}};
    for (auto const payload : payloads) {
        auto one = message;
        if (broker::valid_utf8(payload)) {
            one["data"] = payload;
        } else {
            std::string text;
            net::append_base64(text, payload);
            one["data"] = text;
            one["encoding"] = "base64";
        }
        out.body += json::serialize(one);
        out.body += '\n';
    }
    return out;
}

attempt<exit_code> publish(http_client& broker, publish_arguments const& arguments, output& out)
{
    publishing run{broker, arguments, out};
    std::optional<failure> failed;
    if (arguments.lines) {
        failed = run.publish_lines();
    } else {
        auto payload = arguments.payload.value_or("");
        if (payload == "-") {
            payload.clear();
            for (auto more = attempt<bool>{true}; *more;) {
                more = read_more(payload);
                if (!more)
                    return more.error();
                if (payload.size() > payload_bytes_max)
                    return failure{exit_code::failure,
                                   "standard input is more than 16 MiB; --lines sends it line by line"};
            }
        }
        failed = run.publish_repeatedly(payload);
    }
    if (failed && run.published != 0)
        failed->what += " (" + std::to_string(run.published) + " were published before)";
    if (failed)
        return *failed;
    run.summarise();
    (void)out.flush();
    return exit_code::success;
}

}  // namespace fulmar::cli
