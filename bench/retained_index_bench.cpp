// What do a million retained messages cost beside themselves, and how fast are they replaced and found?
//
// Budget: <= 100 bytes per topic beside the message, 1 us per set, and a narrow filter must not pay for the million.
#include "broker/retained_index.hpp"

#include <benchmark/benchmark.h>

#include <malloc.h>
#include <random>
#include <string>

namespace {

using namespace fulmar::broker;

constexpr std::uint32_t topic_count = 1'000'000;

std::string topic_of(std::uint32_t i)
{
    return "fleet/site-" + std::to_string(i % 2000) + "/device-" + std::to_string(i / 10) + "/metric-" +
           std::to_string(i % 10);
}

message_ptr retained(std::string_view topic)
{
    message_fields fields;
    fields.topic = topic;
    fields.payload = "21.5";
    fields.retain = true;
    return message::make(std::move(fields));
}

struct fixture
{
    retained_index index;
    double overhead_bytes = 0;

    fixture()
    {
        std::vector<message_ptr> messages;
        messages.reserve(topic_count);
        for (std::uint32_t i = 0; i < topic_count; ++i)
            messages.push_back(retained(topic_of(static_cast<std::uint32_t>(i * 7919ULL % topic_count))));
        auto const allocated = [] {
            auto const usage = mallinfo2();
            return usage.uordblks + usage.hblkhd;
        };
        auto const before = allocated();
        for (auto& m : messages)
            index.set(std::move(m));
        overhead_bytes = static_cast<double>(allocated() - before) / topic_count;
    }
};

fixture& filled()
{
    static fixture one;
    return one;
}

void replace(benchmark::State& state)
{
    auto& index = filled().index;
    std::mt19937 random{1};
    for (auto _ : state)
        index.set(retained(topic_of(static_cast<std::uint32_t>(random() % topic_count))));
    state.counters["overhead_bytes_per_topic"] = filled().overhead_bytes;
}
BENCHMARK(replace);

void add_and_remove(benchmark::State& state)
{
    auto& index = filled().index;
    std::uint32_t i = 0;
    for (auto _ : state) {
        auto const topic = "fleet/site-" + std::to_string(i % 2000) + "/new-" + std::to_string(i);
        ++i;
        index.set(retained(topic));
        message_fields nothing;
        nothing.topic = topic;
        index.set(message::make(std::move(nothing)));
    }
}
BENCHMARK(add_and_remove);

// A whole scan, in pages of 1,000 looks.
void scan(benchmark::State& state, char const* filter)
{
    auto& index = filled().index;
    std::vector<message_ptr> found;
    for (auto _ : state) {
        found.clear();
        retained_index::scan_state at;
        while (!at.done)
            index.scan(default_app, filter, 1, at, 1000, found);
    }
    state.counters["found"] = static_cast<double>(found.size());
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(found.size()));
}
BENCHMARK_CAPTURE(scan, everything, "#");
BENCHMARK_CAPTURE(scan, one_site, "fleet/site-42/#");
BENCHMARK_CAPTURE(scan, one_device, "fleet/site-42/device-4/+");
BENCHMARK_CAPTURE(scan, one_metric_of_every_device, "fleet/+/+/metric-3");

}  // namespace
