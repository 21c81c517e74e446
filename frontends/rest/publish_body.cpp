#include "frontends/rest/publish_body.hpp"

#include "frontends/net/http_access.hpp"
#include "frontends/net/http_query.hpp"
#include "frontends/rest/raw_values.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace fulmar::rest {

namespace {

namespace json = boost::json;

constexpr std::uint64_t expiry_max_s = 0xFFFF'FFFE;

struct fault
{
    unsigned status = 400;
    std::string what;
};
using maybe = std::optional<fault>;

fault bad(std::string what) { return {400, std::move(what)}; }

std::string_view text_of(json::string const& text) { return {text.data(), text.size()}; }

// "application/json; charset=utf-8" -> is it application/json?
bool is_type(net::http_request const& request, std::string_view wanted)
{
    auto type = request.header("Content-Type");
    type = type.substr(0, type.find(';'));
    while (type.ends_with(' '))
        type.remove_suffix(1);
    return net::same_token(type, wanted);
}

maybe check(publication const& p, std::size_t payload_bytes_max)
{
    auto const problem = broker::problem_of(p.view(), payload_bytes_max);
    if (!problem)
        return std::nullopt;
    return fault{problem->too_large ? 413U : 400U, std::string{problem->what}};
}

maybe read_level(std::uint64_t number, publication& out)
{
    if (number > 1)
        return bad("qos is neither 0 nor 1");
    out.level = static_cast<broker::qos>(number);
    return std::nullopt;
}

std::optional<std::uint64_t> number_in(json::value const& value)
{
    if (value.is_uint64())
        return value.get_uint64();
    if (value.is_int64() && value.get_int64() >= 0)
        return static_cast<std::uint64_t>(value.get_int64());
    return std::nullopt;
}

maybe read_text(json::value const& value, std::string_view name, std::string& out)
{
    if (!value.is_string())
        return bad(std::string{name} + " is no text");
    out = text_of(value.get_string());
    return std::nullopt;
}

// `raw`: the value as it stands in the body.
maybe read_member(std::string_view name, json::value const& value, std::string_view raw, publication& out)
{
    if (name == "topic")
        return read_text(value, name, out.topic);
    if (name == "event")
        return read_text(value, name, out.event);
    if (name == "content_type")
        return read_text(value, name, out.content_type);
    if (name == "data") {
        out.payload = value.is_string() ? text_of(value.get_string()) : raw;
        return std::nullopt;
    }
    if (name == "retain") {
        if (!value.is_bool())
            return bad("retain is neither true nor false");
        out.retain = value.get_bool();
        return std::nullopt;
    }
    auto const number = number_in(value);
    if (name == "qos")
        return number ? read_level(*number, out) : bad("qos is neither 0 nor 1");
    if (name == "expiry") {
        if (!number || *number > expiry_max_s)
            return bad("expiry is no number of seconds");
        out.expiry_s = static_cast<std::uint32_t>(*number);
        return std::nullopt;
    }
    if (name == "encoding" && value.is_string() && text_of(value.get_string()) == "base64")
        return std::nullopt;  // read_object decodes
    return bad("'" + std::string{name.substr(0, 64)} +
               "' is no member of a message: topic, data, encoding, event, qos, retain, expiry, content_type");
}

// A JSON text that was parsed, and the text itself.
struct document
{
    json::value value;
    std::string_view text;
};

maybe read_object(document const& from, std::size_t payload_bytes_max, publication& out)
{
    auto const* const object = from.value.if_object();
    if (object == nullptr)
        return bad("a message is a JSON object");
    auto const raw = raw_values(from.text);
    if (raw.size() != object->size())
        return bad("a member is given twice");
    auto text = raw.begin();
    for (auto const& [name, member] : *object)
        if (auto why = read_member({name.data(), name.size()}, member, *text++, out))
            return why;
    if (object->contains("encoding")) {
        auto decoded = net::base64_decoded(out.payload);
        if (!decoded || !object->contains("data") || !object->at("data").is_string())
            return bad("data is not base64");
        out.payload = std::move(*decoded);
    }
    if (out.content_type.empty() && object->contains("data") && !object->at("data").is_string())
        out.content_type = "application/json";
    return check(out, payload_bytes_max);
}

std::optional<document> parsed(std::string_view text)
{
    json::parse_options options;
    options.max_depth = 32;
    boost::system::error_code failed;
    auto value = json::parse(text, failed, {}, options);
    return failed ? std::nullopt : std::optional{document{std::move(value), text}};
}

publications refused(fault&& why) { return {{}, why.status, std::move(why.what)}; }

// A field of the query, else the header "Fulmar-<Name>".
std::optional<std::string> parameter(net::http_request const& request, net::http_query const& query,
                                     std::string_view name)
{
    if (auto const* const field = query.find(name); field != nullptr)
        return *field;
    auto const header = "Fulmar-" + std::string{name};
    if (request.count(header) == 0)
        return std::nullopt;
    return net::percent_decoded(request.header(header), false).value_or("\xff");
}

maybe read_raw(net::http_request const& request, net::http_query const& query, publication& out)
{
    out.payload = request.body;
    out.topic = parameter(request, query, "topic").value_or("");
    out.event = parameter(request, query, "event").value_or("");
    // What curl says of any data when nobody tells it otherwise.
    if (!is_type(request, "application/x-www-form-urlencoded"))
        out.content_type = request.header("Content-Type");
    if (auto const text = parameter(request, query, "qos")) {
        auto const number = net::parse_number(*text, 1);
        if (!number)
            return bad("qos is neither 0 nor 1");
        out.level = static_cast<broker::qos>(*number);
    }
    if (auto const text = parameter(request, query, "retain")) {
        if (*text != "true" && *text != "false" && *text != "1" && *text != "0")
            return bad("retain is neither true nor false");
        out.retain = *text == "true" || *text == "1";
    }
    if (auto const text = parameter(request, query, "expiry")) {
        auto const number = net::parse_number(*text, expiry_max_s);
        if (!number)
            return bad("expiry is no number of seconds");
        out.expiry_s = static_cast<std::uint32_t>(*number);
    }
    return std::nullopt;
}

std::vector<std::string_view> lines_of(std::string_view text)
{
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        auto const line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.find_first_not_of(" \t\r") != std::string_view::npos)
            lines.push_back(line);
        if (lines.size() > batch_messages_max)
            break;
    }
    return lines;
}

}  // namespace

