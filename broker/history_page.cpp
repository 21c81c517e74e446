#include "broker/history_page.hpp"

#include "broker/history_rules.hpp"
#include "broker/router.hpp"
#include "broker/shard.hpp"

#include <algorithm>

namespace fulmar::broker {

namespace {

constexpr std::size_t two_messages_bytes_max = std::size_t{1} << 30;

// One question: first the limits of the rule, then page by page until enough is found.
class history_read : public std::enable_shared_from_this<history_read>
{
public:
    history_read(shard& here, history_question asked, std::function<void(history_page&&)> done)
        : here_{here}, asked_{std::move(asked)}, done_{std::move(done)}
    {
    }

    void begin()
    {
        auto const* const rules = here_.routes().history();
        rule_ = rules == nullptr ? nullptr : rules->find(asked_.app, asked_.topic);
        if (rule_ == nullptr) {
            page_.kept = false;
            return done_(std::move(page_));
        }
        auto const lost = here_.node().store.low_water();
        page_.gap = asked_.after != 0 && asked_.after < lost;
        if (rule_->max_messages == 0 && rule_->max_bytes == 0)
            return read();
        // The oldest message that the rule still lets anybody read.
        auto request = new_read();
        request.newest_max = rule_->max_messages;
        request.newest_bytes_max = rule_->max_bytes;
        request.messages_max = 1;
        here_.read(std::move(request), [self = shared_from_this()](queue_page&& page) {
            if (page.error)
                return self->fail(page.error);
            auto& after = self->asked_.after;
            auto const first = page.messages.empty() ? page.reached : page.messages.front().sequence - 1;
            self->page_.gap = self->page_.gap || (after != 0 && after < first && page.skipped > 0);
            after = std::max(after, first);
            self->read();
        });
    }

private:
    [[nodiscard]] queue_read new_read() const
    {
        queue_read request;
        request.filters.push_back({asked_.app, asked_.topic, 0, true});
        request.bytes_max = asked_.bytes_max;
        return request;
    }

    void fail(error_code why)
    {
        page_.error = why;
        done_(std::move(page_));
    }

    void read()
    {
        auto request = new_read();
        request.after = asked_.after;
        request.upto = asked_.upto;
        request.messages_max = asked_.limit - page_.messages.size() + 1;  // one more: is there more?
        if (asked_.reverse) {
            request.messages_max = asked_.limit + 1;
            request.newest_max = asked_.limit + 1;
            if (asked_.limit == 1)
                request.bytes_max = two_messages_bytes_max;
        }
        here_.read(std::move(request),
                   [self = shared_from_this()](queue_page&& page) { self->on_page(std::move(page)); });
    }

    void on_page(queue_page&& page)
    {
        if (page.error)
            return fail(page.error);
        // The log is read forwards: a page that is full does not hold the newest. Fewer of them fit.
        if (asked_.reverse && !page.complete && asked_.limit > 1) {
            asked_.limit /= 2;
            return read();
        }
        page_.gap = page_.gap || page.gap > 0;
        auto& found = page_.messages;
        for (auto& item : page.messages) {
            auto const age_limit = rule_->max_age_ms;
            auto const published = item.message->published_at;
            if (published < asked_.not_before || (age_limit != 0 && published + age_limit <= here_.wall()))
                continue;
            bytes_ += item.message->payload().size();
            found.push_back(std::move(item));
        }
        asked_.after = std::max(asked_.after, page.reached);
        if (!asked_.reverse && !page.complete && found.size() <= asked_.limit && bytes_ < asked_.bytes_max)
            return read();
        page_.more = found.size() > asked_.limit || !page.complete;
        finish();
    }

    void finish()
    {
        auto& found = page_.messages;
        if (asked_.reverse) {
            std::reverse(found.begin(), found.end());
            page_.more = found.size() > asked_.limit;
        }
        if (found.size() > asked_.limit)
            found.resize(asked_.limit);
        page_.next = found.empty() ? asked_.after : found.back().sequence;
        done_(std::move(page_));
    }

    shard& here_;
    history_question asked_;
    std::function<void(history_page&&)> done_;
    history_rule const* rule_ = nullptr;
    history_page page_;
    std::size_t bytes_ = 0;
};

}  // namespace

void read_history(shard& here, history_question asked, std::function<void(history_page&&)> done)
{
    std::make_shared<history_read>(here, std::move(asked), std::move(done))->begin();
}

}  // namespace fulmar::broker
