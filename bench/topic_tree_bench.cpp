// How many publishes per second can one core match against a million filters, and what does a filter cost?
//
// Budget: >= 1 M matches/s and <= 150 bytes per filter with 1 M distinct filters of which 10 % have wildcards;
// goal 3 M/s and 100 bytes. bytes_per_filter is what the allocator gave, before and after.
#include "broker/topic_tree.hpp"

#include <benchmark/benchmark.h>

#include <malloc.h>
#include <random>
#include <string>

namespace {

using fulmar::broker::topic_tree;

constexpr std::uint32_t filter_count = 1'000'000;

std::size_t allocated_bytes()
{
    auto const usage = mallinfo2();
    return usage.uordblks + usage.hblkhd;
}

// A fleet: 2,000 sites with 50 devices each, ten metrics per device; paths of 30 to 45 bytes.
std::string metric_topic(std::uint32_t i)
{
    static constexpr char const* metrics[] = {"temperature", "humidity", "pressure", "battery", "uptime",
                                              "position",    "alarm",    "voltage",  "current", "state"};
    auto const device = i / 10;
    return "fleet/site-" + std::to_string(device % 2000) + "/device-" + std::to_string(device) + "/" + metrics[i % 10];
}

std::string wildcard_filter(std::uint32_t i)
{
    auto const device = i / 10;
    auto const site = "fleet/site-" + std::to_string(device % 2000);
    switch (i / 10 % 4) {
    case 0: return site + "/device-" + std::to_string(device) + "/#";
    case 1: return site + "/device-" + std::to_string(device) + "/+";
    case 2: return "fleet/+/device-" + std::to_string(device) + "/alarm";
    default: return site + "/group-" + std::to_string(device) + "/+/state";
    }
}

struct fixture
{
    topic_tree tree;
    double bytes_per_filter = 0;

    explicit fixture(unsigned wildcard_percent)
    {
        auto const before = allocated_bytes();
        for (std::uint32_t i = 0; i < filter_count; ++i)
            tree.insert(i * 37 % 100 < wildcard_percent ? wildcard_filter(i * 10) : metric_topic(i), i);
        bytes_per_filter = static_cast<double>(allocated_bytes() - before) / static_cast<double>(tree.size());
    }
};

void match(benchmark::State& state)
{
    fixture const filled{static_cast<unsigned>(state.range(0))};
    std::mt19937 random{1};
    std::vector<std::string> topics(1 << 20);
    for (auto& topic : topics)
        topic = metric_topic(static_cast<std::uint32_t>(random() % filter_count));
    std::vector<std::uint32_t> out;
    std::size_t i = 0;
    std::size_t found = 0;
    for (auto _ : state) {
        out.clear();
        filled.tree.match(topics[i++ % topics.size()], out);
        found += out.size();
    }
    state.SetItemsProcessed(state.iterations());
    state.counters["filters"] = static_cast<double>(filled.tree.size());
    state.counters["bytes_per_filter"] = filled.bytes_per_filter;
    state.counters["matched_per_topic"] = static_cast<double>(found) / static_cast<double>(state.iterations());
}
BENCHMARK(match)->Name("match/wildcard_percent")->Arg(0)->Arg(10)->Arg(50);

// One SUBSCRIBE and one UNSUBSCRIBE of a new filter in the full tree.
void insert_and_erase(benchmark::State& state)
{
    fixture filled{10};
    std::uint32_t i = 0;
    for (auto _ : state) {
        auto const filter = (state.range(0) != 0 ? "clients/+/" : "clients/x/") + std::to_string(i++ % 1'000'000);
        filled.tree.insert(filter, i);
        filled.tree.erase(filter);
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(insert_and_erase)->Name("insert_and_erase/wildcard")->Arg(0)->Arg(1);

}  // namespace
