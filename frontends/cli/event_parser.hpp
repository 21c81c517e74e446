// Takes a stream of server-sent events apart, whatever pieces it comes in.
//
// Spec:     WHATWG HTML §9.2.6, but for the byte order mark.
// Owner:    one stream.
// Threads:  none of its own.
// Limits:   event_bytes_max bytes of one event: more is an error, and nothing is read any more.
// Cost:     one copy of each line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fulmar::cli {

struct server_event
{
    std::string name;  // empty: "message"
    std::string data;
};

class event_parser
{
public:
    static constexpr std::size_t event_bytes_max = 64 * 1024 * 1024;

    // What is complete now, in order. False: an event is too large.
    [[nodiscard]] bool feed(std::string_view bytes, std::vector<server_event>& out);

    // Where to come back to: the id of the last event, or of the last bare id.
    [[nodiscard]] std::string const& last_id() const noexcept { return last_id_; }

private:
    void take_line(std::string_view line, std::vector<server_event>& out);

    std::string line_;
    std::string id_;  // of the event that is not complete yet
    std::string last_id_;
    server_event event_;
    bool has_data_ = false;
    bool after_return_ = false;  // a line feed would belong to the line that has ended
};

}  // namespace fulmar::cli
