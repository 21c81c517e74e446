#include "bench/load/run.hpp"

int main(int argc, char** argv) { return fulmar::load::run(argc, argv, "fulmar_bench"); }
