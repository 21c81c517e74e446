// Reads a small file whole: configuration, access rules, users.
//
// Threads:  reads the disk, so not for shards.
#pragma once

#include "broker/errors.hpp"

#include <string>

namespace fulmar::broker {

// Fails with the system's error, and with errc::message_too_large if the file has more than `bytes_max` bytes.
[[nodiscard]] result<std::string> read_text_file(std::string const& path, std::size_t bytes_max);

}  // namespace fulmar::broker
