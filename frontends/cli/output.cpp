#include "frontends/cli/output.hpp"

#include "broker/topic.hpp"
#include "frontends/net/http_access.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include <unistd.h>

namespace fulmar::cli {

namespace {

void append_hex(std::string& out, char c)
{
    constexpr std::string_view digits = "0123456789abcdef";
    auto const byte = static_cast<unsigned char>(c);
    ((out += "\\x") += digits[byte >> 4U]) += digits[byte & 15U];
}

[[nodiscard]] std::string escaped(std::string_view text, std::string_view kept)
{
    auto const binary = !broker::valid_utf8(text);
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto const byte = static_cast<unsigned char>(text[i]);
        // U+0080 to U+009F are control characters, too: C2 80 to C2 9F.
        auto const c1 = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
        if (c1 && !binary) {
            append_hex(out, text[i]);
            append_hex(out, text[++i]);
        } else if ((byte < 0x20 && kept.find(text[i]) == std::string_view::npos) || byte == 0x7F ||
                   (binary && byte >= 0x80)) {
            append_hex(out, text[i]);
        } else {
            out += text[i];
        }
    }
    return out;
}

[[nodiscard]] std::string text_of(boost::json::object const& from, std::string_view name)
{
    auto const* const member = from.if_contains(name);
    auto const* const text = member == nullptr ? nullptr : member->if_string();
    return text == nullptr ? std::string{} : std::string{text->data(), text->size()};
}

}  // namespace

std::string printable(std::string_view text) { return escaped(text, "\n\t"); }
std::string printable_line(std::string_view text) { return escaped(text, ""); }

std::string time_text(std::uint64_t wall_ms)
{
    auto const seconds = static_cast<std::time_t>(wall_ms / 1000);
    std::tm local{};
    localtime_r(&seconds, &local);
    std::array<char, 32> whole{};
    std::array<char, 40> out{};
    std::strftime(whole.data(), whole.size(), "%Y-%m-%d %H:%M:%S", &local);
    std::snprintf(out.data(), out.size(), "%s.%03u", whole.data(), static_cast<unsigned>(wall_ms % 1000));
    return out.data();
}

std::string short_number(double value, std::string_view unit)
{
    constexpr std::array<char const*, 5> steps{"", "k", "M", "G", "T"};
    std::size_t step = 0;
    while (std::abs(value) >= 999.95 && step + 1 < steps.size()) {
        value /= 1000;
        ++step;
    }
    std::array<char, 32> out{};
    auto const whole = step == 0 && value == std::floor(value);
    std::snprintf(out.data(), out.size(), whole ? "%.0f" : "%.1f", value);
    auto const name = std::string{steps[step]}.append(unit);
    return std::string{out.data()}.append(name.empty() ? "" : " ").append(name);
}

std::optional<shown_message> read_message(boost::json::object const& from)
{
    auto const* const topic = from.if_contains("topic");
    if (topic == nullptr || !topic->is_string())
        return std::nullopt;
    shown_message out;
    out.id = text_of(from, "id");
    out.topic = text_of(from, "topic");
    out.event = text_of(from, "event");
    out.payload = text_of(from, "data");
    if (text_of(from, "encoding") == "base64") {
        out.binary = true;
        out.payload = net::base64_decoded(out.payload).value_or(out.payload);
    }
    if (auto const* const time = from.if_contains("time"); time != nullptr && time->is_int64())
        out.time = static_cast<std::uint64_t>(time->get_int64());
    return out;
}

output::output(std::optional<output_format> forced)
    : terminal_{isatty(STDOUT_FILENO) != 0}, colours_{terminal_ && std::getenv("NO_COLOR") == nullptr}
{
    format_ = forced.value_or(terminal_ ? output_format::text : output_format::json);
}

std::string output::dimmed(std::string_view text) const
{
    return colours_ ? std::string{"\x1b[2m"}.append(text).append("\x1b[0m") : std::string{text};
}

std::string output::bold(std::string_view text) const
{
    return colours_ ? std::string{"\x1b[1m"}.append(text).append("\x1b[0m") : std::string{text};
}

void output::payload_line(std::string_view prefix, std::string_view payload)
{
    write(prefix);
    write(terminal_ ? printable(payload) : std::string{payload});
    write("\n");
}

void output::line(std::string_view text)
{
    write(text);
    write("\n");
}

void output::write(std::string_view text)
{
    broken_ = broken_ || std::fwrite(text.data(), 1, text.size(), stdout) != text.size();
}

bool output::flush()
{
    broken_ = std::fflush(stdout) != 0 || broken_;
    return !broken_;
}

void say(std::string_view what) { std::fprintf(stderr, "fulmar: %.*s\n", static_cast<int>(what.size()), what.data()); }

}  // namespace fulmar::cli
