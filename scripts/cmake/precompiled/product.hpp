// What most sources of the product include anyway, of the standard library and of Boost: parsed once per build tree.
// Nothing relies on it: the release tree is built without, which proves that every source names what it needs.
#pragma once

#include "scripts/cmake/precompiled/standalone.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#include <boost/system/error_code.hpp>
