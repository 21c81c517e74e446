// The stored form of one message: a value of the log and of the retained messages.
//
// Spec:     docs/storage.md, "Records". Version byte, CRC-32C, then the fields; lengths come before all bytes.
// Threads:  pure functions, any thread.
// Limits:   decode allocates nothing before lengths were checked against what is there.
// Cost:     encode copies the message's bytes once; decode twice (fields, then message).
#pragma once

#include "broker/errors.hpp"
#include "broker/message.hpp"

#include <span>
#include <string>

namespace fulmar::storage {

inline constexpr std::uint8_t record_version = 1;

// Replaces `out` by the record of `m`; its capacity is reused.
void encode_record(broker::message const& m, std::string& out);

// The message of a record. Fails with a generic error (bad_message) if the version is unknown, the checksum does not
// match or a length does not fit: such a record must never be delivered.
[[nodiscard]] broker::result<broker::message_ptr> decode_record(std::span<char const> bytes);

}  // namespace fulmar::storage
