#include "broker/history_place.hpp"

#include "broker/history_rules.hpp"
#include "broker/router.hpp"
#include "broker/shard.hpp"
#include "broker/topic.hpp"

#include <algorithm>
#include <deque>

namespace fulmar::broker {

namespace {

constexpr std::uint64_t window_max = 65'536;
constexpr std::size_t page_messages_max = 512;
constexpr std::size_t page_bytes_max = 512 * 1024;

class history_search : public std::enable_shared_from_this<history_search>
{
public:
    history_search(shard& home, history_question&& question, std::function<void(history_place const&)>&& done)
        : home_{home}, asked_{std::move(question)}, done_{std::move(done)}
    {
    }

    void begin()
    {
        upto_ = std::max(home_.position(), home_.node().store.last_committed());
        switch (asked_.begin.what) {
        case starting_point::kind::now: found_.after = home_.position(); return done_(found_);
        case starting_point::kind::cursor: take_cursor(); break;
        case starting_point::kind::earliest:
        case starting_point::kind::time: break;
        case starting_point::kind::newest: count_ = asked_.begin.count; break;
        }
        if (has_wildcard(asked_.filter)) {
            if (count_ == 0)
                return done_(found_);
            return look_back();
        }
        if (auto const* const rule = home_.routes().history()->find(asked_.app, asked_.filter); rule != nullptr) {
            count_ = count_ == 0 ? rule->max_messages
                                 : std::min(count_, rule->max_messages == 0 ? count_ : rule->max_messages);
            bytes_ = rule->max_bytes;
        }
        if (count_ == 0 && bytes_ == 0)
            return done_(found_);
        find_oldest();
    }

private:
    // A position that is not reached yet is none of this log.
    void take_cursor()
    {
        auto const lost = home_.node().store.low_water();
        auto const asked = asked_.begin.sequence;
        found_.gap = asked > upto_ || asked < lost;
        found_.after = asked > upto_ ? upto_ : std::max(asked, lost);
    }

    [[nodiscard]] queue_read new_read() const
    {
        queue_read request;
        request.filters = asked_.sources;
        request.upto = upto_;
        request.bytes_max = page_bytes_max;
        return request;
    }

    template <class Function>
    void read(queue_read&& request, Function next)
    {
        home_.read(std::move(request), [self = shared_from_this(), next](queue_page&& page) {
            if (page.error) {
                self->found_.error = page.error;
                return self->done_(self->found_);
            }
            next(*self, std::move(page));
        });
    }

    // One topic: the oldest message that count and rule still allow.
    void find_oldest()
    {
        auto request = new_read();
        request.newest_max = count_;
        request.newest_bytes_max = bytes_;
        request.messages_max = 1;
        read(std::move(request), [](history_search& self, queue_page&& page) {
            auto const first = page.messages.empty() ? page.reached : page.messages.front().sequence - 1;
            auto& found = self.found_;
            found.gap = found.gap || (self.asked_.begin.what == starting_point::kind::cursor && found.after < first &&
                                      page.skipped > 0);
            found.after = std::max(found.after, first);
            self.done_(found);
        });
    }

    // Wildcards: the newest `window_` of what the rules keep, of which some are wanted.
    void look_back()
    {
        window_ = window_ == 0 ? count_ : std::min(window_max, 4 * window_);
        newest_.clear();
        auto request = new_read();
        request.newest_max = window_;
        request.messages_max = page_messages_max;
        read(std::move(request), [](history_search& self, queue_page&& page) {
            self.skipped_ = page.skipped > 0;
            self.count_page(page);
        });
    }

    void count_page(queue_page const& page)
    {
        for (auto const& item : page.messages) {
            if (!wanted(*item.message))
                continue;
            newest_.push_back(item.sequence);
            if (newest_.size() > count_)
                newest_.pop_front();
        }
        if (!page.complete) {
            auto request = new_read();
            request.after = page.reached;
            request.messages_max = page_messages_max;
            return read(std::move(request), [](history_search& self, queue_page&& next) { self.count_page(next); });
        }
        if (newest_.size() < count_ && skipped_ && window_ < window_max)
            return look_back();
        found_.after = newest_.empty() ? upto_ : newest_.front() - 1;
        done_(found_);
    }

    [[nodiscard]] bool wanted(message const& m) const
    {
        auto const* const rule = home_.routes().history()->find(m.app, m.topic());
        return rule != nullptr && matches(asked_.filter, m.topic()) &&
               (!asked_.allowed || asked_.allowed->may_receive(m.topic())) &&
               (rule->max_age_ms == 0 || m.published_at + rule->max_age_ms > home_.wall());
    }

    shard& home_;
    history_question const asked_;
    std::function<void(history_place const&)> done_;
    history_place found_;
    log_sequence upto_ = 0;
    std::uint64_t count_ = 0;  // 0: any number
    std::uint64_t bytes_ = 0;
    std::uint64_t window_ = 0;
    bool skipped_ = false;
    std::deque<log_sequence> newest_;  // the last so many wanted ones
};

}  // namespace

void find_history_place(shard& home, history_question question, std::function<void(history_place const&)> done)
{
    std::make_shared<history_search>(home, std::move(question), std::move(done))->begin();
}

}  // namespace fulmar::broker
