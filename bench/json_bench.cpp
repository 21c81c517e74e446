// What does JSON cost on the way in (REST, triggers, Pusher clients) and on the way out (events, messages as lines)?
//
// Budget: 2 µs to read a small publish, 1.5 µs per message of a batch, 1 µs for what a client says; 300 ns to write an event or
// a message of 64 bytes.
#include "frontends/net/http_query.hpp"
#include "frontends/net/message_json.hpp"
#include "frontends/pusher/client_command.hpp"
#include "frontends/pusher/event.hpp"
#include "frontends/pusher/trigger.hpp"
#include "frontends/rest/publish_body.hpp"

#include <benchmark/benchmark.h>

#include <string>

namespace {

using namespace fulmar;

constexpr std::string_view data = R"({\"sensor\":\"north-7\",\"celsius\":21.5,\"note\":\"caf\u00e9\"})";
constexpr std::size_t payload_max = 1024 * 1024;

net::http_request request_of(std::string body)
{
    net::http_request made;
    made.method = "POST";
    made.headers.push_back({"Content-Type", "application/json"});
    made.body = std::move(body);
    return made;
}

std::string publication_of(int number)
{
    return R"({"topic":"plant/7/line/)" + std::to_string(number) + R"(","event":"measured","data":")" +
           std::string{data} + R"("})";
}

void finish(benchmark::State& state, std::size_t bytes, std::int64_t items = 1)
{
    state.SetItemsProcessed(state.iterations() * items);
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

void rest_publish(benchmark::State& state)
{
    auto const request = request_of(publication_of(1));
    net::http_query const query;
    for (auto _ : state)
        benchmark::DoNotOptimize(rest::read_publication(request, query, payload_max).messages.data());
    finish(state, request.body.size());
}
BENCHMARK(rest_publish);

void rest_batch(benchmark::State& state)
{
    std::string body = R"({"messages":[)" + publication_of(0);
    for (int i = 1; i < state.range(0); ++i)
        body += ',' + publication_of(i);
    auto const request = request_of(body + "]}");
    for (auto _ : state)
        benchmark::DoNotOptimize(rest::read_batch(request, payload_max).messages.data());
    finish(state, request.body.size(), state.range(0));
}
BENCHMARK(rest_batch)->Arg(10)->Arg(1000);

void pusher_trigger(benchmark::State& state)
{
    broker::app const app;
    auto const body = R"({"name":"measured","channels":["plant-7"],"data":")" + std::string{data} + R"("})";
    std::size_t taken = 0;
    for (auto _ : state) {
        auto const refused = pusher::read_trigger(app, body, {}, [&](auto const& all) { taken += all.size(); });
        benchmark::DoNotOptimize(refused.status);
    }
    if (taken != static_cast<std::size_t>(state.iterations()))
        state.SkipWithError("the trigger was refused");
    finish(state, body.size());
}
BENCHMARK(pusher_trigger);

void pusher_command(benchmark::State& state, std::string_view text)
{
    for (auto _ : state) {
        pusher::client_command command;
        if (!pusher::decode(text, command).empty())
            state.SkipWithError("the command was refused");
        benchmark::DoNotOptimize(command.kind);
    }
    finish(state, text.size());
}
BENCHMARK_CAPTURE(pusher_command, subscribe, R"({"event":"pusher:subscribe","data":{"auth":"","channel":"plant-7"}})");
BENCHMARK_CAPTURE(pusher_command, client_event,
                  R"({"event":"client-typing","channel":"private-room-1","data":{"who":"ada","since":1764320000}})");

broker::message_ptr message_of(std::size_t bytes)
{
    std::string payload(bytes, 'x');
    for (std::size_t i = 0; i < bytes; i += 8)
        payload[i] = '"';  // has to be escaped
    broker::message_fields fields;
    fields.topic = "plant-7";
    fields.event = "measured";
    fields.payload = payload;
    return broker::message::make(std::move(fields));
}

template <class Write>
void write(benchmark::State& state, Write what)
{
    auto const m = message_of(static_cast<std::size_t>(state.range(0)));
    std::string out;
    for (auto _ : state) {
        out.clear();
        what(out, *m);
        benchmark::DoNotOptimize(out.data());
    }
    finish(state, out.size());
}

void pusher_event(benchmark::State& state)
{
    write(state, [](std::string& out, broker::message const& m) { pusher::append_event(out, m); });
}
BENCHMARK(pusher_event)->Arg(64)->Arg(4096);

void message_line(benchmark::State& state)
{
    write(state, [](std::string& out, broker::message const& m) {
        net::append_message_json(out, m, broker::log_sequence{4711});
    });
}
BENCHMARK(message_line)->Arg(64)->Arg(4096);

}  // namespace
