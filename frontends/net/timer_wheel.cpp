#include "frontends/net/timer_wheel.hpp"

#include <boost/system/error_code.hpp>

#include <algorithm>

namespace fulmar::net {
namespace {

// Ticks wrap around; deadlines are less than half the range apart.
bool reached(std::uint32_t due, std::uint32_t now) noexcept { return static_cast<std::int32_t>(due - now) <= 0; }

std::uint32_t ticks_for(std::chrono::milliseconds after) noexcept
{
    constexpr std::int64_t ticks_max = 0x7FFF'FFFF - timer_wheel::slots_count;
    auto const resolution = timer_wheel::resolution.count();
    auto const whole = std::max<std::int64_t>(after.count(), 0) / resolution + 1;  // + 1: the current tick is under way
    auto const rest = after.count() % resolution > 0 ? 1 : 0;
    return static_cast<std::uint32_t>(std::min<std::int64_t>(whole + rest, ticks_max));
}

}  // namespace

timer_wheel::timer_wheel(boost::asio::io_context& io) : timer_(io), alive_(std::make_shared<timer_wheel*>(this))
{
    for (auto& slot : slots_) {
        slot.next_ = &slot;
        slot.previous_ = &slot;
    }
}

timer_wheel::~timer_wheel() { *alive_ = nullptr; }

void timer_wheel::arm(timer_node& node, std::chrono::milliseconds after)
{
    auto const due = now_ + ticks_for(after);
    if (node.armed()) {
        node.due_ = due;
        if (reached(node.slot_, due)) {
            return;  // its slot is visited in time: it moves on from there
        }
        unlink(node);
    } else {
        ++size_;
        node.due_ = due;
    }
    link(node, due);
    if (!ticking_) {
        ticking_ = true;
        last_ = std::chrono::steady_clock::now();
        schedule_tick();
    }
}

void timer_wheel::disarm(timer_node& node) noexcept
{
    if (node.armed()) {
        unlink(node);
        --size_;
    }
}

void timer_wheel::link(timer_links& node, std::uint32_t tick) noexcept
{
    auto& slot = slots_[tick % slots_count];
    node.slot_ = tick;
    node.next_ = &slot;
    node.previous_ = slot.previous_;
    slot.previous_->next_ = &node;
    slot.previous_ = &node;
}

void timer_wheel::unlink(timer_links& node) noexcept
{
    node.previous_->next_ = node.next_;
    node.next_->previous_ = node.previous_;
    node.next_ = nullptr;
    node.previous_ = nullptr;
}

void timer_wheel::advance(std::uint32_t ticks)
{
    for (; ticks > 0; --ticks) {
        ++now_;
        visit(slots_[now_ % slots_count]);
    }
}

void timer_wheel::visit(timer_links& slot)
{
    if (slot.next_ == &slot) {
        return;
    }
    // The slot's nodes move to a list of their own first, so that callbacks may arm and disarm any of them.
    timer_links visited;
    visited.next_ = slot.next_;
    visited.previous_ = slot.previous_;
    visited.next_->previous_ = &visited;
    visited.previous_->next_ = &visited;
    slot.next_ = &slot;
    slot.previous_ = &slot;
    while (visited.next_ != &visited) {
        auto& node = *visited.next_;
        unlink(node);
        if (!reached(node.due_, now_)) {
            link(node, reached(node.slot_, now_) ? node.due_ : node.slot_);
            continue;
        }
        --size_;
        static_cast<timer_node&>(node).on_timer();
    }
}

void timer_wheel::schedule_tick()
{
    timer_.expires_after(resolution);
    timer_.async_wait([alive = alive_](boost::system::error_code error) {
        auto* const self = *alive;
        if (self == nullptr || error) {
            return;
        }
        auto const elapsed = (std::chrono::steady_clock::now() - self->last_) / resolution;
        auto const counted = std::min<std::int64_t>(elapsed, catch_up_max);
        self->last_ += elapsed * resolution;
        self->advance(static_cast<std::uint32_t>(std::max<std::int64_t>(counted, 0)));
        if (self->size_ == 0) {
            self->ticking_ = false;
            return;
        }
        self->schedule_tick();
    });
}

}  // namespace fulmar::net
