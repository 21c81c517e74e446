// CONNECT, then anything: two clients against the real core with the memory store.
//
// Input: a byte for the version of the first client, then steps of {operation, length (2 bytes, big-endian), bytes}.
// Whatever the bytes are, the broker must come to rest, keep no more of a packet than its limit, send only packets
// that a broker may send, and go on serving a third client that has done nothing wrong.
#include "tests/support/mqtt_test_broker.hpp"
#include "tests/support/scripted_packet.hpp"

#include <cstdint>
#include <cstdlib>
#include <memory>

using namespace fulmar;
using namespace fulmar::test;

namespace {

constexpr std::size_t steps_max = 64;

void require(bool holds)
{
    if (!holds)
        std::abort();
}

struct peer
{
    explicit peer(mqtt_test_broker& broker, char const* name) : owner{broker}, id{name} { join(mqtt_v5); }

    void join(protocol_version with)
    {
        version = with;
        connection = std::make_unique<fake_connection>(owner);
        auto packet = connect(id);
        packet.resuming().will("a/will", "w", 1).keep_alive(60);
        if (version == mqtt_v5)
            packet.expiry(100).with(property_id::topic_alias_maximum, 2).with(property_id::receive_maximum, 3);
        connection->feed(packet.bytes(version) + subscribe(1, {{"a/#", 2}, {"$share/g/a/+", 1}}).bytes(version));
        owner.settle();
    }

    void check()
    {
        require(connection->kept_bytes() <= owner.context().settings.maximum_packet_size + std::size_t{5});
        while (auto const sent = take_packet(connection->received, version))
            require(sent->type != packet_type{});
    }

    mqtt_test_broker& owner;
    std::string id;
    protocol_version version = mqtt_v5;
    std::unique_ptr<fake_connection> connection;
};

void restart(mqtt_test_broker& broker, peer& first, peer& second, peer& bystander)
{
    broker.kill_and_restart();
    for (auto* const each : {&first, &second, &bystander}) {
        each->connection.reset();
        each->join(each->version);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    std::string_view in{reinterpret_cast<char const*>(data), size};
    if (in.empty())
        return 0;
    mqtt_test_options options;
    options.settings.maximum_packet_size = 4096;
    options.limits.session_pending_messages = 20;
    options.limits.receive_maximum = 10;
    mqtt_test_broker broker{options};
    peer first{broker, "first"}, second{broker, "second"}, bystander{broker, "bystander"};
    auto const version = static_cast<protocol_version>(3 + in[0] % 3);
    if (version != mqtt_v5) {
        first.connection.reset();
        first.join(version);
    }
    in.remove_prefix(1);
    for (std::size_t step = 0; step < steps_max && in.size() >= 3; ++step) {
        auto const operation = static_cast<unsigned char>(in[0]);
        auto const wanted =
            static_cast<std::size_t>(static_cast<unsigned char>(in[1])) << 8U | static_cast<unsigned char>(in[2]);
        auto const bytes = in.substr(3, wanted);
        in.remove_prefix(3 + bytes.size());
        switch (operation % 8) {
        case 4: second.connection->feed(bytes); break;
        case 5: broker.advance(std::chrono::seconds{operation / 8 * 5}); break;
        case 6:
            first.connection.reset();
            first.join(static_cast<protocol_version>(3 + operation / 8 % 3));
            break;
        case 7:
            if (operation / 8 % 4 == 0)
                broker.store.hold();
            else if (operation / 8 % 4 == 1)
                broker.store.release();
            else if (operation / 8 % 4 == 2)
                restart(broker, first, second, bystander);
            else
                broker.store.set_state(operation >= 128 ? broker::store_state::full : broker::store_state::healthy);
            break;
        default: first.connection->feed(bytes); break;
        }
        if (operation < 192)
            broker.settle();
        if (operation % 8 == 5 && !bystander.connection->open())
            bystander.join(mqtt_v5);  // it may have been silent for too long
        first.check();
        second.check();
    }
    broker.store.release();
    broker.settle();
    bystander.check();
    if (bystander.connection->open()) {
        // It acknowledges nothing, so it may have been closed as a slow consumer; if not, it is served.
        bystander.connection->feed(pingreq().bytes(mqtt_v5));
        broker.settle();
        require(!bystander.connection->received.empty());
    }
    return 0;
}
