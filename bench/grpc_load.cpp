// What one event published over gRPC costs the broker: N connections with one PublishStream each, a window of unacknowledged
// messages, and the broker's processor time between two moments. With subscribers: what one delivery costs.
//
//   fulmar_grpc_load --port 50051 --pid $(pidof fulmar) [--connections 8] [--per-request 1] [--window 1024] [--payload 64]
//                    [--seconds 5] [--subscribers 0] [--qos 0]
#include "bench/load/process_probe.hpp"
#include "fulmar/v1/broker.grpc.pb.h"

#include <grpcpp/create_channel.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace v1 = fulmar::v1;

struct load_options
{
    std::string host = "127.0.0.1";
    int port = 50051;
    int pid = 0;
    std::size_t connections = 8;
    std::size_t subscribers = 0;
    std::uint64_t per_request = 1;
    std::uint64_t window = 1024;
    std::size_t payload = 64;
    double seconds = 5;
    int qos = 0;
};

std::unique_ptr<v1::Broker::Stub> connect(load_options const& o)
{
    grpc::ChannelArguments alone;
    alone.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
    auto const target = o.host + ":" + std::to_string(o.port);
    return v1::Broker::NewStub(grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), alone));
}

class stream_publisher
{
public:
    stream_publisher(load_options const& o, std::size_t number, std::atomic<bool> const& stopping)
        : options_{o}, stub_{connect(o)}, stream_{stub_->PublishStream(&context_)}, stopping_{stopping}
    {
        for (std::uint64_t i = 0; i < o.per_request; ++i) {
            auto& p = *request_.add_publications();
            p.set_topic("bench/" + std::to_string(number));
            p.set_payload(std::string(o.payload, 'x'));
            p.set_qos(o.qos == 0 ? v1::QOS_AT_MOST_ONCE : v1::QOS_AT_LEAST_ONCE);
        }
        reader_ = std::thread{[this] { read(); }};
        writer_ = std::thread{[this] { write(); }};
    }
    // False: something was refused, or not everything was acknowledged.
    bool join()
    {
        writer_.join();
        reader_.join();
        auto const status = stream_->Finish();
        if (!status.ok())
            std::fprintf(stderr, "stream ended: %s\n", status.error_message().c_str());
        return status.ok() && failures_ == 0 && acknowledged == sent_;
    }
    std::atomic<std::uint64_t> acknowledged{0};

private:
    void write()
    {
        while (!stopping_) {
            {
                std::unique_lock lock{mutex_};
                changed_.wait(lock, [&] { return sent_ - acknowledged < options_.window || ended_; });
            }
            if (ended_ || !stream_->Write(request_))
                break;
            sent_ += options_.per_request;
        }
        stream_->WritesDone();
    }
    void read()
    {
        v1::PublishStreamResponse answer;
        while (stream_->Read(&answer)) {
            failures_ += static_cast<std::uint64_t>(answer.failures_size());
            std::lock_guard const lock{mutex_};
            acknowledged = answer.acknowledged();
            changed_.notify_one();
        }
        std::lock_guard const lock{mutex_};
        ended_ = true;
        changed_.notify_one();
    }

    load_options const& options_;
    grpc::ClientContext context_;
    std::unique_ptr<v1::Broker::Stub> stub_;
    std::unique_ptr<grpc::ClientReaderWriter<v1::PublishStreamRequest, v1::PublishStreamResponse>> stream_;
    std::atomic<bool> const& stopping_;
    v1::PublishStreamRequest request_;
    std::atomic<std::uint64_t> sent_{0};
    std::uint64_t failures_ = 0;
    std::atomic<bool> ended_{false};
    std::mutex mutex_;
    std::condition_variable changed_;
    std::thread reader_;
    std::thread writer_;
};

