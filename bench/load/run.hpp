// The load generator as one call, for fulmar_bench and `fulmar bench`.
#pragma once

namespace fulmar::load {

// Exit status: 0 measured and proven, 1 something was lost, double, out of order or corrupt, 2 could not measure,
// else what the command line parser says.
int run(int argc, char** argv);

}  // namespace fulmar::load
