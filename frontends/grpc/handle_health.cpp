// grpc.health.v1.Health: does the broker serve?
#include "broker/session_store.hpp"
#include "frontends/grpc/call_desk.hpp"
#include "grpc/health/v1/health.pb.h"

#include <algorithm>

namespace fulmar::grpc {

namespace {

using answer_message = ::grpc::health::v1::HealthCheckResponse;
using state = answer_message::ServingStatus;

[[nodiscard]] bool known(std::string_view service)
{
    auto const all = methods();
    return service.empty() || std::any_of(all.begin(), all.end(), [&](method const& m) {
               return m.path.substr(1, m.path.rfind('/') - 1) == service;
           });
}

[[nodiscard]] state state_of(broker::node_context const& node)
{
    auto const well =
        !node.draining.load(std::memory_order_relaxed) && node.store.state() != broker::store_state::failed;
    return well ? answer_message::SERVING : answer_message::NOT_SERVING;
}

class check_call final : public unary_call
{
public:
    using unary_call::unary_call;

private:
    void run(std::string const& bytes) override
    {
        ::grpc::health::v1::HealthCheckRequest request;
        if (!parse(bytes, request))
            return;
        if (!known(request.service()))
            return finish(status_code::not_found, "there is no such service");
        answer_message out;
        out.set_status(state_of(home().node()));
        reply(out);
    }
};

class watch_call final : public unary_call
{
public:
    using unary_call::unary_call;

    void on_tick(broker::wall_ms) override { tell(); }
    void on_written() override
    {
        writing_ = false;
        if (ending_ && !finished())
            finish(code_, text_);
    }
    // The last thing it hears is that the broker does not serve any more.
    void wind_up(status_code code, std::string_view text) override
    {
        code_ = code;
        text_ = text;
        ending_ = true;
        tell();
        if (!writing_)
            finish(code, text);
    }

private:
    void run(std::string const& bytes) override
    {
        ::grpc::health::v1::HealthCheckRequest request;
        if (!parse(bytes, request))
            return;
        known_ = known(request.service());
        asked_ = true;
        tell();
    }

    void tell()
    {
        auto const now = known_ ? state_of(home().node()) : answer_message::SERVICE_UNKNOWN;
        if (!asked_ || writing_ || finished() || now == told_)
            return;
        told_ = now;
        answer_message out;
        out.set_status(now);
        writing_ = true;
        write(out.SerializeAsString());
    }

    bool asked_ = false;
    bool known_ = false;
    bool writing_ = false;
    bool ending_ = false;
    status_code code_ = status_code::ok;
    std::string text_;
    state told_ = answer_message::UNKNOWN;
};

}  // namespace

std::shared_ptr<call> make_health_check(call_desk& desk, call_id id) { return std::make_shared<check_call>(desk, id); }
std::shared_ptr<call> make_health_watch(call_desk& desk, call_id id) { return std::make_shared<watch_call>(desk, id); }

}  // namespace fulmar::grpc
