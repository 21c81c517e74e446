// How a client command ends that could not do what it was asked: with which code, and what to tell the user.
#pragma once

#include "broker/exit_code.hpp"

#include <boost/system/result.hpp>
#include <string>
#include <utility>

namespace fulmar::cli {

struct failure
{
    failure() = default;
    failure(exit_code with, std::string why) : code{with}, what{std::move(why)} {}

    exit_code code = exit_code::failure;
    std::string what;  // says what to do about it; never holds a secret
};

template <class T>
using attempt = boost::system::result<T, failure>;

}  // namespace fulmar::cli
