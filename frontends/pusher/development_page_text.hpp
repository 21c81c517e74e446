// The text of page/index.html, part of the program. What stands in {{ }} is filled in by development_page.cpp.
#pragma once

#include <string_view>

namespace fulmar::pusher {

extern std::string_view const development_page_text;

}  // namespace fulmar::pusher