class stream_subscriber
{
public:
    explicit stream_subscriber(load_options const& o) : stub_{connect(o)}
    {
        v1::SubscribeRequest request;
        request.add_topics("bench/#");
        stream_ = stub_->Subscribe(&context_, request);
        v1::SubscribeResponse first;
        if (!stream_->Read(&first) || !first.has_ready())
            std::fprintf(stderr, "not subscribed\n");
        reader_ = std::thread{[this] {
            v1::SubscribeResponse got;
            while (stream_->Read(&got))
                received += static_cast<std::uint64_t>(got.messages_size());
            slow = stream_->Finish().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
        }};
    }
    void stop()
    {
        context_.TryCancel();
        reader_.join();
    }
    std::atomic<std::uint64_t> received{0};
    std::atomic<bool> slow{false};

private:
    grpc::ClientContext context_;
    std::unique_ptr<v1::Broker::Stub> stub_;
    std::unique_ptr<grpc::ClientReader<v1::SubscribeResponse>> stream_;
    std::thread reader_;
};

template <class All>
std::uint64_t sum(All const& all, std::atomic<std::uint64_t> All::value_type::element_type::*what)
{
    std::uint64_t out = 0;
    for (auto const& each : all)
        out += ((*each).*what).load();
    return out;
}

int run(load_options const& o)
{
    std::atomic<bool> stopping{false};
    std::vector<std::unique_ptr<stream_subscriber>> subscribers;
    for (std::size_t i = 0; i < o.subscribers; ++i)
        subscribers.push_back(std::make_unique<stream_subscriber>(o));
    std::vector<std::unique_ptr<stream_publisher>> publishers;
    for (std::size_t i = 0; i < o.connections; ++i)
        publishers.push_back(std::make_unique<stream_publisher>(o, i, stopping));
    std::this_thread::sleep_for(1s);
    auto const begin = std::chrono::steady_clock::now();
    auto const cpu_before = o.pid == 0 ? 0.0 : fulmar::load::usage_of(o.pid).cpu_s;
    auto const events_before = sum(publishers, &stream_publisher::acknowledged);
    auto const received_before = sum(subscribers, &stream_subscriber::received);
    std::this_thread::sleep_for(std::chrono::duration<double>{o.seconds});
    auto const cpu = o.pid == 0 ? 0.0 : fulmar::load::usage_of(o.pid).cpu_s - cpu_before;
    auto const events = static_cast<double>(sum(publishers, &stream_publisher::acknowledged) - events_before);
    auto const received = static_cast<double>(sum(subscribers, &stream_subscriber::received) - received_before);
    auto const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    stopping = true;
    bool well = true;
    for (auto const& each : publishers)
        well = each->join() && well;
    for (auto const& each : subscribers) {
        well = well && !each->slow;
        each->stop();
    }
    std::printf("%zu connections, %llu per request, window %llu, %zu bytes, qos %d, %zu subscribers\n", o.connections,
                static_cast<unsigned long long>(o.per_request), static_cast<unsigned long long>(o.window), o.payload,
                o.qos, o.subscribers);
    std::printf("%.0f events/s, %.0f deliveries/s; broker %.2f cores", events / seconds, received / seconds,
                cpu / seconds);
    if (cpu > 0)
        std::printf(", %.2f us per event: %.0f events/s per core", cpu / events * 1e6, events / cpu);
    if (cpu > 0 && received > 0)
        std::printf(", %.2f us per delivery", cpu / received * 1e6);
    std::printf("\n%s\n", well ? "ok" : "FAILED");
    return well ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv)
{
    load_options o;
    CLI::App app{"gRPC load: publish streams, and subscribers if wanted"};
    app.add_option("--host", o.host);
    app.add_option("--port", o.port);
    app.add_option("--pid", o.pid);
    app.add_option("--connections", o.connections);
    app.add_option("--subscribers", o.subscribers);
    app.add_option("--per-request", o.per_request);
    app.add_option("--window", o.window);
    app.add_option("--payload", o.payload);
    app.add_option("--seconds", o.seconds);
    app.add_option("--qos", o.qos);
    CLI11_PARSE(app, argc, argv);
    return run(o);
}
