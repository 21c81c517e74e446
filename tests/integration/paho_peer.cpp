// One of the three programs of the main job: a Paho C++ client with a persistent session that publishes numbered
// messages and prints everything it receives, and that can be killed and started again.
//
// paho_peer URI CLIENT_ID TOPIC FILTER FIRST COUNT
//
// Publishes "CLIENT_ID FIRST" .. "CLIENT_ID FIRST+COUNT-1" to TOPIC at QoS 1; after each acknowledgement it prints
// "acked N"; for each received message "got TOPIC PAYLOAD". It ends when its standard input ends.

#include <mqtt/async_client.h>
#include <atomic>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>

int main(int argc, char** argv)
{
    if (argc != 7) {
        std::cerr << "usage: paho_peer URI CLIENT_ID TOPIC FILTER FIRST COUNT\n";
        return 2;
    }
    std::string const id = argv[2];
    std::mutex printing;
    auto const print = [&](std::string const& line) {
        std::lock_guard const lock{printing};
        std::cout << line << std::endl;
    };
    try {
        mqtt::async_client client{argv[1], id, mqtt::create_options(MQTTVERSION_5), nullptr};
        client.set_message_callback(
            [&](mqtt::const_message_ptr const& m) { print("got " + m->get_topic() + " " + m->to_string()); });
        mqtt::connect_options options;
        options.set_mqtt_version(MQTTVERSION_5);
        options.set_clean_start(false);
        options.set_properties({{mqtt::property::SESSION_EXPIRY_INTERVAL, 3'600}});
        client.connect(options)->wait();
        client.subscribe(argv[4], 1)->wait();
        print("ready");
        std::atomic<bool> ended{false};
        std::thread input{[&] {
            for (std::string line; std::getline(std::cin, line);) {
            }
            ended = true;
        }};
        int const first = std::stoi(argv[5]);
        int const count = std::stoi(argv[6]);
        for (int n = first; n < first + count && !ended; ++n) {
            client.publish(argv[3], id + " " + std::to_string(n), 1, false)->wait();
            print("acked " + std::to_string(n));
        }
        input.join();
        client.disconnect()->wait();
    } catch (mqtt::exception const& e) {
        std::cerr << "paho_peer: " << e.what() << '\n';
        return 1;
    }
    return 0;
}
