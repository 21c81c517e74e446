#include "frontends/cli/event_parser.hpp"

#include <algorithm>
#include <utility>

namespace fulmar::cli {

void event_parser::take_line(std::string_view line, std::vector<server_event>& out)
{
    if (line.empty()) {
        last_id_ = id_;
        if (has_data_)
            out.push_back(std::move(event_));
        event_ = {};
        has_data_ = false;
        return;
    }
    auto const colon = std::min(line.find(':'), line.size());
    auto const field = line.substr(0, colon);
    auto value = line.substr(std::min(colon + 1, line.size()));
    if (value.starts_with(' '))
        value.remove_prefix(1);
    if (field == "data") {
        if (std::exchange(has_data_, true))
            event_.data += '\n';
        event_.data += value;
    } else if (field == "event") {
        event_.name = value;
    } else if (field == "id" && value.find('\0') == std::string_view::npos) {
        id_ = value;
    }
}

bool event_parser::feed(std::string_view bytes, std::vector<server_event>& out)
{
    while (!bytes.empty()) {
        if (std::exchange(after_return_, false) && bytes.front() == '\n') {
            bytes.remove_prefix(1);
            continue;
        }
        auto const end = bytes.find_first_of("\r\n");
        line_ += bytes.substr(0, end);
        if (line_.size() + event_.data.size() > event_bytes_max)
            return false;
        if (end == std::string_view::npos)
            return true;
        after_return_ = bytes[end] == '\r';
        bytes.remove_prefix(end + 1);
        take_line(line_, out);
        line_.clear();
    }
    return true;
}

}  // namespace fulmar::cli
