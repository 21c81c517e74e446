#include "broker/shard.hpp"

#include "broker/mail.hpp"
#include "broker/reader_sessions.hpp"
#include "broker/router.hpp"
#include "broker/session_table.hpp"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace fulmar::broker {

using namespace std::chrono_literals;

namespace {
constexpr auto tick_period = 500ms;
constexpr auto relief_period = 2ms;
}  // namespace

struct shard::impl
{
    explicit impl(shard& owner, std::size_t shard_count)
        : owner{owner}, outgoing(shard_count), incoming(shard_count), ticker{owner.io_}, relief{owner.io_}
    {
        for (auto& box : incoming)
            box = std::make_unique<mailbox>();
    }

    void ensure_turn()
    {
        if (turn_posted)
            return;
        turn_posted = true;
        boost::asio::post(owner.io_, [this] { end_turn(); });
    }

    void end_turn();
    void hand_over_mail();
    void submit_operations();
    void drain_mail();
    void settle_commits();
    void arm_ticker();
    void arm_relief();
    void relieve();
    [[nodiscard]] std::uint64_t new_ticket(std::function<void(store_result const&)> done);

    struct slot
    {
        endpoint* occupant = nullptr;
        std::uint32_t generation = 0;
    };
    struct commit_event
    {
        std::vector<store_result> results;
        committed_batch committed;
    };
    struct waiting_producer
    {
        endpoint_id who;
        std::function<void()> resume;
    };

    shard& owner;
    bool turn_posted = false;
    wall_ms wall_of_turn = 0;  // 0: not asked for in this turn
    std::vector<turn_end*> dirty;
    std::vector<turn_end*> flushing;

    std::vector<parcel> outgoing;                    // by receiving shard
    std::vector<std::unique_ptr<mailbox>> incoming;  // by sending shard
    std::vector<parcel> arrived;                     // taken out of one of them
    std::atomic<bool> mail_posted{false};

    std::vector<store_op> operations;
    std::vector<std::function<void(store_result const&)>> completions;  // by ticket - 1
    std::vector<std::uint32_t> free_tickets;
    std::vector<std::function<void(queue_page&&)>> readers;  // by ticket - 1
    std::vector<std::uint32_t> free_readers;
    log_sequence position = 0;

    std::mutex commit_mutex;  // store threads against this shard, once per commit
    std::vector<commit_event> commits;

    std::vector<slot> slots;
    std::vector<std::uint32_t> free_slots;
    std::vector<waiting_producer> waiting;

    boost::asio::steady_timer ticker;
    boost::asio::steady_timer relief;
    std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work;
};

shard::shard(shard_id id, node_context& node)
    : id_{id},
      node_{node},
      io_{1},
      impl_{std::make_unique<impl>(*this, std::max<std::size_t>(node.shard_count, 1))},
      router_{std::make_unique<router>(*this)},
      sessions_{std::make_unique<session_table>(*this)},
      readers_{std::make_unique<reader_sessions>(*this)}
{
    impl_->position = node.store.last_committed();
    node.store.attach(id, *this);
    node.store.wants_log(id, true);
}

shard::~shard()
{
    readers_.reset();
    sessions_.reset();
    router_.reset();
}

void shard::run()
{
    impl_->work.emplace(io_.get_executor());
    impl_->arm_ticker();
    io_.run();
}

void shard::stop()
{
    boost::asio::post(io_, [this] {
        impl_->work.reset();
        impl_->ticker.cancel();
        io_.stop();
    });
}

void shard::at_turn_end(turn_end& work)
{
    if (work.queued_)
        return;
    work.queued_ = true;
    impl_->dirty.push_back(&work);
    impl_->ensure_turn();
}

void shard::withdraw(turn_end& work) noexcept
{
    if (!work.queued_)
        return;
    work.queued_ = false;
    std::replace(impl_->dirty.begin(), impl_->dirty.end(), &work, static_cast<turn_end*>(nullptr));
    std::replace(impl_->flushing.begin(), impl_->flushing.end(), &work, static_cast<turn_end*>(nullptr));
}

