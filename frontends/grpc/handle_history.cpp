// GetHistory.
#include "broker/history_page.hpp"
#include "frontends/grpc/call_desk.hpp"
#include "frontends/grpc/message_frame.hpp"
#include "frontends/net/message_json.hpp"
#include "fulmar/v1/broker.pb.h"

#include <algorithm>

namespace fulmar::grpc {

namespace {

// Many clients refuse answers of more than 4 MiB.
constexpr std::size_t page_bytes_max = 1024 * 1024;

class history_call final : public unary_call
{
public:
    using unary_call::unary_call;

private:
    void run(std::string const& bytes) override
    {
        v1::GetHistoryRequest request;
        if (!parse(bytes, request) || !may_read(request.topic()))
            return;
        if (request.limit() > broker::history_messages_max)
            return finish(status_code::invalid_argument, "limit is more than 1000");
        broker::history_question asked;
        asked.app = who.app;
        asked.topic = request.topic();
        asked.limit = request.limit() == 0 ? broker::history_messages_default : request.limit();
        asked.reverse = request.reverse();
        asked.bytes_max = page_bytes_max;
        asked.not_before = static_cast<broker::wall_ms>(std::max<std::int64_t>(request.since_ms(), 0));
        if (!request.after_position().empty()) {
            auto const after = net::parse_cursor(request.after_position());
            if (!after)
                return finish(status_code::invalid_argument, "after_position is no position of this broker");
            asked.after = *after;
        }
        if (!request.before_position().empty()) {
            auto const before = net::parse_cursor(request.before_position());
            if (!before || *before == 0)
                return finish(status_code::invalid_argument, "before_position is no position of this broker");
            asked.upto = *before - 1;
        }
        auto answer = [self = std::static_pointer_cast<history_call>(shared_from_this())](
                          broker::history_page const& page) { self->answer(page); };
        broker::read_history(home(), std::move(asked), std::move(answer));
    }

    void answer(broker::history_page const& page)
    {
        if (!page.kept)
            return finish(status_code::not_found, "this topic keeps no history: see [[history]] in the configuration");
        if (page.error)
            return finish(page.error);
        v1::GetHistoryResponse out;
        for (auto const& item : page.messages)
            fill_message(item, *out.add_messages());
        out.set_gap(page.gap);
        if (page.more)
            out.set_next_position(net::cursor_text(page.next));
        reply(out);
    }
};

}  // namespace

std::shared_ptr<call> make_get_history(call_desk& desk, call_id id) { return std::make_shared<history_call>(desk, id); }

}  // namespace fulmar::grpc
