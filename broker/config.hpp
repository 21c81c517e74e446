// Every setting as a row of a table, and how a configuration is put together: defaults, then the file, then the
// environment, then flags; the last one that names a setting decides, and is remembered as its origin.
//
// Owner:    main. Reading never throws: what is wrong is a list of problems, each with its place and its remedy.
// Threads:  pure functions, any thread.
// Limits:   a configuration file larger than config_bytes_max is refused.
#pragma once

#include "broker/settings.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace fulmar::broker {

inline constexpr std::size_t config_bytes_max = 1024 * 1024;

// Where a value lives in `settings`; its type says what is accepted.
using setting_field = std::variant<bool*, std::uint16_t*, std::uint32_t*, std::uint64_t*, std::chrono::milliseconds*,
                                   std::string*, std::vector<std::string>*, client_certificates*, anonymous_policy*,
                                   durability*, log_level*, log_format*, termination*>;

// How numbers are written by people: plain, with a unit of size ("64KiB"), or with a unit of time ("10s").
enum class setting_unit : std::uint8_t { none, bytes, seconds };

struct setting_row
{
    std::string_view key;  // "mqtt.connect_timeout"
    setting_field (*field)(settings&);
    setting_unit unit = setting_unit::none;
    std::uint64_t minimum = 0;
    std::uint64_t maximum = 0;  // of numbers (milliseconds for times that have a field of that type); 0: none
    std::string_view description;

    [[nodiscard]] std::string environment_name() const;  // "FULMAR_MQTT_CONNECT_TIMEOUT"
    [[nodiscard]] std::string type_name() const;         // "time", "size", "fsync | os", ...
};

[[nodiscard]] std::span<setting_row const> setting_rows() noexcept;
[[nodiscard]] setting_row const* find_setting(std::string_view key) noexcept;

// A setting as text, as it could be written in a file; of a field that is described by `rules`, which need not be a row.
[[nodiscard]] std::string setting_text(setting_row const& row, settings const& from);
[[nodiscard]] std::string field_text(setting_row const& rules, setting_field const& from);
[[nodiscard]] std::string toml_text(std::string_view text);  // in quotes
// Its type and range as cells of a table.
[[nodiscard]] std::string field_type(setting_row const& rules, setting_field const& of);
[[nodiscard]] std::string field_range(setting_row const& rules, setting_field const& of);

// A named flag that stands for one setting.
struct setting_flag
{
    std::string_view flag;  // "--mqtt-port"
    std::string_view key;   // "listeners.mqtt.port"
};
[[nodiscard]] std::span<setting_flag const> setting_flags() noexcept;

struct flag_value
{
    std::string flag;  // as written, for messages: "--set mqtt.max_qos"
    std::string key;
    std::string value;
};

struct config_source
{
    std::string file;                 // empty: no file
    std::optional<std::string> text;  // instead of reading `file`, whose name is still used in messages
    std::vector<std::pair<std::string, std::string>> environment;  // every NAME=value whose name begins with FULMAR_
    std::vector<flag_value> flags;
};

struct config_problem
{
    std::string where;  // "fulmar.toml:12:3", "environment FULMAR_MQTT_MAX_QOS", "flag --mqtt-port"
    std::string what;
    std::string remedy;  // may be empty
    [[nodiscard]] std::string text() const;
};

struct configuration
{
    settings values;
    std::vector<std::string> origins;  // per row of setting_rows(): "default" or a place
    std::string apps_origin = "default";
    std::vector<std::string> app_places;      // per app of `values`
    std::vector<std::string> history_places;  // per history rule of `values`
    std::vector<config_problem> problems;
    std::vector<config_problem> warnings;

    [[nodiscard]] bool usable() const noexcept { return problems.empty(); }
    [[nodiscard]] std::string const& origin(std::string_view key) const;
};

// Reads and checks everything, and goes on after a problem so that all of them are found at once.
[[nodiscard]] configuration load_configuration(config_source const& source);

// The effective values with their origins, as TOML with comments; secrets are hidden.
[[nodiscard]] std::string show_configuration(configuration const& c);

// The table of docs/operations.md: name, type, default, range, environment name, flag, description.
[[nodiscard]] std::string settings_reference();

// The FULMAR_ part of the process environment.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> fulmar_environment();

}  // namespace fulmar::broker