void shard::impl::end_turn()
{
    turn_posted = false;
    wall_of_turn = 0;
    // Other threads first: they work while this one writes to sockets. The store before the mail, so that what another
    // shard stores because of a letter is committed after what led to it.
    submit_operations();
    hand_over_mail();
    if (!dirty.empty())
        owner.metrics_.turns.add();
    // Flushing may close connections, whose wills are new messages for connections flushed already: go on until quiet.
    while (!dirty.empty()) {
        flushing.swap(dirty);
        for (std::size_t i = 0; i < flushing.size(); ++i) {
            auto* const work_item = flushing[i];
            if (work_item == nullptr)
                continue;
            flushing[i] = nullptr;
            work_item->queued_ = false;
            work_item->on_turn_end();
        }
        flushing.clear();
    }
    owner.router_->end_turn();
}

wall_ms shard::turn_wall()
{
    if (impl_->wall_of_turn == 0) {
        impl_->wall_of_turn = wall();
        impl_->ensure_turn();
    }
    return impl_->wall_of_turn;
}

// --- mail ------------------------------------------------------------------------------------------

void shard::send(shard_id to, std::function<void(shard&)> task, std::size_t bytes)
{
    impl_->outgoing[to].add(std::move(task), bytes);
    impl_->ensure_turn();
}

void shard::forward(shard_id to, message_ptr m)
{
    impl_->outgoing[to].add(std::move(m));
    impl_->ensure_turn();
}

void shard::impl::hand_over_mail()
{
    for (std::size_t to = 0; to < outgoing.size(); ++to) {
        auto& letters = outgoing[to];
        if (letters.empty())
            continue;
        owner.metrics_.mailbox_batches.add();
        owner.metrics_.mailbox_items.add(letters.size());
        auto& receiver = *owner.node_.shards[to]->impl_;
        receiver.incoming[owner.id_]->push(letters);
        if (!receiver.mail_posted.exchange(true, std::memory_order_acq_rel))
            boost::asio::post(receiver.owner.io_, [&receiver] { receiver.drain_mail(); });
    }
}

void shard::impl::drain_mail()
{
    mail_posted.store(false, std::memory_order_release);
    for (auto& box : incoming) {
        box->take(arrived);
        for (auto& letters : arrived) {
            letters.open([this](message_ptr const& m) { owner.router_->deliver_forwarded(m); },
                         [this](std::function<void(shard&)> const& task) { task(owner); });
            box->settle(std::move(letters));
        }
        arrived.clear();
    }
    ensure_turn();
}

bool shard::congested() const noexcept
{
    if (node_.store.pending_bytes() > node_.limits.store_pending_bytes)
        return true;
    for (std::size_t to = 0; to < impl_->outgoing.size(); ++to) {
        if (impl_->outgoing[to].bytes() + node_.shards[to]->impl_->incoming[id_]->waiting_bytes() >
            node_.limits.mailbox_bytes)
            return true;
    }
    return false;
}

void shard::when_relieved(endpoint_id who, std::function<void()> resume)
{
    impl_->waiting.push_back({who, std::move(resume)});
    if (impl_->waiting.size() == 1)
        impl_->arm_relief();
}

void shard::impl::arm_relief()
{
    relief.expires_after(relief_period);
    relief.async_wait([this](error_code error) {
        if (!error)
            relieve();
    });
}

void shard::impl::relieve()
{
    if (owner.congested())
        return arm_relief();
    for (auto& producer : std::exchange(waiting, {})) {
        if (owner.resolve(producer.who) != nullptr)
            producer.resume();
    }
}

// --- store -----------------------------------------------------------------------------------------

std::uint64_t shard::impl::new_ticket(std::function<void(store_result const&)> done)
{
    if (!done)
        return 0;
    if (free_tickets.empty()) {
        completions.push_back(std::move(done));
        return completions.size();
    }
    auto const ticket = free_tickets.back();
    free_tickets.pop_back();
    completions[ticket - 1] = std::move(done);
    return ticket;
}

void shard::store(store_op op, std::function<void(store_result const&)> done)
{
    op.ticket = impl_->new_ticket(std::move(done));
    impl_->operations.push_back(std::move(op));
    impl_->ensure_turn();
}

