// What client commands write: for people on a terminal, one JSON object a line for programs.
//
// Text that comes from others never reaches a terminal as it is: control characters in it would be commands to it.
//
// Threads:  the main thread.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fulmar::cli {

// Control characters, and what is not UTF-8, as \xNN; line feeds and tabs stay.
[[nodiscard]] std::string printable(std::string_view text);

// The same without line feeds and tabs: for names.
[[nodiscard]] std::string printable_line(std::string_view text);

// "2026-01-31 12:00:00.123" in local time.
[[nodiscard]] std::string time_text(std::uint64_t wall_ms);

// 1234567 as "1.2 M"; with unit "B" as "1.2 MB".
[[nodiscard]] std::string short_number(double value, std::string_view unit = "");

// A message as REST and SSE write it.
struct shown_message
{
    std::string id;
    std::string topic;
    std::string event;
    std::string payload;  // decoded
    bool binary = false;  // it was no UTF-8
    std::uint64_t time = 0;
};
[[nodiscard]] std::optional<shown_message> read_message(boost::json::object const& from);

enum class output_format : std::uint8_t { text, json };

class output
{
public:
    // `forced`: what the user asked for; nothing: text on a terminal, JSON elsewhere.
    explicit output(std::optional<output_format> forced = std::nullopt);

    [[nodiscard]] bool json() const noexcept { return format_ == output_format::json; }
    [[nodiscard]] bool terminal() const noexcept { return terminal_; }
    [[nodiscard]] std::string dimmed(std::string_view text) const;
    [[nodiscard]] std::string bold(std::string_view text) const;

    // A payload on a line of its own; as it is when it goes to no terminal.
    void payload_line(std::string_view prefix, std::string_view payload);
    void line(std::string_view text);
    void write(std::string_view text);
    // Everything is handed over; false: nobody reads any more, and there is nothing left to do.
    [[nodiscard]] bool flush();

private:
    output_format format_;
    bool terminal_;
    bool colours_;
    bool broken_ = false;
};

// "fulmar: ..." on standard error.
void say(std::string_view what);

}  // namespace fulmar::cli
