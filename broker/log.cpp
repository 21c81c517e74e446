#include "broker/log.hpp"

#include <atomic>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <memory>
#include <utility>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace fulmar::broker {
namespace {

std::atomic<log_level> level_now{log_level::info};
std::atomic<log_format> format_now{log_format::text};

struct log_output
{
    std::mutex guard;
    std::shared_ptr<spdlog::logger> logger;
    std::function<void(std::string_view)> sink;
};

// The one sink of the process: lines from all threads end here, also while static objects are being destroyed.
log_output& output()
{
    static auto* const only = new log_output;
    return *only;
}

std::shared_ptr<spdlog::logger> make_logger()
{
    auto logger = std::make_shared<spdlog::logger>("fulmar", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%v");
    logger->set_level(spdlog::level::trace);
    logger->flush_on(spdlog::level::trace);
    return logger;
}

struct code_point
{
    std::uint32_t value = 0;
    std::size_t bytes = 0;  // 0: not well-formed UTF-8
};

code_point next_code_point(std::string_view text) noexcept
{
    auto const lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80)
        return {lead, 1};
    std::size_t const size = lead >= 0xC2 && lead < 0xE0   ? 2
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
    if (size == 0 || text.size() < size)
        return {};
    std::uint32_t value = lead & (0xFFU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        auto const byte = static_cast<unsigned char>(text[i]);
        if ((byte & 0xC0U) != 0x80U)
            return {};
        value = (value << 6U) | (byte & 0x3FU);
    }
    bool const overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
    bool const surrogate = value >= 0xD800 && value <= 0xDFFF;
    return overlong || surrogate || value > 0x10FFFF ? code_point{} : code_point{value, size};
}

// Control characters, line separators and those that reorder text on a screen.
bool must_escape(std::uint32_t c) noexcept
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0x061C ||
           (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF;
}

void append_hex_escape(std::string& out, std::uint32_t value)
{
    char buffer[16];
    if (value > 0xFFFF) {
        value -= 0x10000;
        std::snprintf(buffer, sizeof buffer, "\\u%04x\\u%04x", 0xD800U + (value >> 10U), 0xDC00U + (value & 0x3FFU));
    } else {
        std::snprintf(buffer, sizeof buffer, "\\u%04x", value);
    }
    out += buffer;
}

// Appends `text` between quotes; the escapes are those of JSON, so both formats read alike.
void append_quoted(std::string& out, std::string_view text, log_format format)
{
    bool const cut = text.size() > log_value_bytes_max;
    if (cut)
        text = text.substr(0, log_value_bytes_max);
    out += '"';
    while (!text.empty()) {
        auto const c = next_code_point(text);
        if (c.bytes == 0) {
            char buffer[8];
            std::snprintf(buffer, sizeof buffer, "\\x%02x", static_cast<unsigned char>(text[0]));
            out += format == log_format::json ? "\\ufffd" : buffer;
            text.remove_prefix(1);
            continue;
        }
        if (c.value == '"' || c.value == '\\')
            (out += '\\') += static_cast<char>(c.value);
        else if (c.value == '\n')
            out += "\\n";
        else if (c.value == '\r')
            out += "\\r";
        else if (c.value == '\t')
            out += "\\t";
        else if (must_escape(c.value))
            append_hex_escape(out, c.value);
        else
            out += text.substr(0, c.bytes);
        text.remove_prefix(c.bytes);
    }
    out += cut ? "...\"" : "\"";
}

bool plain_word(std::string_view text) noexcept
{
    if (text.empty() || text.size() > log_value_bytes_max)
        return false;
    for (auto const c : text) {
        if (c <= 0x20 || c >= 0x7F || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return true;
}

void append_value(std::string& out, log_value const& value, log_format format)
{
    if (auto const* text = std::get_if<std::string_view>(&value)) {
        if (format == log_format::text && plain_word(*text))
            out += *text;
        else
            append_quoted(out, *text, format);
    } else if (auto const* flag = std::get_if<bool>(&value)) {
        out += *flag ? "true" : "false";
    } else if (auto const* real = std::get_if<double>(&value)) {
        char buffer[32];
        std::snprintf(buffer, sizeof buffer, "%.6g", *real);
        out += std::isfinite(*real) ? buffer : "null";
    } else if (auto const* negative = std::get_if<std::int64_t>(&value)) {
        out += std::to_string(*negative);
    } else {
        out += std::to_string(std::get<std::uint64_t>(value));
    }
}

std::string timestamp(std::chrono::system_clock::time_point when)
{
    using namespace std::chrono;
    auto const ms = duration_cast<milliseconds>(when.time_since_epoch()).count();
    auto const seconds = static_cast<std::time_t>(ms / 1000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char date[32];
    std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    char whole[48];
    std::snprintf(whole, sizeof whole, "%s.%03dZ", date, static_cast<int>(ms % 1000));
    return whole;
}

}  // namespace

std::string_view to_string(log_level level) noexcept
{
    switch (level) {
    case log_level::trace: return "trace";
    case log_level::debug: return "debug";
    case log_level::info: return "info";
    case log_level::warning: return "warning";
    case log_level::error: return "error";
    case log_level::off: return "off";
    }
    return "off";
}

std::string format_log_line(log_format format, log_level level, std::string_view event, log_fields fields,
                            std::chrono::system_clock::time_point when)
{
    std::string line;
    line.reserve(128);
    if (format == log_format::json) {
        line.append("{\"time\":\"")
            .append(timestamp(when))
            .append("\",\"level\":\"")
            .append(to_string(level))
            .append("\",\"event\":");
        append_quoted(line, event, format);
        for (auto const& field : fields) {
            line += ',';
            append_quoted(line, field.name, format);
            line += ':';
            append_value(line, field.value, format);
        }
        return line += '}';
    }
    line.append(timestamp(when)).append(" ").append(to_string(level));
    line.append(8 - to_string(level).size(), ' ').append(event);
    for (auto const& field : fields) {
        line.append(" ").append(field.name).append("=");
        append_value(line, field.value, format);
    }
    return line;
}

void start_log(log_format format, log_level level, std::function<void(std::string_view)> sink)
{
    auto& out = output();
    std::lock_guard const lock{out.guard};
    out.sink = std::move(sink);
    format_now.store(format, std::memory_order_relaxed);
    level_now.store(level, std::memory_order_relaxed);
}

void set_log_level(log_level level) noexcept { level_now.store(level, std::memory_order_relaxed); }

log_level current_log_level() noexcept { return level_now.load(std::memory_order_relaxed); }

bool log_enabled(log_level level) noexcept { return level != log_level::off && level >= current_log_level(); }

void log(log_level level, std::string_view event, log_fields fields)
{
    if (!log_enabled(level))
        return;
    auto const line = format_log_line(format_now.load(std::memory_order_relaxed), level, event, fields,
                                      std::chrono::system_clock::now());
    auto& out = output();
    std::lock_guard const lock{out.guard};
    if (out.sink)
        return out.sink(line);
    if (!out.logger)
        out.logger = make_logger();
    out.logger->log(spdlog::level::info, spdlog::string_view_t{line.data(), line.size()});
}

rate_limited_log::rate_limited_log(std::string_view event, std::uint32_t per_second) noexcept
    : event_{event}, per_second_{per_second}
{
}

void rate_limited_log::operator()(log_level level, log_fields fields)
{
    if (log_enabled(level))
        (*this)(level, fields, std::chrono::steady_clock::now());
}

void rate_limited_log::operator()(log_level level, log_fields fields, std::chrono::steady_clock::time_point now)
{
    std::uint64_t silent = 0;
    {
        std::lock_guard const lock{guard_};
        if (now - window_began_ >= std::chrono::seconds{1}) {
            window_began_ = now;
            written_ = 0;
        }
        if (written_ >= per_second_) {
            ++suppressed_;
            ++unreported_;
            return;
        }
        ++written_;
        silent = std::exchange(unreported_, 0);
    }
    if (silent != 0)
        log(level, event_, {{"suppressed", silent}});
    log(level, event_, fields);
}

std::uint64_t rate_limited_log::suppressed() const
{
    std::lock_guard const lock{guard_};
    return suppressed_;
}

}  // namespace fulmar::broker
