// What does one record cost in the log: appended with a sync per batch, and replayed?
//
// Budget: append at most 4 µs of committer time per record at 1,000 records per hand-over (the broker's bar is 100k
//         acknowledged per second on one core); replay at most 1 µs of reader time per message while records are cached.
// Cases:  append/<records per hand-over>, replay/cached, replay/cold, history/<messages of the topic>.
//         History is one topic with a [[history]] rule, read from its beginning in pages of 512: at least 500,000 messages per second.
#include "broker/topic.hpp"
#include "storage/store.hpp"

#include <benchmark/benchmark.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>

#include <stdlib.h>

namespace {

using namespace fulmar;
using namespace fulmar::broker;

class waiting_listener final : public store_listener
{
public:
    void on_committed(std::vector<store_result> results, committed_batch) override
    {
        std::lock_guard const lock{mutex_};
        settled_ = results.empty() ? settled_ : results.back().ticket;
        changed_.notify_one();
    }
    void on_page(queue_page page) override
    {
        std::lock_guard const lock{mutex_};
        page_ = std::move(page);
        changed_.notify_one();
    }
    void wait(std::uint64_t ticket)
    {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return settled_ >= ticket; });
    }
    queue_page wait_page(std::uint64_t ticket)
    {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return page_.ticket == ticket; });
        return std::move(page_);
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t settled_ = 0;
    queue_page page_;
};

class bench_store
{
public:
    bench_store()
    {
        auto pattern = (std::filesystem::temp_directory_path() / "fulmar-bench-XXXXXX").string();
        settings_.path = ::mkdtemp(pattern.data());
        settings_.retention_bytes = 0;
        open();
    }
    ~bench_store()
    {
        store_.reset();
        std::filesystem::remove_all(settings_.path);
    }
    bench_store(bench_store const&) = delete;
    bench_store& operator=(bench_store const&) = delete;

    void reopen()
    {
        store_.reset();
        open();
    }

    void append(std::size_t records, bool history = false)
    {
        std::vector<store_op> ops;
        ops.reserve(records);
        for (std::size_t i = 0; i < records; ++i) {
            message_fields fields;
            fields.topic = topic;
            fields.payload = payload;
            fields.level = qos::at_least_once;
            fields.publisher = 1;
            fields.published_at = 1'700'000'000'000;
            publish_op op;
            op.message = message::make(std::move(fields));
            op.filters = {history ? hash_history(default_app, topic) : hash_filter(default_app, topic)};
            ops.push_back({std::move(op), ++ticket_});
        }
        store_->submit(0, std::move(ops));
    }
    void wait() { listener_.wait(ticket_); }

    std::size_t replay(bool history = false)
    {
        std::size_t count = 0;
        log_sequence after = 0;
        for (auto complete = false; !complete;) {
            queue_read request;
            request.filters = {{default_app, topic, 0, history}};
            if (history)
                request.messages_max = 512;
            request.after = after;
            request.ticket = ++reads_;
            store_->read(0, std::move(request));
            auto const page = listener_.wait_page(reads_);
            count += page.messages.size();
            after = page.reached;
            complete = page.complete;
        }
        return count;
    }

    [[nodiscard]] storage::store_statistics const& statistics() const { return store_->statistics(); }

private:
    void open()
    {
        store_ = storage::open_store(settings_, clock_);
        store_->recover({});
        store_->attach(0, listener_);
    }

    std::string const topic = "site/12/line/4/temp";
    std::string const payload = std::string(64, 'x');
    system_clock clock_;
    storage::store_settings settings_;
    waiting_listener listener_;
    std::unique_ptr<storage::durable_store> store_;
    std::uint64_t ticket_ = 0;
    std::uint64_t reads_ = 0;
};

// Two hand-overs under way, as shards do it: while one is synced the next is prepared.
void append(benchmark::State& state)
{
    bench_store store;
    auto const records = static_cast<std::size_t>(state.range(0));
    for (auto _ : state) {
        store.append(records);
        store.append(records);
        store.wait();
    }
    state.SetItemsProcessed(state.iterations() * state.range(0) * 2);
    state.counters["records/batch"] = static_cast<double>(store.statistics().records) /
                                      static_cast<double>(std::max<std::uint64_t>(1, store.statistics().commits));
}
BENCHMARK(append)
    ->Name("append/records_per_hand_over")
    ->Arg(1)
    ->Arg(16)
    ->Arg(256)
    ->Arg(1000)
    ->Arg(2000)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

void replay_cached(benchmark::State& state)
{
    bench_store store;
    store.append(1000);
    store.wait();
    std::int64_t messages = 0;
    for (auto _ : state)
        messages += static_cast<std::int64_t>(store.replay());
    state.SetItemsProcessed(messages);
}
BENCHMARK(replay_cached)->Name("replay/cached")->MeasureProcessCPUTime();

void replay_cold(benchmark::State& state)
{
    bench_store store;
    for (int i = 0; i < 100; ++i)
        store.append(1000);
    store.wait();
    std::int64_t messages = 0;
    for (auto _ : state) {
        state.PauseTiming();
        store.reopen();
        state.ResumeTiming();
        messages += static_cast<std::int64_t>(store.replay());
    }
    state.SetItemsProcessed(messages);
}
BENCHMARK(replay_cold)->Name("replay/cold")->MeasureProcessCPUTime();

void history(benchmark::State& state)
{
    bench_store store;
    for (std::int64_t i = 0; i < state.range(0); i += 1000)
        store.append(1000, true);
    store.wait();
    std::int64_t messages = 0;
    for (auto _ : state)
        messages += static_cast<std::int64_t>(store.replay(true));
    state.SetItemsProcessed(messages);
}
BENCHMARK(history)->Name("history/messages")->Arg(1'000)->Arg(100'000)->MeasureProcessCPUTime()->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
