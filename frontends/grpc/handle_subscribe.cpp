// Subscribe: topics from the log and live, with flow control.
#include "broker/topic.hpp"
#include "broker/topic_follower.hpp"
#include "frontends/grpc/call_desk.hpp"
#include "frontends/grpc/message_frame.hpp"
#include "frontends/net/message_json.hpp"
#include "fulmar/v1/broker.pb.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

namespace fulmar::grpc {

namespace {

using broker::log_sequence;
using broker::starting_point;

constexpr std::size_t chunk_bytes_max = 128 * 1024;  // of several messages together; one may be larger

// The frame that was made last on this thread: receivers that cannot share runs share this.
struct framed_message
{
    broker::message_ptr message;
    log_sequence sequence = 0;
    std::vector<char> bytes;
};

[[nodiscard]] std::string_view framed(broker::logged_message const& item)
{
    thread_local framed_message last;
    if (last.message != item.message || last.sequence != item.sequence) {
        last.bytes.clear();
        append_frame(*item.message, item.sequence, last.bytes);
        last.message = item.message;
        last.sequence = item.sequence;
    }
    return {last.bytes.data(), last.bytes.size()};
}

class subscribe_call;

class follower final : public broker::topic_follower
{
public:
    follower(subscribe_call& owner, std::vector<std::string> topics, starting_point begin);
    using topic_follower::end;
    using topic_follower::follow;
    using topic_follower::go_on;
    using topic_follower::keeps_history;
    using topic_follower::leave;
    using topic_follower::live;
    using topic_follower::reached;

    [[nodiscard]] broker::wire_variant const* shared_variant() const noexcept override { return &shared_frames(); }
    void take_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame) override;
    [[nodiscard]] bool may_receive(std::string_view topic) const override;

private:
    void on_ready(log_sequence position) override;
    void on_gap(log_sequence from, log_sequence to) override;
    void hand_on(broker::logged_message const& item, bool replayed) override;
    [[nodiscard]] bool crowded() override;
    void on_unreadable() override;

    subscribe_call& owner_;
};

class subscribe_call final : public unary_call
{
public:
    using call::desk;
    using call::home;
    using unary_call::unary_call;

    void on_written() override
    {
        writing_ = false;
        sent_ = under_way_;
        send();
        if (topics_ && !ending_)
            topics_->go_on();
    }

    void on_turn_end() override
    {
        gather_runs();
        send();
    }

    void on_tick(broker::wall_ms now) override
    {
        if (who.expires_at != 0 && who.expires_at <= now)
            wind_up(status_code::unauthenticated, "the token with which the stream was opened has expired");
        if (ending_ && !finished() && ending_->patience != 0 && now > ending_->patience)
            cancel();
    }

    // What waits is sent first, if the client takes it.
    void wind_up(status_code code, std::string_view text) override
    {
        if (ending_ || finished())
            return;
        gather_runs();
        auto const resume = topics_ && topics_->live() && home().position() >= topics_->reached()
                                ? std::max(last_added_, home().position())
                                : last_added_;
        end(code, text, resume);
    }

    void on_ended() override { topics_.reset(); }

    // --- for the follower ------------------------------------------------------------------------
    void add_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame)
    {
        runs_.push_back({&run, first_byte, first_frame});
        at_turn_end();
    }
    void add(std::string_view bytes, log_sequence position)
    {
        if (chunks_.empty() || chunks_.back().bytes.size() + bytes.size() > chunk_bytes_max)
            chunks_.emplace_back();
        chunks_.back().bytes += bytes;
        waiting_bytes_ += bytes.size();
        last_added_ = std::max(last_added_, position);
        chunks_.back().last = last_added_;
        at_turn_end();
    }
    // An answer that is no message stands alone.
    void add_notice(v1::SubscribeResponse const& notice, log_sequence position)
    {
        chunks_.emplace_back();
        add(notice.SerializeAsString(), position);
        chunks_.emplace_back();
    }
    [[nodiscard]] bool full() const noexcept { return waiting_bytes_ > home().limit().outbox_bytes; }
    [[nodiscard]] bool half_full() const noexcept { return waiting_bytes_ > home().limit().outbox_bytes / 2; }
    void set_beginning(log_sequence position) noexcept { sent_ = under_way_ = last_added_ = position; }

