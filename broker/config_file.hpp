// A configuration file (TOML) as a flat list of keys with their values and places.
//
// Threads:  pure function, any thread.
// Limits:   config_bytes_max bytes, config_line_bytes_max per line, so that nothing nests deeper than the stack allows.
#pragma once

#include "broker/config_value.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::broker {

inline constexpr std::size_t config_line_bytes_max = 4096;

struct file_entry
{
    std::string key;  // "mqtt.max_qos", "apps[0].key"
    raw_value value;
    std::string where;  // "fulmar.toml:12:3"
};

struct file_entries
{
    std::vector<file_entry> entries;  // in the order of their places
    std::vector<file_entry> apps;     // those of [[apps]]: "id", "limits.event_bytes", "webhooks[0].url"
    std::size_t app_count = 0;
    std::vector<std::size_t> app_of;  // which app each entry of `apps` belongs to
    std::vector<std::string> app_places;
    struct table
    {
        std::string where;
        std::vector<file_entry> entries;
    };
    std::vector<table> history;             // of [[history]]
    std::optional<config_problem> problem;  // not TOML, too large, unreadable
};

// Parses `text`; `name` is used in messages.
[[nodiscard]] file_entries parse_config_text(std::string_view text, std::string const& name);

// Reads `path` and parses it.
[[nodiscard]] file_entries read_config_file(std::string const& path);

}  // namespace fulmar::broker
