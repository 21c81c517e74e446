// The levels of a topic name or filter, one after the other.
//
// Threads:  plain value; looks into the text that it was given.
// Cost:     one search for '/' per level.
#pragma once

#include <string_view>

namespace fulmar::broker {

struct topic_levels
{
    std::string_view rest;
    bool ended = false;  // next() gave the last one

    std::string_view next() noexcept
    {
        auto const slash = rest.find('/');
        auto const level = rest.substr(0, slash);
        ended = slash == std::string_view::npos;
        rest = ended ? std::string_view{} : rest.substr(slash + 1);
        return level;
    }
};

}  // namespace fulmar::broker
