// What REST publishes: JSON, lines of JSON, raw bodies with a query. Whatever is accepted is a valid message.

#include "broker/topic.hpp"
#include "frontends/net/http_query.hpp"
#include "frontends/rest/publish_body.hpp"
#include "frontends/rest/raw_values.hpp"

#include <boost/json.hpp>
#include <cstdint>
#include <string>

namespace {

using namespace fulmar;

void check(rest::publications const& got)
{
    if ((got.status == 0) == got.messages.empty())
        __builtin_trap();
    for (auto const& m : got.messages)
        if (!broker::valid_utf8(m.topic) || !broker::valid_topic_name(m.topic) || m.payload.size() > 4096 ||
            m.event.find_first_of("\r\n") != std::string::npos)
            __builtin_trap();
}

// Numbers are not compared: Boost reads the same digits differently by what follows them, in the last place.
void check_same(std::string_view raw, boost::json::value const& value)
{
    boost::system::error_code failed;
    auto const again = boost::json::parse(raw, failed);
    if (failed || again.kind() != value.kind())
        __builtin_trap();
    if (value.is_string() && again != value)
        __builtin_trap();
    if (value.is_array() && again.get_array().size() != value.get_array().size())
        __builtin_trap();
    if (value.is_object() && again.get_object().size() != value.get_object().size())
        __builtin_trap();
}

// What stands in the text is what Boost reads in it.
void check_raw_values(std::string const& text)
{
    auto const raw = rest::raw_values(text);
    boost::system::error_code failed;
    auto const value = boost::json::parse(text, failed);
    if (failed)
        return;
    if (auto const* const list = value.if_array()) {
        if (raw.size() != list->size())
            __builtin_trap();
        for (std::size_t i = 0; i < raw.size(); ++i)
            check_same(raw[i], (*list)[i]);
    }
    if (auto const* const object = value.if_object(); object != nullptr && raw.size() == object->size()) {
        auto text_of = raw.begin();
        for (auto const& [name, member] : *object)
            check_same(*text_of++, member);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    std::string const input{reinterpret_cast<char const*>(bytes), size};
    check_raw_values(input);
    net::http_request request;
    request.method = "POST";
    request.body = input;
    request.headers = {{"Content-Type", "application/json"}};
    check(rest::read_publication(request, {}, 4096));
    check(rest::read_batch(request, 4096));
    request.headers = {{"Content-Type", "application/x-ndjson"}};
    check(rest::read_batch(request, 4096));
    auto const line = std::min(input.find('\n'), input.size());
    request.headers = {{"Fulmar-Event", input.substr(0, line)}};
    if (auto const query = net::http_query::parse(input.substr(0, line)))
        check(rest::read_publication(request, *query, 4096));
    return 0;
}
