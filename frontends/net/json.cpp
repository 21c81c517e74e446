// The one translation unit that holds Boost.JSON; everybody else includes <boost/json.hpp>.
#include <boost/json/src.hpp>
