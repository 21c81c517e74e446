// One request that is answered later: ties the responders that a handler holds to the connection, as long as there is one.
//
// Owner:    shared by the responders; the connection only watches it.
// Threads:  shard-owned.
#pragma once

#include "frontends/net/http_message.hpp"

#include <functional>
#include <memory>
#include <utility>

namespace fulmar::net {

// Makes the protocol that goes on with a connection after the head of an answer without an end (http_responder::stream).
using http_stream_factory = std::function<std::unique_ptr<protocol>(wire&)>;

// The connection, as far as an answer is concerned.
class http_answer_sink
{
public:
    virtual void complete(http_response const& response) = 0;
    virtual void hand_over(http_response const& head, http_stream_factory const& make) = 0;

protected:
    ~http_answer_sink() = default;
};

class http_exchange
{
public:
    explicit http_exchange(http_answer_sink& connection) noexcept : connection_(&connection) {}
    ~http_exchange();
    http_exchange(http_exchange const&) = delete;
    http_exchange& operator=(http_exchange const&) = delete;

    // The first answer counts.
    void answer(http_response const& response);
    void stream(http_response const& head, http_stream_factory const& make);
    // The connection has ended, or has answered itself.
    void forget() noexcept { connection_ = nullptr; }
    [[nodiscard]] bool open() const noexcept { return connection_ != nullptr; }

private:
    http_answer_sink* connection_;
};

}  // namespace fulmar::net