publications read_publication(net::http_request const& request, net::http_query const& query,
                              std::size_t payload_bytes_max)
{
    publications out;
    auto& message = out.messages.emplace_back();
    maybe why;
    if (is_type(request, "application/json") && query.find("topic") == nullptr && request.count("Fulmar-Topic") == 0) {
        auto const value = parsed(request.body);
        why = value ? read_object(*value, payload_bytes_max, message) : bad("the body is not JSON");
    } else {
        why = read_raw(request, query, message);
        if (!why)
            why = check(message, payload_bytes_max);
    }
    return why ? refused(std::move(*why)) : std::move(out);
}

publications read_batch(net::http_request const& request, std::size_t payload_bytes_max)
{
    std::vector<document> list;
    if (is_type(request, "application/x-ndjson")) {
        for (auto const line : lines_of(request.body)) {
            auto one = parsed(line);
            if (!one)
                return refused(bad("line " + std::to_string(list.size() + 1) + " is not JSON"));
            list.push_back(std::move(*one));
        }
    } else {
        auto body = parsed(request.body);
        auto* const object = body ? body->value.if_object() : nullptr;
        auto* const messages = object == nullptr ? nullptr : object->if_contains("messages");
        auto const raw = messages == nullptr ? std::vector<std::string_view>{} : raw_values(request.body);
        if (raw.size() != 1 || !messages->is_array())
            return refused(bad("the body is not {\"messages\": [ … ]}"));
        auto const texts = raw_values(raw.front());
        for (std::size_t i = 0; i < std::min(texts.size(), batch_messages_max + 1); ++i)
            list.push_back({std::move(messages->get_array()[i]), texts[i]});
    }
    if (list.empty() || list.size() > batch_messages_max)
        return refused({list.empty() ? 400U : 413U, "a batch has 1 to 1000 messages"});
    publications out;
    for (auto const& each : list) {
        auto& message = out.messages.emplace_back();
        if (auto why = read_object(each, payload_bytes_max, message)) {
            why->what = "message " + std::to_string(out.messages.size()) + ": " + why->what;
            return refused(std::move(*why));
        }
    }
    return out;
}

}  // namespace fulmar::rest
