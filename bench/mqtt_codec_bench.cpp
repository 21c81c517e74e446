// How long does it take to decode what clients send and to encode what they get?
//
// Budget: decode of a small PUBLISH <= 60 ns in MQTT 3.1.1 and <= 100 ns in MQTT 5 with three properties; encoding a
// shared QoS 0 frame <= 40 ns; no allocation in either.
#include "broker/message.hpp"
#include "frontends/mqtt/decoder.hpp"
#include "frontends/mqtt/encoder.hpp"
#include "frontends/mqtt/publish_variant.hpp"

#include <benchmark/benchmark.h>

namespace {

using namespace fulmar;
using namespace fulmar::mqtt;

constexpr std::string_view topic = "plant/7/line/3/sensor/temperature";

broker::message_ptr make_message(std::size_t payload, bool with_properties)
{
    std::string const bytes(payload, 'p');
    broker::message_fields fields;
    fields.topic = topic;
    fields.payload = bytes;
    if (with_properties) {
        auto properties = std::make_unique<broker::message_properties>();
        properties->content_type = "application/json";
        properties->response_topic = "plant/7/reply";
        properties->user = {{"trace", "4bf92f3577b34da6a3ce929d0e0e4736"}};
        fields.properties = std::move(properties);
    }
    return broker::message::make(std::move(fields));
}

std::vector<char> make_frame(protocol_version version, std::size_t payload, bool with_properties, qos level)
{
    auto const m = make_message(payload, with_properties);
    std::vector<char> frame;
    publish_fields fields{.message = *m};
    fields.level = level;
    fields.id = level == qos::at_most_once ? 0 : 4711;
    encode_publish(fields, version, frame);
    return frame;
}

void decode_publish(benchmark::State& state, protocol_version version, bool with_properties, qos level)
{
    auto const frame = make_frame(version, static_cast<std::size_t>(state.range(0)), with_properties, level);
    for (auto _ : state) {
        auto const d = decode(frame, version, {});
        benchmark::DoNotOptimize(d.consumed);
    }
    state.SetItemsProcessed(state.iterations());
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(frame.size()));
}
BENCHMARK_CAPTURE(decode_publish, v3_qos0, protocol_version::v3_1_1, false, qos::at_most_once)->Arg(64)->Arg(4096);
BENCHMARK_CAPTURE(decode_publish, v3_qos1, protocol_version::v3_1_1, false, qos::at_least_once)->Arg(64);
BENCHMARK_CAPTURE(decode_publish, v5_qos0, protocol_version::v5, false, qos::at_most_once)->Arg(64);
BENCHMARK_CAPTURE(decode_publish, v5_three_properties, protocol_version::v5, true, qos::at_most_once)->Arg(64);

void decode_puback(benchmark::State& state)
{
    std::string frame;
    encode_ack(packet_type::puback, 4711, reason_code::success, {.version = protocol_version::v5}, frame);
    for (auto _ : state) {
        auto const d = decode(frame, protocol_version::v5, {});
        benchmark::DoNotOptimize(d.consumed);
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(decode_puback);

void encode_shared(benchmark::State& state, protocol_version version, net::wire::framing_kind framing)
{
    publish_variants const variants;
    auto const& variant = variants.get(version, framing);
    auto const m = make_message(static_cast<std::size_t>(state.range(0)), false);
    std::vector<char> run;
    run.reserve(512 * 1024);
    for (auto _ : state) {
        if (run.size() > 256 * 1024)
            run.clear();
        variant.encode(*m, false, 0, run);
        benchmark::DoNotOptimize(run.data());
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(encode_shared, v3_plain, protocol_version::v3_1_1, net::wire::framing_kind::plain)->Arg(64);
BENCHMARK_CAPTURE(encode_shared, v5_websocket, protocol_version::v5, net::wire::framing_kind::websocket_binary)
    ->Arg(64);

void encode_head(benchmark::State& state, bool with_properties)
{
    auto const m = make_message(64, with_properties);
    publish_fields fields{.message = *m};
    fields.level = qos::at_least_once;
    fields.id = 4711;
    std::string head;
    for (auto _ : state) {
        head.clear();
        encode_publish_head(fields, protocol_version::v5, head);
        benchmark::DoNotOptimize(head.data());
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(encode_head, v5_bare, false);
BENCHMARK_CAPTURE(encode_head, v5_properties, true);

}  // namespace
