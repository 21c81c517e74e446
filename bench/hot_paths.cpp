// The paths that every message takes, each as often as asked, for counting instructions (bench/instructions).
//
//   fulmar_hot_paths list
//   fulmar_hot_paths <path> <times>
//
// Counting two runs of different length and dividing the difference leaves nothing of the preparation in the figure.
#include "bench/hot_paths.hpp"

#include "broker/mail.hpp"
#include "broker/topic.hpp"
#include "broker/topic_tree.hpp"
#include "frontends/mqtt/decoder.hpp"
#include "frontends/mqtt/encoder.hpp"
#include "frontends/mqtt/publish_variant.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace fulmar;
using bench::keep;

constexpr std::string_view topic = "plant/7/line/3/sensor/temperature";

broker::message_ptr make_message()
{
    static std::string const payload(64, 'p');
    broker::message_fields fields;
    fields.topic = topic;
    fields.payload = payload;
    return broker::message::make(std::move(fields));
}

std::vector<char> publish_frame(mqtt::protocol_version version, broker::qos level)
{
    auto const m = make_message();
    mqtt::publish_fields fields{.message = *m};
    fields.level = level;
    fields.id = level == broker::qos::at_most_once ? 0 : 4711;
    std::vector<char> frame;
    mqtt::encode_publish(fields, version, frame);
    return frame;
}

void decode(std::size_t times, mqtt::protocol_version version, broker::qos level)
{
    auto const frame = publish_frame(version, level);
    for (std::size_t i = 0; i < times; ++i)
        keep(mqtt::decode(frame, version, {}).consumed);
}

void decode_v3(std::size_t times) { decode(times, mqtt::protocol_version::v3_1_1, broker::qos::at_most_once); }
void decode_v5(std::size_t times) { decode(times, mqtt::protocol_version::v5, broker::qos::at_least_once); }

void decode_puback(std::size_t times)
{
    std::string frame;
    mqtt::encode_ack(mqtt::packet_type::puback, 4711, mqtt::reason_code::success,
                     {.version = mqtt::protocol_version::v5}, frame);
    for (std::size_t i = 0; i < times; ++i)
        keep(mqtt::decode(frame, mqtt::protocol_version::v5, {}).consumed);
}

void encode(std::size_t times, mqtt::protocol_version version, net::wire::framing_kind framing)
{
    mqtt::publish_variants const variants;
    auto const& variant = variants.get(version, framing);
    auto const m = make_message();
    std::vector<char> run;
    run.reserve(1024);
    for (std::size_t i = 0; i < times; ++i) {
        run.clear();
        variant.encode(*m, false, 0, run);
        keep(run.data());
    }
}

void encode_v3(std::size_t times) { encode(times, mqtt::protocol_version::v3_1_1, net::wire::framing_kind::plain); }
void encode_v5_ws(std::size_t times)
{
    encode(times, mqtt::protocol_version::v5, net::wire::framing_kind::websocket_binary);
}

void make(std::size_t times)
{
    for (std::size_t i = 0; i < times; ++i)
        keep(make_message().get());
}

void match(std::size_t times, bool wildcards)
{
    broker::topic_tree tree;
    std::vector<std::string> topics;
    for (std::uint32_t i = 0; i < 10'000; ++i) {
        auto const device = "fleet/site-" + std::to_string(i % 100) + "/device-" + std::to_string(i);
        topics.push_back(device + "/temperature");
        tree.insert(wildcards && i % 10 == 0 ? device + "/+" : topics.back(), i);
    }
    std::vector<std::uint32_t> out;
    for (std::size_t i = 0; i < times; ++i) {
        out.clear();
        tree.match(topics[i % topics.size()], out);
        keep(out.size());
    }
}

void match_exact(std::size_t times) { match(times, false); }
void match_wildcards(std::size_t times) { match(times, true); }

void validate_topic(std::size_t times)
{
    for (std::size_t i = 0; i < times; ++i)
        keep(broker::valid_topic_name(topic));
}

// A message of a turn of a hundred: added, pushed, taken, opened.
void mail(std::size_t times)
{
    auto const m = make_message();
    broker::mailbox between;
    broker::parcel letters;
    std::vector<broker::parcel> taken;
    for (std::size_t done = 0; done < times; done += 100) {
        for (int i = 0; i < 100; ++i)
            letters.add(m);
        between.push(letters);
        between.take(taken);
        for (auto& each : taken) {
            each.open([](broker::message_ptr const& one) { keep(one.get()); }, [](auto const&) {});
            between.settle(std::move(each));
        }
        taken.clear();
    }
}

struct path
{
    std::string_view name;
    void (*run)(std::size_t times);
};
constexpr path paths[] = {
    {"mqtt_decode_publish_v3_qos0", decode_v3},
    {"mqtt_decode_publish_v5_qos1", decode_v5},
    {"mqtt_decode_puback_v5", decode_puback},
    {"mqtt_encode_publish_v3", encode_v3},
    {"mqtt_encode_publish_v5_websocket", encode_v5_ws},
    {"message_make", make},
    {"topic_name_validate", validate_topic},
    {"topic_tree_match_exact", match_exact},
    {"topic_tree_match_10_percent_wildcards", match_wildcards},
    {"mailbox_message_in_turn_of_100", mail},
    {"http_head_check", bench::check_http_head},
    {"http_response_head", bench::write_http_head},
    {"pusher_verify_signature", bench::verify_pusher_request},
    {"pusher_greeting_per_member", bench::greet_presence_member},
};

}  // namespace

int main(int argc, char** argv)
{
    if (argc == 2 && std::string_view{argv[1]} == "list") {
        for (auto const& each : paths)
            std::printf("%.*s\n", static_cast<int>(each.name.size()), each.name.data());
        return 0;
    }
    for (auto const& each : paths) {
        if (argc == 3 && each.name == argv[1]) {
            each.run(std::strtoul(argv[2], nullptr, 10));
            return 0;
        }
    }
    std::fputs("usage: fulmar_hot_paths list | <path> <times>\n", stderr);
    return 2;
}
