// What REST publishes: JSON, lines of JSON, raw bodies with a query. Whatever is accepted is a valid message.

#include "broker/topic.hpp"
#include "frontends/net/http_query.hpp"
#include "frontends/rest/publish_body.hpp"

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    std::string const input{reinterpret_cast<char const*>(bytes), size};
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