    // The client does not read what is published: it comes back and reads the log.
    void end_slow()
    {
        if (ending_ || finished())
            return;
        desk().metrics().slow.add();
        home().metrics().slow_consumers_closed.add();
        runs_.clear();
        chunks_.clear();
        waiting_bytes_ = 0;
        end(status_code::resource_exhausted,
            "the client reads too slowly: limits.outbox_bytes wait for it; resume after the position in fulmar-resume",
            under_way_);
    }

private:
    struct chunk
    {
        std::string bytes;
        log_sequence last = 0;  // everything wanted at or before this has been sent when this chunk was
    };
    struct open_run
    {
        broker::frame_run const* run;
        std::uint32_t first_byte;
        std::uint32_t first_frame;
    };
    struct ending
    {
        status_code code = status_code::ok;
        std::string text;
        log_sequence resume = 0;
        broker::wall_ms patience = 0;
    };

    void run(std::string const& bytes) override
    {
        v1::SubscribeRequest request;
        if (!parse(bytes, request))
            return;
        std::vector<std::string> wanted;
        auto const begin = beginning_of(request);
        if (!begin || !read_topics(request, wanted))
            return;
        topics_.emplace(*this, std::move(wanted), *begin);
        topics_->follow();
    }

    [[nodiscard]] bool read_topics(v1::SubscribeRequest const& request, std::vector<std::string>& out)
    {
        for (auto const& topic : request.topics()) {
            if (!broker::valid_utf8(topic) || !broker::valid_topic_filter(topic) || broker::parse_shared(topic))
                return refuse(status_code::invalid_argument, "a topic is no valid topic name or filter");
            if (!who.allowed->may_subscribe(topic))
                return refuse(status_code::permission_denied, "not allowed to read '" + topic + "'");
            if (std::find(out.begin(), out.end(), topic) == out.end())
                out.push_back(topic);
            if (out.size() > desk().options().topics_max)
                return refuse(status_code::invalid_argument, "more topics than http.topics_per_stream");
        }
        return !out.empty() || refuse(status_code::invalid_argument, "no topic is given");
    }

    [[nodiscard]] std::optional<starting_point> beginning_of(v1::SubscribeRequest const& request)
    {
        starting_point out;
        using kind = starting_point::kind;
        switch (request.begin_case()) {
        case v1::SubscribeRequest::kAfterPosition:
            if (auto const cursor = net::parse_cursor(request.after_position())) {
                out.what = kind::cursor;
                out.sequence = *cursor;
                return out;
            }
            (void)refuse(status_code::invalid_argument, "after_position is no position of this broker");
            return std::nullopt;
        case v1::SubscribeRequest::kEarliest: out.what = request.earliest() ? kind::earliest : kind::now; break;
        case v1::SubscribeRequest::kSinceMs:
            out.what = kind::time;
            out.time = static_cast<broker::wall_ms>(std::max<std::int64_t>(request.since_ms(), 0));
            break;
        case v1::SubscribeRequest::kNewest:
            out.what = request.newest() == 0 ? kind::now : kind::newest;
            out.count = request.newest();
            if (out.count > broker::history_newest_max) {
                (void)refuse(status_code::invalid_argument, "newest is more than 1000");
                return std::nullopt;
            }
            break;
        case v1::SubscribeRequest::BEGIN_NOT_SET: break;
        }
        return out;
    }

    [[nodiscard]] bool refuse(status_code code, std::string_view text)
    {
        finish(code, text);
        return false;
    }

