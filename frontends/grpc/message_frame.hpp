// How a message is written into a SubscribeResponse: as one element of `messages`, so that frames put one after the other
// are a SubscribeResponse again and can be shared by all receivers.
//
// Spec:     fulmar.v1.SubscribeResponse and Message; the wire format of Protocol Buffers.
// Threads:  immutable, any thread.
// Cost:     one pass over the bytes.
#pragma once

#include "broker/session_store.hpp"
#include "broker/subscriber.hpp"
#include "fulmar/v1/broker.pb.h"

#include <vector>

namespace fulmar::grpc {

// `sequence` 0: the topic keeps no history, so the message has no position.
void append_frame(broker::message const& m, broker::log_sequence sequence, std::vector<char>& out);

// The same as a message of its own.
void fill_message(broker::logged_message const& item, v1::Message& out);

// Messages of topics without history, in shared runs. Those with history come one by one, because a stream that ends must
// know the position of the last one it has sent.
[[nodiscard]] broker::wire_variant const& shared_frames() noexcept;

}  // namespace fulmar::grpc
