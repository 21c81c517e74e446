// The [[apps]] part of a configuration: reading, checking, showing and documenting it.
//
// An app has id, key and secret (or a list of keys), single settings that are rows of a table, the sections
// [apps.limits] and [apps.sessions], and any number of [[apps.webhooks]].
//
// Threads:  pure functions, any thread.
// Limits:   apps_max apps, app_keys_max keys, app_webhooks_max webhooks each.
#pragma once

#include "broker/config.hpp"
#include "broker/config_file.hpp"

#include <span>
#include <string>

namespace fulmar::broker {

inline constexpr std::size_t app_webhooks_max = 20;
inline constexpr std::size_t app_name_bytes_max = 128;

struct app_row
{
    std::string_view key;  // "limits.event_bytes"
    setting_field (*field)(app&);
    setting_unit unit = setting_unit::none;
    std::uint64_t minimum = 0;
    std::uint64_t maximum = 0;
    std::string_view description;

    [[nodiscard]] setting_row rules() const noexcept { return {key, nullptr, unit, minimum, maximum, description}; }
};
[[nodiscard]] std::span<app_row const> app_rows() noexcept;

// Puts the apps of the file into `c`; what is wrong is appended to its problems, with places.
void read_apps(file_entries const& read, configuration& c);

// Ids and keys that are used twice.
void check_apps(configuration& c);

[[nodiscard]] std::string show_apps(configuration const& c);

// The table of docs/operations.md.
[[nodiscard]] std::string apps_reference();

}  // namespace fulmar::broker
