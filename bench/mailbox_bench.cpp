// What does it cost to hand messages from one shard to another?
//
// Budget: a message in a turn of 100 costs at most 25 ns in all: added by the sender, pushed, taken and opened by the
//         receiver. A turn that carries one message pays for the locks: at most 150 ns.
// Cases:  forward/<messages per turn> on one thread: the instructions without the wait for the other processor's cache;
//         across/<messages per turn> between two threads: with it.
#include "broker/mail.hpp"

#include <benchmark/benchmark.h>

#include <atomic>
#include <thread>

namespace {

using namespace fulmar::broker;

message_ptr make_message()
{
    message_fields fields;
    fields.topic = "plant/7/line/3/sensor/temperature";
    fields.payload = "21.5";
    return message::make(std::move(fields));
}

std::size_t open_all(mailbox& from, std::vector<parcel>& taken)
{
    std::size_t opened = 0;
    from.take(taken);
    for (auto& each : taken) {
        each.open(
            [&](message_ptr const& m) {
                benchmark::DoNotOptimize(m->topic().data());
                ++opened;
            },
            [](auto const&) {});
        from.settle(std::move(each));
    }
    taken.clear();
    return opened;
}

void forward(benchmark::State& state)
{
    auto const m = make_message();
    mailbox between;
    parcel letters;
    std::vector<parcel> taken;
    for (auto _ : state) {
        for (std::int64_t i = 0; i < state.range(0); ++i)
            letters.add(m);
        between.push(letters);
        benchmark::DoNotOptimize(open_all(between, taken));
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(forward)->Arg(1)->Arg(100)->Arg(1000);

void across(benchmark::State& state)
{
    mailbox between;
    std::atomic<std::size_t> opened{0};
    std::atomic<bool> stop{false};
    std::thread receiver{[&] {
        std::vector<parcel> taken;
        while (!stop.load(std::memory_order_relaxed)) {
            if (auto const count = open_all(between, taken); count > 0)
                opened.fetch_add(count, std::memory_order_release);
            else
                std::this_thread::yield();
        }
    }};
    parcel letters;
    std::size_t sent = 0;
    for (auto _ : state) {
        for (std::int64_t i = 0; i < state.range(0); ++i)
            letters.add(make_message());
        between.push(letters);
        sent += static_cast<std::size_t>(state.range(0));
        while (sent - opened.load(std::memory_order_acquire) > 10'000)
            std::this_thread::yield();
    }
    while (opened.load(std::memory_order_acquire) < sent)
        std::this_thread::yield();
    stop = true;
    receiver.join();
    state.SetItemsProcessed(static_cast<std::int64_t>(sent));
}
BENCHMARK(across)->Arg(1)->Arg(100)->UseRealTime();

}  // namespace
