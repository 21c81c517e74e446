// The compiled part of Beast: everywhere else only its declarations are seen (BOOST_BEAST_SEPARATE_COMPILATION).
#include <boost/beast/src.hpp>
