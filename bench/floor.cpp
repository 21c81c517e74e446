// The floor: what the kernel alone asks for fan-out. A bare epoll program that passes on frames as they came.
//
//   fulmar_floor serve [--port 0] [--mode coalesce|single]     a "broker" for any MQTT load generator (QoS 0; topics or
//                                                              "<parent>/+"); prints "port N" and serves until it is killed
//   fulmar_floor run [--subscribers 100] [--payload 64] [--window 32] [--seconds 2] [--mode coalesce|single]
//                    [--fixed-rate messages/s] [--json]        both sides: server on processor 0, clients on processor 1
//
// coalesce: the frames of one loop turn in one send per socket. single: one send per frame and socket.
// Question it answers: how far above the kernel is a broker, under the same load, in the same minute?
#include "bench/floor_clients.hpp"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <ctime>

namespace {

using namespace fulmar::floor;

void pin(int processor)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    ::sched_setaffinity(0, sizeof set, &set);
}

double processor_time_us(pid_t process)
{
    clockid_t clock{};
    timespec time{};
    if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
        fail("processor time of the server");
    }
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

int run_both(options const& with)
{
    std::uint16_t port = 0;
    auto const listening = listen_on(port);
    auto const serving = ::fork();
    if (serving == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(0);
        server{listening, with.coalesce}.run();
    }
    pin(1);
    clients load{with, port};
    auto const length = std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>{with.seconds});
    load.drive(steady::now() + length / 4);
    load.restart();
    auto const before = processor_time_us(serving);
    auto const from = steady::now();
    load.drive(from + length);
    auto const wall = std::chrono::duration<double>(steady::now() - from).count();
    auto const processor = processor_time_us(serving) - before;
    ::kill(serving, SIGKILL);
    ::waitpid(serving, nullptr, 0);
    auto const deliveries = static_cast<double>(std::max<std::uint64_t>(load.deliveries(), 1));
    std::printf(
        with.json
            ? "{\"mode\": \"%s\", \"subscribers\": %zu, \"payload_bytes\": %zu, \"window\": %zu, "
              "\"fixed_rate\": %.0f, \"broker_cpu_per_delivery_us\": %.4f, \"deliveries_per_s\": %.0f, "
              "\"deliveries_per_receive\": %.2f, \"delivery_p50_us\": %.0f, \"delivery_p99_us\": %.0f}\n"
            : "%s, %zu subscribers, %zu B, window %zu, fixed rate %.0f/s: %.4f us per delivery, %.0f deliveries/s, "
              "%.2f per receive, p50 %.0f us, p99 %.0f us\n",
        with.coalesce ? "coalesce" : "single", with.subscribers, with.payload, with.window, with.fixed_rate,
        processor / deliveries, deliveries / wall,
        deliveries / static_cast<double>(std::max<std::uint64_t>(load.receives(), 1)), load.latency_us(0.5),
        load.latency_us(0.99));
    return 0;
}

int usage()
{
    std::fputs(
        "usage: fulmar_floor serve [--port N] [--mode coalesce|single]\n"
        "       fulmar_floor run [--subscribers N] [--payload BYTES] [--window N] [--seconds S]\n"
        "                        [--mode coalesce|single] [--fixed-rate MESSAGES_PER_S] [--json]\n",
        stderr);
    return 2;
}

bool set_option(options& o, std::string_view name, char const* value)
{
    if (name == "--mode") {
        o.coalesce = std::string_view{value} == "coalesce";
        return o.coalesce || std::string_view{value} == "single";
    }
    auto const number = std::strtod(value, nullptr);
    auto const whole = static_cast<std::size_t>(number);
    if (name == "--port")
        o.port = static_cast<std::uint16_t>(whole);
    else if (name == "--subscribers")
        o.subscribers = whole;
    else if (name == "--payload")
        o.payload = whole;
    else if (name == "--window")
        o.window = whole;
    else if (name == "--seconds")
        o.seconds = number;
    else if (name == "--fixed-rate")
        o.fixed_rate = number;
    else
        return false;
    return number >= 0;
}

}  // namespace

int main(int argc, char** argv)
{
    options o;
    std::vector<std::string> const arguments(argv + std::min(argc, 1), argv + argc);
    if (arguments.empty() || (arguments[0] != "serve" && arguments[0] != "run")) {
        return usage();
    }
    o.serve = arguments[0] == "serve";
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        if (arguments[i] == "--json") {
            o.json = true;
        } else if (i + 1 == arguments.size() || !set_option(o, arguments[i], arguments[i + 1].c_str())) {
            return usage();
        } else {
            ++i;
        }
    }
    if (!o.serve) {
        return run_both(o);
    }
    auto const listening = listen_on(o.port);
    std::printf("port %u\n", static_cast<unsigned>(o.port));
    std::fflush(stdout);
    server{listening, o.coalesce}.run();
}
