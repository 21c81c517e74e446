#include "frontends/net/message_json.hpp"

#include "broker/config_value.hpp"
#include "broker/topic.hpp"
#include "frontends/net/http_access.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/net/http_query.hpp"

#include <charconv>
#include <ctime>

namespace fulmar::net {

namespace {

// "2026-01-31T12:00:00Z", with or without fractions, which do not count.
std::optional<broker::wall_ms> parse_date(std::string_view text)
{
    std::tm utc{};
    std::string const copy{text};
    auto const* rest = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
    if (rest == nullptr)
        return std::nullopt;
    if (*rest == '.')
        do
            ++rest;
        while (*rest >= '0' && *rest <= '9');
    auto const seconds = ::timegm(&utc);
    if (std::string_view{rest} != "Z" || seconds < 0)
        return std::nullopt;
    return static_cast<broker::wall_ms>(seconds) * 1000;
}

}  // namespace

std::string cursor_text(broker::log_sequence sequence) { return "0." + std::to_string(sequence); }

std::optional<broker::log_sequence> parse_cursor(std::string_view text) noexcept
{
    broker::log_sequence sequence = 0;
    if (!text.starts_with("0.") || text.size() > 22 || (text.size() > 3 && text[2] == '0'))
        return std::nullopt;
    auto const* const end = text.data() + text.size();
    auto const [rest, error] = std::from_chars(text.data() + 2, end, sequence);
    if (error != std::errc{} || rest != end || sequence == broker::log_end)
        return std::nullopt;
    return sequence;
}

void append_message_json(std::string& out, broker::message const& m, broker::log_sequence sequence)
{
    out += '{';
    if (sequence != 0)
        out.append(R"("id":")").append(cursor_text(sequence)).append("\",");
    out += R"("topic":)";
    append_json_text(out, m.topic());
    if (!m.event().empty() && broker::valid_utf8(m.event())) {
        out += R"(,"event":)";
        append_json_text(out, m.event());
    }
    out += R"(,"data":)";
    if (broker::valid_utf8(m.payload())) {
        append_json_text(out, m.payload());
    } else {
        out += '"';
        append_base64(out, m.payload());
        out += R"(","encoding":"base64")";
    }
    out.append(R"(,"time":)").append(std::to_string(m.published_at)).append("}");
}

std::optional<broker::wall_ms> parse_time(std::string_view text, broker::wall_ms now)
{
    if (auto const seconds = parse_number(text, 253'402'300'799))
        return *seconds * 1000;
    if (auto const ago = broker::parse_duration_ms(text))
        return now - std::min<broker::wall_ms>(now, *ago);
    return parse_date(text);
}

std::optional<broker::starting_point> parse_since(std::string_view text, broker::wall_ms now)
{
    using kind = broker::starting_point::kind;
    if (auto const cursor = parse_cursor(text))
        return broker::starting_point{kind::cursor, *cursor, 0, 0};
    if (text == "earliest" || text == "all")
        return broker::starting_point{kind::earliest, 0, 0, 0};
    if (text == "latest")
        return broker::starting_point{};
    if (auto const time = parse_time(text, now))
        return broker::starting_point{kind::time, 0, *time, 0};
    return std::nullopt;
}

}  // namespace fulmar::net
