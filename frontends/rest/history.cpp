// GET /v1/history/{topic}: forwards from a place or a time, or backwards from the newest.
#include "broker/history_rules.hpp"
#include "broker/router.hpp"
#include "frontends/net/http_problem.hpp"
#include "frontends/net/message_json.hpp"
#include "frontends/rest/rest_frontend.hpp"

#include <algorithm>

namespace fulmar::rest {

namespace {

using broker::log_sequence;

constexpr std::size_t messages_default = 100;
constexpr std::size_t messages_max = 1'000;
constexpr std::size_t answer_bytes_max = 8 * 1024 * 1024;

// One request: first the limits of the rule, then page by page until enough is found.
class history_read : public std::enable_shared_from_this<history_read>
{
public:
    explicit history_read(call_ptr call) : call_{std::move(call)} {}

    void begin()
    {
        if (!call_->read_topic(topic_) || !call_->read_limit(limit_, messages_max) || !read_query())
            return;
        if (!call_->who.allowed->may_receive(topic_))
            return call_->fail(403, "not allowed to read '" + topic_ + "'");
        auto const* const rules = here().routes().history();
        rule_ = rules == nullptr ? nullptr : rules->find(call_->who.app, topic_);
        if (rule_ == nullptr)
            return call_->fail(404, "this topic keeps no history: see [[history]] in the configuration");
        auto const lost = here().node().store.low_water();
        gap_ = after_ != 0 && after_ < lost;
        if (rule_->max_messages == 0 && rule_->max_bytes == 0)
            return read();
        // The oldest message that the rule still lets anybody read.
        auto request = new_read();
        request.newest_max = rule_->max_messages;
        request.newest_bytes_max = rule_->max_bytes;
        request.messages_max = 1;
        here().read(std::move(request), [self = shared_from_this()](broker::queue_page&& page) {
            if (page.error)
                return self->call_->fail(page.error);
            auto const first = page.messages.empty() ? page.reached : page.messages.front().sequence - 1;
            self->gap_ = self->gap_ || (self->after_ != 0 && self->after_ < first && page.skipped > 0);
            self->after_ = std::max(self->after_, first);
            self->read();
        });
    }

private:
    [[nodiscard]] broker::shard& here() const { return *call_->request.home; }

    bool read_query()
    {
        auto const reverse = call_->parameter("reverse");
        reverse_ = reverse == "true" || reverse == "1";
        if (!reverse.empty() && !reverse_ && reverse != "false" && reverse != "0")
            return refuse("reverse is neither true nor false");
        if (auto const text = call_->parameter("since"); !text.empty() && text != "earliest" && text != "all") {
            auto const cursor = net::parse_cursor(text);
            auto const time = cursor ? std::nullopt : net::parse_time(text, here().wall());
            if (!cursor && !time)
                return refuse("since is neither an event id nor a time");
            after_ = cursor.value_or(0);
            not_before_ = time.value_or(0);
        }
        if (auto const text = call_->parameter("before"); !text.empty()) {
            auto const cursor = net::parse_cursor(text);
            if (!cursor || *cursor == 0)
                return refuse("before is no event id");
            upto_ = *cursor - 1;
        }
        return true;
    }

    bool refuse(std::string_view why)
    {
        call_->fail(400, why);
        return false;
    }

    [[nodiscard]] broker::queue_read new_read() const
    {
        broker::queue_read request;
        request.filters.push_back({call_->who.app, topic_, 0, true});
        request.bytes_max = answer_bytes_max;
        return request;
    }

    void read()
    {
        auto request = new_read();
        request.after = after_;
        request.upto = upto_;
        request.messages_max = limit_ - found_.size() + 1;  // one more: is there more?
        if (reverse_) {
            request.messages_max = limit_ + 1;
            request.newest_max = limit_ + 1;
        }
        here().read(std::move(request),
                    [self = shared_from_this()](broker::queue_page&& page) { self->on_page(std::move(page)); });
    }

    void on_page(broker::queue_page&& page)
    {
        if (call_->to.gone())
            return;
        if (page.error)
            return call_->fail(page.error);
        gap_ = gap_ || page.gap > 0;
        for (auto& item : page.messages) {
            auto const age_limit = rule_->max_age_ms;
            auto const published = item.message->published_at;
            if (published < not_before_ || (age_limit != 0 && published + age_limit <= here().wall()))
                continue;
            bytes_ += item.message->payload().size();
            found_.push_back(std::move(item));
        }
        after_ = std::max(after_, page.reached);
        if (!reverse_ && !page.complete && found_.size() <= limit_ && bytes_ < answer_bytes_max)
            return read();
        more_ = found_.size() > limit_ || !page.complete;
        finish();
    }

    void finish()
    {
        if (reverse_) {
            std::reverse(found_.begin(), found_.end());
            more_ = found_.size() > limit_;
        }
        if (found_.size() > limit_)
            found_.resize(limit_);
        std::string body = "{\"topic\":";
        net::append_json_text(body, topic_);
        body += ",\"messages\":[";
        for (auto const& item : found_) {
            if (&item != found_.data())
                body += ',';
            net::append_message_json(body, *item.message, item.sequence);
        }
        body.append("],\"gap\":").append(gap_ ? "true" : "false");
        if (more_) {
            auto const next = found_.empty() ? after_ : found_.back().sequence;
            body.append(R"(,"next":")").append(net::cursor_text(next)).append("\"");
        }
        call_->answer_json(200, body + "}");
    }

    call_ptr call_;
    std::string topic_;
    broker::history_rule const* rule_ = nullptr;
    std::size_t limit_ = messages_default;
    bool reverse_ = false;
    bool gap_ = false;
    bool more_ = false;
    log_sequence after_ = 0;
    log_sequence upto_ = broker::log_end;
    broker::wall_ms not_before_ = 0;
    std::size_t bytes_ = 0;
    std::vector<broker::logged_message> found_;
};

}  // namespace

void get_history(call_ptr const& call) { std::make_shared<history_read>(call)->begin(); }

}  // namespace fulmar::rest
