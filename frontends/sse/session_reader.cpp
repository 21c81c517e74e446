#include "frontends/sse/session_reader.hpp"

#include <algorithm>
#include <utility>

namespace fulmar::sse {

session_reader::session_reader(std::unique_ptr<broker::reader_claim> claim, broker::reader_grant grant)
    : claim_{std::move(claim)}, grant_{std::move(grant)}, reported_{grant_.after}
{
}

void session_reader::look(net::wire const& wire, broker::log_sequence written)
{
    auto const receipt = wire.receipt();
    auto reached = reported_;
    if (receipt.complete())
        reached = std::max(reached, written);
    else if (waiting_ && receipt.acknowledged >= waiting_->bytes)
        reached = waiting_->place;
    if (reached > reported_) {
        waiting_.reset();
        claim_->report(reported_ = reached);
    }
    unacknowledged_ = reached < written;
    // A client that is sent something all the time never has everything: one place after the other is waited for.
    if (unacknowledged_ && !waiting_ && receipt.written)
        waiting_ = {*receipt.written, written};
}

}  // namespace fulmar::sse