    // The runs of this turn are whole now.
    void gather_runs()
    {
        for (auto const& each : std::exchange(runs_, {})) {
            auto const& bytes = each.run->bytes;
            if (ending_ || each.first_byte >= bytes.size())
                continue;
            if (full())
                return end_slow();
            home().metrics().messages_out[0].add(each.run->frame_ends.size() - each.first_frame);
            add({bytes.data() + each.first_byte, bytes.size() - each.first_byte}, 0);
        }
    }

    void send()
    {
        while (!chunks_.empty() && chunks_.front().bytes.empty())
            chunks_.pop_front();
        if (finished() || writing_)
            return;
        if (!chunks_.empty()) {
            auto next = std::move(chunks_.front());
            chunks_.pop_front();
            waiting_bytes_ -= next.bytes.size();
            under_way_ = next.last;
            writing_ = true;
            return write(std::move(next.bytes));
        }
        if (ending_) {
            auto const known = topics_ && topics_->keeps_history();
            finish(ending_->code, ending_->text, known ? net::cursor_text(ending_->resume) : std::string{});
        }
    }

    void end(status_code code, std::string_view text, log_sequence resume)
    {
        auto const patience = static_cast<broker::wall_ms>(desk().options().slow_patience.count());
        ending_ = ending{code, std::string{text}, resume, home().wall() + patience};
        if (topics_)
            topics_->end();
        at_turn_end();
    }

    std::optional<follower> topics_;
    std::vector<open_run> runs_;
    std::deque<chunk> chunks_;
    std::size_t waiting_bytes_ = 0;
    log_sequence sent_ = 0;
    log_sequence under_way_ = 0;
    log_sequence last_added_ = 0;
    bool writing_ = false;
    std::optional<ending> ending_;
};

follower::follower(subscribe_call& owner, std::vector<std::string> topics, starting_point begin)
    : topic_follower{owner.home(), owner.who.app, std::move(topics), begin}, owner_{owner}
{
}

void follower::take_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame)
{
    if (!ended())
        owner_.add_run(run, first_byte, first_frame);
}

bool follower::may_receive(std::string_view topic) const { return owner_.who.allowed->may_receive(topic); }

void follower::on_ready(log_sequence position)
{
    v1::SubscribeResponse notice;
    auto& ready = *notice.mutable_ready();
    for (auto const& filter : topics()) {
        auto& row = *ready.add_topics();
        row.set_topic(filter);
        row.set_history(topic_follower::keeps_history(filter));
    }
    // Lets a client that is cut off before its first message come back to this very place.
    if (beginning().what == starting_point::kind::now && keeps_history())
        ready.set_position(net::cursor_text(position));
    owner_.set_beginning(beginning().what == starting_point::kind::newest ? 0 : position);
    owner_.add_notice(notice, 0);
}

void follower::on_gap(log_sequence from, log_sequence to)
{
    owner_.desk().metrics().gaps.add();
    v1::SubscribeResponse notice;
    notice.mutable_gap()->set_after(net::cursor_text(from));
    notice.mutable_gap()->set_upto(net::cursor_text(to));
    if (to < from)
        owner_.set_beginning(to);  // the position was none of this log
    owner_.add_notice(notice, to);
}

void follower::hand_on(broker::logged_message const& item, bool replayed)
{
    if (replayed)
        owner_.desk().metrics().replayed.add();
    if (live() && owner_.full())
        return owner_.end_slow();
    owner_.home().metrics().messages_out[0].add();
    owner_.add(framed(item), item.sequence);
}

bool follower::crowded() { return owner_.half_full(); }

void follower::on_unreadable()
{
    owner_.wind_up(status_code::unavailable, "the log cannot be read now; resume after the position in fulmar-resume");
}

}  // namespace

std::shared_ptr<call> make_subscribe(call_desk& desk, call_id id) { return std::make_shared<subscribe_call>(desk, id); }

}  // namespace fulmar::grpc
