// Compares the publishers' books with the sessions' books and says what the broker did wrong.
//
// The verdict is clean when no acknowledged message is missing in a session that subscribed to it before it was sent,
// nothing came that was never sent, nothing was changed, first deliveries of a stream kept its order, and QoS 2 streams
// came once.
// Threads:  one.
// Cost:     one byte per message and session, linear in the size of the journals.
#pragma once

#include "tests/ledger/payload.hpp"

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

namespace fulmar::ledger {

enum class fate : std::uint8_t { never_sent, unknown, acknowledged, refused };

struct publisher_book
{
    std::uint32_t run = 0;
    std::uint32_t publisher = 0;
    std::uint8_t qos = 1;
    std::map<std::uint32_t, std::vector<fate>> topics;  // [sequence - 1]
    std::uint64_t forgotten = 0;
    std::vector<std::string> violations;
};

struct delivery
{
    stream_id stream;
    std::uint64_t sequence = 0;
    bool dup = false;
};

struct session_book
{
    std::uint32_t run = 0;
    std::uint32_t session = 0;
    std::uint8_t qos = 1;
    std::vector<stream_id> expects;
    std::vector<delivery> deliveries;  // in the order of arrival
    std::uint64_t connections = 0;
    std::uint64_t corrupt = 0;
    std::uint64_t forgotten = 0;
    std::vector<std::string> violations;
};

struct verdict
{
    std::uint64_t sent = 0, acknowledged = 0, refused = 0, unknown = 0;
    std::uint64_t deliveries = 0;
    std::uint64_t lost_prefix = 0, lost_middle = 0, lost_postfix = 0;  // before, between, after what a session received
    std::uint64_t lost_everything = 0;  // of a stream of which a session received nothing
    std::uint64_t unexpected = 0;
    std::uint64_t corrupt = 0;
    std::uint64_t out_of_order = 0;
    std::uint64_t duplicates = 0;               // at-least-once: allowed
    std::uint64_t duplicates_exactly_once = 0;  // QoS 2 from end to end: not allowed
    std::uint64_t sessions_forgotten = 0;
    std::uint64_t protocol_violations = 0;
    std::vector<std::string> examples;  // the first few faults, in words

    [[nodiscard]] std::uint64_t lost() const noexcept
    {
        return lost_prefix + lost_middle + lost_postfix + lost_everything;
    }
    [[nodiscard]] bool clean() const noexcept
    {
        return lost() == 0 && unexpected == 0 && corrupt == 0 && out_of_order == 0 && duplicates_exactly_once == 0 &&
               sessions_forgotten == 0 && protocol_violations == 0;
    }
};

[[nodiscard]] verdict check(std::vector<publisher_book> const& publishers, std::vector<session_book> const& sessions);

// Reads publisher-N.log and session-N.log in `directory`; throws std::runtime_error on a line it does not understand.
[[nodiscard]] std::vector<publisher_book> read_publishers(std::filesystem::path const& directory);
[[nodiscard]] std::vector<session_book> read_sessions(std::filesystem::path const& directory);

void write_json(std::ostream& out, verdict const& v);

}  // namespace fulmar::ledger
