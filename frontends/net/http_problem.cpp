#include "frontends/net/http_problem.hpp"

#include <array>
#include <boost/beast/http/status.hpp>
#include <cstdio>

namespace fulmar::net {

namespace {

[[nodiscard]] unsigned status_of(broker::error_code error)
{
    using broker::errc;
    if (error == errc::bad_credentials)
        return 401;
    if (error == errc::not_authorized)
        return 403;
    if (error == errc::message_too_large)
        return 413;
    if (error == errc::quota_exceeded)
        return 429;
    if (error == errc::topic_name_invalid || error == errc::topic_filter_invalid)
        return 400;
    return error == errc::store_full ? 507 : 503;
}

}  // namespace

void append_json_text(std::string& out, std::string_view text)
{
    out += '"';
    for (auto const c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (static_cast<unsigned char>(c) < 0x20 || c == '\x7f') {
            std::array<char, 8> escape{};
            std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
            out += escape.data();
        } else {
            out += c;
        }
    }
    out += '"';
}

http_response problem_response(unsigned status, std::string_view detail)
{
    namespace http = boost::beast::http;
    auto const title = http::obsolete_reason(http::int_to_status(status));
    http_response response{status, "application/problem+json", {{"Cache-Control", "no-store"}}, {}};
    auto& body = response.body;
    body = R"({"type":"about:blank","title":)";
    append_json_text(body, {title.data(), title.size()});
    body.append(R"(,"status":)").append(std::to_string(status)).append(R"(,"detail":)");
    append_json_text(body, detail);
    body += "}\n";
    if (status == 401)
        response.headers.push_back({"WWW-Authenticate", R"(Bearer realm="fulmar", Basic realm="fulmar")"});
    if (status == 429 || status == 503)
        response.headers.push_back({"Retry-After", "1"});
    return response;
}

http_response problem_response(broker::error_code error) { return problem_response(status_of(error), error.message()); }

}  // namespace fulmar::net
