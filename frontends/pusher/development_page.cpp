#include "frontends/pusher/development_page.hpp"

#include "frontends/pusher/development_page_text.hpp"

#include <openssl/rand.h>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

namespace fulmar::pusher {

namespace {

constexpr std::string_view library_path = "/pusher.js";

// What this answer's scripts and styles are known by; 32 digits, or nothing, with which no script runs.
[[nodiscard]] std::string random_nonce()
{
    std::array<unsigned char, 16> bytes{};
    if (::RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
        return {};
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (auto const byte : bytes)
        (text += digits[byte >> 4U]) += digits[byte & 15U];
    return text;
}

void fill_in(std::string& page, std::string_view place, std::string_view text)
{
    for (auto at = page.find(place); at != std::string::npos; at = page.find(place, at + text.size()))
        page.replace(at, place.size(), text);
}

[[nodiscard]] net::http_response answer_with(std::string content_type, std::string body)
{
    net::http_response answer;
    answer.content_type = std::move(content_type);
    answer.headers = {{"Cache-Control", "no-store"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Resource-Policy", "same-origin"}};
    answer.body = std::move(body);
    return answer;
}

}  // namespace

void add_development_page(net::http_router& routes, std::string const& key, std::string pusher_js)
{
    std::string page{development_page_text};
    fill_in(page, "{{key}}", key);
    fill_in(page, "{{library}}",
            pusher_js.empty() ? std::string{}
                              : R"(<script nonce="{{nonce}}" src=")" + std::string{library_path} + R"("></script>)");
    routes.get("/", [page = std::move(page)](net::http_request const&) {
        auto const nonce = random_nonce();
        auto text = page;
        fill_in(text, "{{nonce}}", nonce);
        auto answer = answer_with("text/html; charset=utf-8", std::move(text));
        answer.headers.push_back({"Content-Security-Policy", "default-src 'none'; script-src 'nonce-" + nonce +
                                                                 "'; style-src 'nonce-" + nonce +
                                                                 "'; connect-src 'self'; base-uri 'none'; form-action "
                                                                 "'none'; frame-ancestors 'none'"});
        return answer;
    });
    if (pusher_js.empty())
        return;
    routes.get(library_path, [text = std::move(pusher_js)](net::http_request const&) {
        return answer_with("text/javascript; charset=utf-8", text);
    });
}

}  // namespace fulmar::pusher
