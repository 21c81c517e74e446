// grpc.reflection.v1.ServerReflection: what this server offers.
#include "frontends/grpc/call_desk.hpp"
#include "fulmar/v1/broker.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <algorithm>
#include <array>

namespace fulmar::grpc {

namespace {

namespace reflection = ::grpc::reflection::v1;
namespace protobuf = ::google::protobuf;

[[nodiscard]] std::array<protobuf::FileDescriptor const*, 3> files()
{
    return {v1::Message::descriptor()->file(), ::grpc::health::v1::HealthCheckRequest::descriptor()->file(),
            reflection::ServiceResponse::descriptor()->file()};
}

// Null: none of ours.
[[nodiscard]] protobuf::FileDescriptor const* ours(protobuf::FileDescriptor const* file)
{
    auto const all = files();
    return std::find(all.begin(), all.end(), file) == all.end() ? nullptr : file;
}

void fill_file(protobuf::FileDescriptor const* file, reflection::ServerReflectionResponse& out)
{
    if (file == nullptr) {
        auto& error = *out.mutable_error_response();
        error.set_error_code(static_cast<int>(status_code::not_found));
        error.set_error_message("there is no such file or symbol");
        return;
    }
    protobuf::FileDescriptorProto text;
    file->CopyTo(&text);
    out.mutable_file_descriptor_response()->add_file_descriptor_proto(text.SerializeAsString());
}

[[nodiscard]] reflection::ServerReflectionResponse answer_to(reflection::ServerReflectionRequest const& asked)
{
    reflection::ServerReflectionResponse out;
    out.set_valid_host(asked.host());
    *out.mutable_original_request() = asked;
    auto const& pool = *protobuf::DescriptorPool::generated_pool();
    using request = reflection::ServerReflectionRequest;
    switch (asked.message_request_case()) {
    case request::kListServices:
        for (auto const* const file : files())
            for (int i = 0; i < file->service_count(); ++i)
                out.mutable_list_services_response()->add_service()->set_name(file->service(i)->full_name());
        break;
    case request::kFileByFilename: fill_file(ours(pool.FindFileByName(asked.file_by_filename())), out); break;
    case request::kFileContainingSymbol:
        fill_file(ours(pool.FindFileContainingSymbol(asked.file_containing_symbol())), out);
        break;
    case request::kAllExtensionNumbersOfType:
        if (ours(pool.FindFileContainingSymbol(asked.all_extension_numbers_of_type())) == nullptr)
            fill_file(nullptr, out);
        else
            out.mutable_all_extension_numbers_response()->set_base_type_name(asked.all_extension_numbers_of_type());
        break;
    case request::kFileContainingExtension: fill_file(nullptr, out); break;
    case request::MESSAGE_REQUEST_NOT_SET:
        out.mutable_error_response()->set_error_code(static_cast<int>(status_code::invalid_argument));
        out.mutable_error_response()->set_error_message("nothing is asked for");
        break;
    }
    return out;
}

class reflection_call final : public call
{
public:
    using call::call;

    void begin() override { read(1, question_bytes_max); }
    void on_message(std::string&& bytes) override
    {
        reflection::ServerReflectionRequest asked;
        if (bytes.size() > question_bytes_max || !asked.ParseFromString(bytes))
            return finish(status_code::invalid_argument,
                          "the request is no grpc.reflection.v1.ServerReflectionRequest");
        writing_ = true;
        write(answer_to(asked).SerializeAsString());
    }
    void on_written() override
    {
        writing_ = false;
        no_more_ ? finish(status_code::ok) : read(1, question_bytes_max);
    }
    void on_no_more() override
    {
        no_more_ = true;
        if (!writing_)
            finish(status_code::ok);
    }
    void wind_up(status_code code, std::string_view text) override { finish(code, text); }

private:
    static constexpr std::size_t question_bytes_max = 64 * 1024;
    bool writing_ = false;
    bool no_more_ = false;
};

}  // namespace

std::shared_ptr<call> make_reflection(call_desk& desk, call_id id)
{
    return std::make_shared<reflection_call>(desk, id);
}

}  // namespace fulmar::grpc
