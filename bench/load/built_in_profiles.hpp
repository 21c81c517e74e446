// The files of bench/load/profiles as they were when the program was built.
#pragma once

#include <array>
#include <string_view>

namespace fulmar::load {

struct built_in_profile
{
    std::string_view name;
    std::string_view text;
};
extern std::array<built_in_profile, 3> const built_in_profiles;

}  // namespace fulmar::load
