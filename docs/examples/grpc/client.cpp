// A worked gRPC client: publishes a stream of messages with acknowledgements, and follows a topic so that nothing is missed,
// whatever happens to the connection or to the broker.
//
//   client HOST:PORT KEY:SECRET publish TOPIC COUNT [CA-FILE]   publishes "1" to "COUNT"
//   client HOST:PORT KEY:SECRET follow TOPIC COUNT [CA-FILE]    prints COUNT messages, from the oldest there is
//   client HOST:PORT KEY:SECRET once TOPIC PAYLOAD [CA-FILE]    publishes one message and prints its position
//
// TOPIC should keep history ([[history]] in the configuration), or what is published while nobody is connected is gone.
// Built by CMakeLists.txt at the top as `fulmar_grpc_example`; by hand: protoc's C++ output of proto/fulmar/v1/broker.proto,
// linked with grpc++ and protobuf.
#include "fulmar/v1/broker.grpc.pb.h"

#include <grpcpp/create_channel.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>

namespace {

namespace v1 = fulmar::v1;

std::string base64(std::string const& bytes)
{
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        unsigned three = 0;
        for (std::size_t j = 0; j < 3; ++j)
            three = three << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
        for (std::size_t j = 0; j < 4; ++j)
            out += i + j > bytes.size() ? '=' : digits[three >> (18 - 6 * j) & 63];
    }
    return out;
}

class client
{
public:
    client(std::string const& address, std::string const& credentials, std::string const& ca_file)
        : authorization_{"Basic " + base64(credentials)}
    {
        auto security = grpc::InsecureChannelCredentials();
        if (!ca_file.empty()) {
            std::ifstream file{ca_file};
            grpc::SslCredentialsOptions options;
            options.pem_root_certs.assign(std::istreambuf_iterator<char>{file}, {});
            security = grpc::SslCredentials(options);
        }
        grpc::ChannelArguments arguments;
        arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
        broker_ = v1::Broker::NewStub(grpc::CreateCustomChannel(address, security, arguments));
    }

    // One message; the answer comes when it is stored.
    grpc::Status publish_once(std::string const& topic, std::string const& payload)
    {
        grpc::ClientContext context;
        prepare(context);
        context.set_wait_for_ready(true);
        v1::PublishRequest request;
        request.mutable_publication()->set_topic(topic);
        request.mutable_publication()->set_payload(payload);
        v1::PublishResponse answer;
        auto const status = broker_->Publish(&context, request, &answer);
        if (status.ok())
            std::cout << answer.position() << std::endl;
        return status;
    }

    // Messages 1 to `count`. One thread sends, this one reads what is acknowledged. What was not acknowledged when the
    // stream breaks is sent again: a message may arrive twice, and none is lost.
    grpc::Status publish(std::string const& topic, std::uint64_t count)
    {
        std::uint64_t done = 0;
        while (true) {
            grpc::ClientContext context;
            prepare(context);
            context.set_wait_for_ready(true);
            auto const stream = broker_->PublishStream(&context);
            auto const first = done + 1;
            std::thread sender{[&] { send(*stream, topic, first, count); }};
            bool refused = false;
            v1::PublishStreamResponse answer;
            while (stream->Read(&answer)) {
                done = first - 1 + answer.acknowledged();
                for (auto const& failure : answer.failures()) {
                    std::cerr << "message " << first - 1 + failure.number() << ": " << failure.message() << std::endl;
                    refused = true;
                }
            }
            sender.join();
            auto const status = stream->Finish();
            if (refused)
                return {grpc::StatusCode::FAILED_PRECONDITION, "not all messages were accepted"};
            if (done == count || status.error_code() != grpc::StatusCode::UNAVAILABLE)
                return status;
            std::this_thread::sleep_for(std::chrono::milliseconds{100});
        }
    }

    // Prints `count` messages. The position of the last one is all that has to be remembered to go on after a break.
    grpc::Status follow(std::string const& topic, std::uint64_t count)
    {
        std::string position;
        while (true) {
            grpc::ClientContext context;
            prepare(context);
            context.set_wait_for_ready(true);
            v1::SubscribeRequest request;
            request.add_topics(topic);
            position.empty() ? request.set_earliest(true) : request.set_after_position(position);
            auto const stream = broker_->Subscribe(&context, request);
            v1::SubscribeResponse got;
            while (count > 0 && stream->Read(&got)) {
                if (got.has_gap())
                    std::cerr << "lost: after " << got.gap().after() << " up to " << got.gap().upto() << std::endl;
                for (auto const& message : got.messages()) {
                    std::cout << message.payload() << std::endl;
                    position = message.position();
                    if (--count == 0)
                        break;
                }
            }
            if (count == 0)
                context.TryCancel();
            auto const status = stream->Finish();
            if (count == 0)
                return grpc::Status::OK;
            // Cut off, drained, or too slow: come back to the same place.
            if (status.error_code() != grpc::StatusCode::UNAVAILABLE &&
                status.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED)
                return status;
            std::this_thread::sleep_for(std::chrono::milliseconds{100});
        }
    }

private:
    using publishing = grpc::ClientReaderWriter<v1::PublishStreamRequest, v1::PublishStreamResponse>;

    void prepare(grpc::ClientContext& context) const { context.AddMetadata("authorization", authorization_); }

    static void send(publishing& stream, std::string const& topic, std::uint64_t first, std::uint64_t last)
    {
        constexpr int per_request = 10;
        while (first <= last) {
            v1::PublishStreamRequest request;
            for (int i = 0; i < per_request && first <= last; ++i) {
                auto& publication = *request.add_publications();
                publication.set_topic(topic);
                publication.set_payload(std::to_string(first++));
            }
            if (!stream.Write(request))
                return;  // the reader finds out why
        }
        stream.WritesDone();
    }

    std::string const authorization_;
    std::unique_ptr<v1::Broker::Stub> broker_;
};

}  // namespace

int main(int argc, char** argv)
{
    if (argc < 6) {
        std::cerr << "usage: client HOST:PORT KEY:SECRET publish|follow|once TOPIC COUNT|PAYLOAD [CA-FILE]" << std::endl;
        return 2;
    }
    client broker{argv[1], argv[2], argc > 6 ? argv[6] : ""};
    std::string const what = argv[3];
    auto const status = what == "publish"  ? broker.publish(argv[4], std::stoull(argv[5]))
                        : what == "follow" ? broker.follow(argv[4], std::stoull(argv[5]))
                                           : broker.publish_once(argv[4], argv[5]);
    if (status.ok())
        return 0;
    std::cerr << "failed with code " << status.error_code() << ": " << status.error_message() << std::endl;
    return 1;
}
