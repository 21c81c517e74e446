#include "frontends/cli/history.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace fulmar::cli {

namespace {

namespace json = boost::json;

void print_past(output& out, json::object const& object)
{
    auto const message = read_message(object);
    if (!message)
        return;
    if (out.json())
        return out.line(json::serialize(object));
    auto prefix = out.dimmed(time_text(message->time) + "  " + message->id) + "  ";
    if (!message->event.empty())
        prefix += out.dimmed("[" + printable_line(message->event) + "]") + " ";
    out.payload_line(prefix, message->payload);
}

[[nodiscard]] attempt<json::object> ask(http_client& broker, http_question const& question)
{
    auto const answer = broker.ask(question);
    if (!answer)
        return answer.error();
    if (answer->status != 200)
        return refusal_of(broker.where(), *answer);
    boost::system::error_code bad;
    auto parsed = json::parse(answer->body, bad);
    auto const* const object = bad ? nullptr : parsed.if_object();
    auto const* const messages = object == nullptr ? nullptr : object->if_contains("messages");
    if (messages == nullptr || !messages->is_array())
        return failure{exit_code::failure, broker.where().url + " answers something else than a broker would"};
    return std::move(parsed.get_object());
}

}  // namespace

http_question history_question(history_arguments const& arguments, std::uint64_t limit)
{
    http_question out{"GET", "/v1/history/" + encoded_path(arguments.topic) + "?limit=" + std::to_string(limit)};
    if (!arguments.since.empty())
        out.path += "&since=" + encoded_value(arguments.since);
    if (!arguments.before.empty())
        out.path += "&before=" + encoded_value(arguments.before);
    if (arguments.reverse)
        out.path += "&reverse=true";
    return out;
}

attempt<exit_code> read_history(http_client& broker, history_arguments const& arguments, output& out)
{
    auto page = arguments;
    auto const everything = arguments.limit == 0;
    auto left = everything ? page_messages_max : arguments.limit;
    bool gap = false;
    while (left != 0) {
        auto const wanted = std::min(left, page_messages_max);
        auto const answer = ask(broker, history_question(page, wanted));
        if (!answer)
            return answer.error();
        for (auto const& each : answer->at("messages").get_array()) {
            if (each.is_object())
                print_past(out, each.get_object());
            left -= everything || left == 0 ? 0 : 1;
        }
        auto const* const lost = answer->if_contains("gap");
        gap = gap || (lost != nullptr && *lost == json::value(true));
        auto const* const next = answer->if_contains("next");
        if (!out.flush() || next == nullptr || !next->is_string())
            break;
        (arguments.reverse ? page.before : page.since).assign(next->get_string().data(), next->get_string().size());
    }
    if (gap)
        say("some messages after that place are no longer there");
    return exit_code::success;
}

}  // namespace fulmar::cli
