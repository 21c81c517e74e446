#include "frontends/sse/stream_request.hpp"

#include "broker/topic.hpp"
#include "frontends/net/http_query.hpp"
#include "frontends/net/message_json.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace fulmar::sse {

namespace {

namespace json = boost::json;

constexpr std::string_view taken_over_mark = ";taken-over";

[[nodiscard]] bool valid_name(std::string_view text) noexcept
{
    auto const allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    };
    return !text.empty() && text.size() <= session_name_max && std::all_of(text.begin(), text.end(), allowed);
}

// Fills a stream_request member by member; the first problem is the one that counts.
class reader
{
public:
    reader(std::size_t topics_max, broker::wall_ms now) : topics_max_{topics_max}, now_{now} {}

    void topic(std::string_view text)
    {
        if (out_.topics.size() == topics_max_ && !known(text))
            return fail("there are too many topics");
        if (!broker::valid_utf8(text) || !broker::valid_topic_filter(text) || broker::parse_shared(text))
            return fail("a topic is no valid topic name or filter");
        if (!known(text))
            out_.topics.emplace_back(text);
    }

    void since(std::string_view text)
    {
        auto const place = net::parse_since(text, now_);
        place ? void(out_.begin = *place) : fail("since is neither an event id nor a time");
    }

    void history(std::uint64_t count)
    {
        if (count > history_events_max)
            return fail("history is more than 1000 events");
        if (out_.begin.what == starting_point::kind::now && count > 0)
            out_.begin = {starting_point::kind::newest, 0, 0, static_cast<std::size_t>(count)};
    }

    // A browser sends it by itself when it comes back, to the same URL: it counts before everything else. An id that is not
    // ours means that something is missing, not that nothing may be read.
    void last_event_id(std::string_view text)
    {
        if (text.empty())
            return;
        out_.came_back = true;
        out_.was_taken_over = text.ends_with(taken_over_mark);
        if (out_.was_taken_over)
            text.remove_suffix(taken_over_mark.size());
        out_.begin = {starting_point::kind::cursor, net::parse_cursor(text).value_or(broker::log_end), 0, 0};
    }

    void format(std::string_view text)
    {
        if (text == "raw")
            out_.format = event_format::raw;
        else if (text == "json")
            out_.format = event_format::json;
        else if (text == "ndjson")
            out_.format = event_format::ndjson;
        else
            fail("format is neither raw, json nor ndjson");
    }

    void session(std::string_view text)
    {
        valid_name(text) ? void(out_.session = text)
                         : fail("session is no name of 1 to 64 letters, digits, '-' and '_'");
    }

    void ticket(std::string_view text) { out_.ticket = text; }
    void fail(std::string_view why)
    {
        if (problem_.empty())
            problem_ = why;
    }

    read_request finish()
    {
        if (out_.topics.empty())
            fail("no topic is given: ?topic=a/b");
        if (!problem_.empty())
            return {std::nullopt, std::move(problem_)};
        return {std::move(out_), {}};
    }

private:
    [[nodiscard]] bool known(std::string_view text) const
    {
        return std::find(out_.topics.begin(), out_.topics.end(), text) != out_.topics.end();
    }

    std::size_t topics_max_;
    broker::wall_ms now_;
    stream_request out_;
    std::string problem_;
};

std::string_view text_of(json::string const& text) { return {text.data(), text.size()}; }

void read_member(reader& into, std::string_view name, json::value const& value)
{
    auto const* const text = value.if_string();
    if (name == "topics" && value.is_array()) {
        for (auto const& each : value.get_array())
            each.is_string() ? into.topic(text_of(each.get_string())) : into.fail("a topic is no text");
    } else if (name == "topic" && text != nullptr) {
        into.topic(text_of(*text));
    } else if (name == "since" && text != nullptr) {
        into.since(text_of(*text));
    } else if (name == "last_event_id" && text != nullptr) {
        into.last_event_id(text_of(*text));
    } else if (name == "format" && text != nullptr) {
        into.format(text_of(*text));
    } else if (name == "session" && text != nullptr) {
        into.session(text_of(*text));
    } else if (name == "history" && (value.is_int64() || value.is_uint64())) {
        auto const count = value.is_int64() ? value.get_int64() : std::int64_t{-1};
        count < 0 ? into.fail("history is no count") : into.history(static_cast<std::uint64_t>(count));
    } else {
        into.fail(
            "the body has a member that is not known, or of another type: topics, since, history, format, session");
    }
}

void read_body(reader& into, std::string_view body)
{
    json::parse_options options;
    options.max_depth = 32;
    boost::system::error_code bad;
    auto const parsed = json::parse(body, bad, {}, options);
    auto const* const object = bad ? nullptr : parsed.if_object();
    if (object == nullptr)
        return into.fail("the body is no JSON object");
    // `since` is what `history` gives way to, whatever their order.
    for (auto const& [name, value] : *object)
        if (name != "history")
            read_member(into, {name.data(), name.size()}, value);
    if (auto const* const count = object->if_contains("history"); count != nullptr)
        read_member(into, "history", *count);
}

void read_query(reader& into, net::http_query const& query)
{
    for (auto const& field : query.fields()) {
        if (field.name == "topic")
            into.topic(field.value);
        else if (field.name == "format")
            into.format(field.value);
        else if (field.name == "ticket")
            into.ticket(field.value);
        else if (field.name == "session")
            into.session(field.value);
    }
    if (auto const* const since = query.find("since"); since != nullptr)
        into.since(*since);
    if (auto const* const count = query.find("history"); count != nullptr) {
        auto const number = net::parse_number(*count, history_events_max);
        number ? into.history(*number) : into.fail("history is no count of at most 1000");
    }
    if (auto const* const id = query.find("last_event_id"); id != nullptr)
        into.last_event_id(*id);
}

}  // namespace

std::string taken_over_id(broker::log_sequence position) { return net::cursor_text(position).append(taken_over_mark); }

read_request read_stream_request(net::http_request const& from, std::size_t topics_max, broker::wall_ms now)
{
    reader into{topics_max, now};
    if (from.lists("Accept", "application/x-ndjson"))
        into.format("ndjson");
    auto const query = net::http_query::parse(from.query);
    if (!query)
        return {std::nullopt, "the query is malformed"};
    read_query(into, *query);
    if (from.method == "POST")
        read_body(into, from.body);
    into.last_event_id(from.header("Last-Event-ID"));
    return into.finish();
}

}  // namespace fulmar::sse