void shard::impl::submit_operations()
{
    if (!operations.empty())
        owner.node_.store.submit(owner.id_, std::exchange(operations, {}));
}

void shard::on_committed(std::vector<store_result> results, committed_batch committed)
{
    bool first = false;
    {
        std::lock_guard const lock{impl_->commit_mutex};
        first = impl_->commits.empty();
        impl_->commits.push_back({std::move(results), std::move(committed)});
    }
    if (first)
        boost::asio::post(io_, [state = impl_.get()] { state->settle_commits(); });
}

void shard::impl::settle_commits()
{
    std::vector<commit_event> events;
    {
        std::lock_guard const lock{commit_mutex};
        events.swap(commits);
    }
    for (auto& event : events) {
        if (event.committed && !event.committed->empty()) {
            owner.router_->on_committed(*event.committed);
            position = event.committed->back().sequence;
        }
        for (auto const& settled : event.results) {
            if (settled.ticket == 0)
                continue;
            auto const done = std::exchange(completions[settled.ticket - 1], {});
            free_tickets.push_back(static_cast<std::uint32_t>(settled.ticket));
            if (done)
                done(settled);
        }
    }
    ensure_turn();
}

void shard::read(queue_read request, std::function<void(queue_page&&)> done)
{
    metrics_.log_reads.add();
    if (impl_->free_readers.empty()) {
        impl_->readers.push_back(std::move(done));
        request.ticket = impl_->readers.size();
    } else {
        request.ticket = impl_->free_readers.back();
        impl_->free_readers.pop_back();
        impl_->readers[request.ticket - 1] = std::move(done);
    }
    node_.store.read(id_, std::move(request));
}

void shard::on_page(queue_page page)
{
    // std::function must be copyable, so the page travels in a shared_ptr.
    boost::asio::post(io_, [this, held = std::make_shared<queue_page>(std::move(page))] {
        auto const ticket = held->ticket;
        auto const done = std::exchange(impl_->readers[ticket - 1], {});
        impl_->free_readers.push_back(static_cast<std::uint32_t>(ticket));
        if (done)
            done(std::move(*held));
        impl_->ensure_turn();
    });
}

log_sequence shard::position() const noexcept { return impl_->position; }

// --- endpoints -------------------------------------------------------------------------------------

endpoint_id shard::attach(endpoint& e)
{
    if (impl_->free_slots.empty()) {
        impl_->free_slots.push_back(static_cast<std::uint32_t>(impl_->slots.size()));
        impl_->slots.emplace_back();
    }
    auto const index = impl_->free_slots.back();
    impl_->free_slots.pop_back();
    impl_->slots[index].occupant = &e;
    return {id_, index, impl_->slots[index].generation};
}

void shard::detach(endpoint_id id) noexcept
{
    if (resolve(id) == nullptr)
        return;
    auto& place = impl_->slots[id.slot];
    place.occupant = nullptr;
    ++place.generation;
    impl_->free_slots.push_back(id.slot);
}

endpoint* shard::resolve(endpoint_id id) noexcept
{
    if (id.shard != id_ || id.slot >= impl_->slots.size() || impl_->slots[id.slot].generation != id.generation)
        return nullptr;
    return impl_->slots[id.slot].occupant;
}

// --- time ------------------------------------------------------------------------------------------

void shard::impl::arm_ticker()
{
    auto const due = std::chrono::steady_clock::now() + tick_period;
    ticker.expires_at(due);
    ticker.async_wait([this, due](error_code error) {
        if (error)
            return;
        auto const late = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - due);
        auto const lag = static_cast<std::uint64_t>(std::max<std::int64_t>(late.count(), 0));
        owner.metrics_.loop_lag_us.set(lag);
        if (lag > owner.metrics_.loop_lag_us_max.get())
            owner.metrics_.loop_lag_us_max.set(lag);
        owner.tick();
        arm_ticker();
    });
}

void shard::tick()
{
    sessions_->tick();
    readers_->tick();
}

}  // namespace fulmar::broker
