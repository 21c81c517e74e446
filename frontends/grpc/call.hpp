// One gRPC call as its shard sees it, and the table of all methods.
//
// Owner:    the call_desk of its shard, until the call has ended; what it asked of others may hold it longer, and then its
//           orders lead nowhere.
// Threads:  shard-owned.
// Limits:   a call is given messages only when it has asked for them.
#pragma once

#include "broker/authenticator.hpp"
#include "broker/clock.hpp"
#include "frontends/grpc/call_server.hpp"

#include <google/protobuf/message_lite.h>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace fulmar::broker {
class shard;
}

namespace fulmar::grpc {

class call_desk;

class call : public std::enable_shared_from_this<call>
{
public:
    call(call_desk& desk, call_id id) noexcept : desk_{desk}, id_{id} {}
    virtual ~call() = default;
    call(call const&) = delete;
    call& operator=(call const&) = delete;

    // Who calls is known, and may.
    virtual void begin() = 0;
    virtual void on_message(std::string&& bytes) = 0;
    // The client has closed its side.
    virtual void on_no_more() {}
    // The last write is on its way.
    virtual void on_written() {}
    // Asked for with at_turn_end().
    virtual void on_turn_end() {}
    // Once a second.
    virtual void on_tick(broker::wall_ms) {}
    // The call should end: the broker drains, or its rules have changed. Calls of one answer are left alone.
    virtual void wind_up(status_code, std::string_view) {}
    // It has ended, whoever ended it.
    virtual void on_ended() {}

    broker::identity who;

protected:
    [[nodiscard]] call_desk& desk() const noexcept { return desk_; }
    [[nodiscard]] broker::shard& home() const noexcept;
    [[nodiscard]] bool finished() const noexcept { return finished_; }

    // Once it is finished nothing is read or written: events that were under way may still ask for it.
    void read(std::uint32_t messages, std::size_t bytes);
    void write(std::string bytes);
    void reply(google::protobuf::MessageLite const& answer);
    void finish(status_code code, std::string_view text = {}, std::string resume = {});
    void finish(broker::error_code error);
    void cancel();
    void at_turn_end();

private:
    friend class call_desk;
    void order(call_order&& what);

    call_desk& desk_;
    call_id const id_;
    connection_id connection_ = 0;
    bool finished_ = false;
    bool dirty_ = false;
};

// A call of one request and one answer.
class unary_call : public call
{
public:
    using call::call;
    void begin() override;
    void on_message(std::string&& bytes) override;
    void on_no_more() override;

protected:
    // Answers, now or later.
    virtual void run(std::string const& bytes) = 0;
    // False, and the call has failed: the bytes are no such message.
    [[nodiscard]] bool parse(std::string const& bytes, google::protobuf::MessageLite& into);
    // False, and the call has failed: it is no valid topic name, or the caller may not read it.
    [[nodiscard]] bool may_read(std::string const& topic);

private:
    bool asked_ = false;
};

enum class audience : std::uint8_t { everybody, identified, administrators };

struct method
{
    std::string_view path;
    audience who = audience::identified;
    std::shared_ptr<call> (*make)(call_desk& desk, call_id id) = nullptr;
};

[[nodiscard]] std::span<method const> methods() noexcept;

// One function per method, in handle_*.cpp.
std::shared_ptr<call> make_publish(call_desk& desk, call_id id);
std::shared_ptr<call> make_publish_stream(call_desk& desk, call_id id);
std::shared_ptr<call> make_subscribe(call_desk& desk, call_id id);
std::shared_ptr<call> make_get_history(call_desk& desk, call_id id);
std::shared_ptr<call> make_list_topics(call_desk& desk, call_id id);
std::shared_ptr<call> make_get_presence(call_desk& desk, call_id id);
std::shared_ptr<call> make_list_sessions(call_desk& desk, call_id id);
std::shared_ptr<call> make_get_session(call_desk& desk, call_id id);
std::shared_ptr<call> make_kick_session(call_desk& desk, call_id id);
std::shared_ptr<call> make_drop_session(call_desk& desk, call_id id);
std::shared_ptr<call> make_health_check(call_desk& desk, call_id id);
std::shared_ptr<call> make_health_watch(call_desk& desk, call_id id);
std::shared_ptr<call> make_reflection(call_desk& desk, call_id id);

}  // namespace fulmar::grpc
