// What the files of fulmar_hot_paths share.
#pragma once

#include <cstddef>

namespace fulmar::bench {

// The compiler must believe that somebody looks at it.
template <class Value>
void keep(Value const& value)
{
    asm volatile("" : : "r,m"(value) : "memory");
}

// --- hot_paths_web.cpp: each path so often ------------------------------------------------------------
void check_http_head(std::size_t times);
void write_http_head(std::size_t times);
void verify_pusher_request(std::size_t times);
void greet_presence_member(std::size_t times);  // so many members, in greetings of 100

}  // namespace fulmar::bench
