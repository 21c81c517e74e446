// Structured log lines: an event in words and key=value fields, as text or JSON, one line each on standard error.
//
// Payloads, passwords and keys are never logged. Whatever a client can choose (client ids, topics, reasons) is
// escaped, so that no client can forge a line or drive a terminal.
//
// Owner:    the process: one sink, started by main. Before start_log everything of level `info` and above is text.
// Threads:  any; lines are written whole, under the sink's lock.
// Limits:   a text field is cut at log_value_bytes_max; events that peers can cause go through rate_limited_log.
// Cost:     a disabled level costs one relaxed load.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace fulmar::broker {

enum class log_level : std::uint8_t { trace, debug, info, warning, error, off };
enum class log_format : std::uint8_t { text, json };

inline constexpr std::size_t log_value_bytes_max = 512;

using log_value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

struct log_field
{
    template <class T>
    log_field(std::string_view field_name, T const& field_value) : name{field_name}, value{convert(field_value)}
    {
    }

    std::string_view name;
    log_value value;

private:
    template <class T>
    static log_value convert(T const& v)
    {
        if constexpr (std::is_same_v<T, bool>)
            return v;
        else if constexpr (std::is_floating_point_v<T>)
            return static_cast<double>(v);
        else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>)
            return static_cast<std::int64_t>(v);
        else if constexpr (std::is_integral_v<T>)
            return static_cast<std::uint64_t>(v);
        else
            return std::string_view{v};
    }
};

using log_fields = std::initializer_list<log_field>;

// Chooses format and level; `sink` (for tests) is given each finished line without its newline instead of stderr.
void start_log(log_format format, log_level level, std::function<void(std::string_view)> sink = {});
void set_log_level(log_level level) noexcept;
[[nodiscard]] log_level current_log_level() noexcept;
[[nodiscard]] bool log_enabled(log_level level) noexcept;

// One line. `event` is a fixed sentence in lower case ("connection closed"), never a peer's words: those are fields.
void log(log_level level, std::string_view event, log_fields fields = {});

inline void log_debug(std::string_view event, log_fields fields = {}) { log(log_level::debug, event, fields); }
inline void log_info(std::string_view event, log_fields fields = {}) { log(log_level::info, event, fields); }
inline void log_warning(std::string_view event, log_fields fields = {}) { log(log_level::warning, event, fields); }
inline void log_error(std::string_view event, log_fields fields = {}) { log(log_level::error, event, fields); }

// One kind of event that somebody outside can cause at any rate: at most `per_second` lines each second; then the next
// line that is written says how many were suppressed.
//
// Threads:  any; one object may be shared by all shards.
class rate_limited_log
{
public:
    explicit rate_limited_log(std::string_view event, std::uint32_t per_second = 10) noexcept;

    void operator()(log_level level, log_fields fields = {});
    // With the time given, for tests and callers that know it already.
    void operator()(log_level level, log_fields fields, std::chrono::steady_clock::time_point now);

    [[nodiscard]] std::uint64_t suppressed() const;

private:
    std::string_view const event_;
    std::uint32_t const per_second_;
    mutable std::mutex guard_;
    std::chrono::steady_clock::time_point window_began_{};
    std::uint32_t written_ = 0;
    std::uint64_t suppressed_ = 0;  // in total
    std::uint64_t unreported_ = 0;  // since the last written line
};

// One finished line, as `log` would write it; exposed for tests.
[[nodiscard]] std::string format_log_line(log_format format, log_level level, std::string_view event, log_fields fields,
                                          std::chrono::system_clock::time_point when);

[[nodiscard]] std::string_view to_string(log_level level) noexcept;

}  // namespace fulmar::broker
