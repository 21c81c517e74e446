// The load generator as one call, for fulmar_bench and `fulmar bench`.
#pragma once

namespace fulmar::load {

// `program` is how the user called it, for --help. Exit status: 0 measured and proven; 1 something was lost, double, out
// of order, corrupt or refused; 2 could not measure, or the command line is wrong.
int run(int argc, char** argv, char const* program);

}  // namespace fulmar::load
