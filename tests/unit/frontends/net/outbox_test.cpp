#include "frontends/net/outbox.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <random>
#include <string>

namespace fulmar::net {
namespace {

constexpr std::size_t no_limit = SIZE_MAX / 2;

void add_frame(broker::frame_run& run, std::string_view frame)
{
    run.bytes.insert(run.bytes.end(), frame.begin(), frame.end());
    run.frame_ends.push_back(static_cast<std::uint32_t>(run.bytes.size()));
}

class outbox_test : public testing::Test
{
protected:
    outbox_test()
    {
        std::array<int, 2> ends{};
        ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data());
        fd_ = ends[0];
        peer_ = ends[1];
    }
    ~outbox_test() override
    {
        ::close(fd_);
        ::close(peer_);
    }

    io_status flush(std::size_t limit = no_limit) { return box_.flush(stream{fd_}, limit, metrics_); }
    // The peer reads at most `limit` bytes; the socket is ready again.
    std::string read(std::size_t limit = SIZE_MAX)
    {
        std::string out;
        std::array<char, 4096> buffer{};
        while (out.size() < limit) {
            auto const got = ::recv(peer_, buffer.data(), std::min(buffer.size(), limit - out.size()), MSG_DONTWAIT);
            if (got <= 0) {
                break;
            }
            out.append(buffer.data(), static_cast<std::size_t>(got));
        }
        box_.writable();
        return out;
    }
    std::string drain(std::size_t limit = no_limit)
    {
        std::string all;
        for (;;) {
            auto const status = flush(limit);
            auto const more = read();
            all += more;
            if (status == io_status::done && more.empty()) {
                return all;
            }
        }
    }
    void make_socket_small()
    {
        int const size = 4096;
        ::setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    std::uint64_t dropped() const
    {
        return metrics_.dropped[static_cast<std::size_t>(broker::drop_reason::outbox_full)].get();
    }

    broker::shard_metrics metrics_;
    outbox box_;
    int fd_ = -1;
    int peer_ = -1;
};

TEST_F(outbox_test, everything_of_a_turn_leaves_in_order_with_one_system_call)
{
    broker::frame_run first;
    broker::frame_run second;
    add_frame(first, "A1");
    add_frame(second, "B1");
    box_.append("x", "y");
    box_.append_run(first, 0, 0);
    box_.append("z");
    box_.append_run(second, 0, 0);
    EXPECT_EQ(flush(), io_status::done);
    EXPECT_EQ(read(), "xyA1zB1");
    EXPECT_EQ(metrics_.sends.get(), 1U);
    EXPECT_EQ(metrics_.sends_short.get(), 0U);
    EXPECT_EQ(metrics_.bytes_out.get(), 7U);
    EXPECT_EQ(metrics_.messages_out[0].get(), 2U);
}

TEST_F(outbox_test, a_run_is_open_until_the_end_of_the_turn_and_begins_at_its_cursor)
{
    broker::frame_run run;
    add_frame(run, "before");
    box_.append_run(run, 6, 1);
    add_frame(run, "one");
    add_frame(run, "two");
    EXPECT_EQ(box_.waiting_bytes(), 0U);
    EXPECT_EQ(flush(), io_status::done);
    EXPECT_EQ(read(), "onetwo");
    EXPECT_EQ(metrics_.messages_out[0].get(), 2U);
    EXPECT_TRUE(box_.empty());
}

TEST_F(outbox_test, an_empty_run_needs_no_system_call)
{
    broker::frame_run run;
    box_.append_run(run, 0, 0);
    EXPECT_EQ(flush(), io_status::done);
    EXPECT_EQ(metrics_.sends.get(), 0U);
}

TEST_F(outbox_test, a_large_kept_payload_is_not_copied_and_is_let_go_when_sent)
{
    auto const payload = std::make_shared<std::string const>(outbox::keep_bytes_min, 'p');
    box_.append("head", *payload, payload);
    EXPECT_EQ(payload.use_count(), 2);
    EXPECT_EQ(box_.waiting_bytes(), 4 + payload->size());
    EXPECT_EQ(flush(), io_status::done);
    EXPECT_EQ(payload.use_count(), 1);
    EXPECT_EQ(read(), "head" + *payload);
}

TEST_F(outbox_test, what_is_shared_is_not_copied_and_leaves_the_limit_to_what_follows)
{
    make_socket_small();
    constexpr std::size_t limit = 10'000;
    auto const payload = std::make_shared<std::string const>(1'000'000, 'p');
    broker::frame_run run;
    box_.append("head");
    box_.append_shared(*payload, payload);
    box_.append_run(run, 0, 0);
    add_frame(run, std::string(limit, 'f'));
    EXPECT_EQ(flush(limit), io_status::would_block);
    EXPECT_EQ(payload.use_count(), 2);
    EXPECT_LE(box_.waiting_bytes(), limit);
    EXPECT_GT(box_.shared_bytes(), limit);
    EXPECT_EQ(metrics_.outbox_bytes.get(), box_.waiting_bytes() + box_.shared_bytes());
    run.clear();
    EXPECT_TRUE(drain(limit) == "head" + *payload + std::string(limit, 'f'));
    EXPECT_EQ(dropped(), 0U);
    EXPECT_EQ(payload.use_count(), 1);
    EXPECT_EQ(box_.shared_bytes(), 0U);
    EXPECT_EQ(metrics_.outbox_bytes.get(), 0U);
}

TEST_F(outbox_test, a_small_kept_payload_is_copied)
{
    auto const payload = std::make_shared<std::string const>(outbox::keep_bytes_min - 1, 'p');
    box_.append("head", *payload, payload);
    EXPECT_EQ(payload.use_count(), 1);
}

TEST_F(outbox_test, after_a_short_send_whole_frames_up_to_the_limit_are_kept_and_the_rest_is_dropped_and_counted)
{
    make_socket_small();
    constexpr std::size_t frames = 1000;
    constexpr std::size_t size = 100;
    constexpr std::size_t limit = 10'050;
    std::string all;
    {
        broker::frame_run run;
        for (std::size_t i = 0; i < frames; ++i) {
            auto frame = std::to_string(i);
            frame.resize(size, '.');
            add_frame(run, frame);
            all += frame;
        }
        box_.append_run(run, 0, 0);
        EXPECT_EQ(flush(limit), io_status::would_block);
        std::fill(run.bytes.begin(), run.bytes.end(), '!');  // nothing may refer to a run after its turn
    }
    EXPECT_EQ(metrics_.sends_short.get(), 1U);
    EXPECT_LE(box_.waiting_bytes(), limit);
    EXPECT_GT(box_.waiting_bytes(), limit - size);
    EXPECT_EQ(metrics_.outbox_bytes.get(), box_.waiting_bytes());
    auto const received = drain();
    EXPECT_EQ(received.size() % size, 0U);
    EXPECT_EQ(received, all.substr(0, received.size()));
    EXPECT_EQ(metrics_.messages_out[0].get(), received.size() / size);
    EXPECT_EQ(dropped(), frames - received.size() / size);
    EXPECT_GT(dropped(), 0U);
    EXPECT_EQ(metrics_.outbox_bytes.get(), 0U);
}

TEST_F(outbox_test, a_frame_that_is_partly_sent_is_completed_whatever_the_limit)
{
    make_socket_small();
    std::string const frame(200'000, 'f');
    broker::frame_run run;
    add_frame(run, frame);
    add_frame(run, "next");
    box_.append_run(run, 0, 0);
    EXPECT_EQ(flush(0), io_status::would_block);
    EXPECT_EQ(drain(0), frame);
    EXPECT_EQ(metrics_.messages_out[0].get(), 1U);
    EXPECT_EQ(dropped(), 1U);
}

TEST_F(outbox_test, while_the_socket_is_full_later_turns_only_append_within_the_limit)
{
    make_socket_small();
    std::string const first(200'000, 'a');
    box_.append(first);
    EXPECT_EQ(flush(), io_status::would_block);
    auto const sends = metrics_.sends.get();
    auto const waiting = box_.waiting_bytes();
    broker::frame_run run;
    add_frame(run, "kept");
    add_frame(run, "dropped");
    box_.append_run(run, 0, 0);
    box_.append("private");
    EXPECT_EQ(flush(waiting + 7 + 5), io_status::would_block);
    EXPECT_EQ(metrics_.sends.get(), sends);
    EXPECT_EQ(dropped(), 1U);
    EXPECT_EQ(drain(), first + "keptprivate");
}

TEST_F(outbox_test, more_pieces_than_one_system_call_takes_leave_in_several)
{
    std::deque<broker::frame_run> runs(outbox::pieces_max + 10);
    std::string all;
    for (auto& run : runs) {
        add_frame(run, "r");
        box_.append_run(run, 0, 0);
        box_.append("p");
        all += "rp";
    }
    EXPECT_EQ(flush(), io_status::done);
    EXPECT_EQ(read(), all);
    EXPECT_EQ(metrics_.sends.get(), 3U);
}

TEST_F(outbox_test, a_lost_connection_is_said)
{
    ::close(peer_);
    box_.append("x");
    EXPECT_EQ(flush(), io_status::failed);
    box_.clear(metrics_);
    EXPECT_EQ(metrics_.outbox_bytes.get(), 0U);
}

// Frames with a number each; whatever happens, what arrives is what was appended minus the frames counted as dropped, and the
// outbox never holds more than its limit and what had to be sent.
TEST_F(outbox_test, any_mixture_of_turns_and_readers_keeps_order_and_accounts_for_every_frame)
{
    make_socket_small();
    std::mt19937 random{7};
    constexpr std::size_t limit = 20'000;
    std::string received;
    std::uint32_t next = 0;
    std::vector<std::uint32_t> must;
    std::vector<bool> is_run;
    auto const make_frame = [&](bool of_run) {
        auto const size = static_cast<std::uint32_t>(8 + random() % 400);
        std::string frame(size, static_cast<char>('a' + next % 26));
        frame.replace(0, 4, reinterpret_cast<char const*>(&size), 4);
        frame.replace(4, 4, reinterpret_cast<char const*>(&next), 4);
        is_run.push_back(of_run);
        if (!of_run) {
            must.push_back(next);
        }
        ++next;
        return frame;
    };
    for (auto turn = 0; turn < 3000; ++turn) {
        broker::frame_run run;
        auto const shape = random() % 4;
        if (shape != 0 && box_.waiting_bytes() < 2 * limit) {
            box_.append(make_frame(false));
        }
        if (shape >= 1) {
            box_.append_run(run, 0, 0);
            for (auto n = random() % 20; n > 0; --n) {
                add_frame(run, make_frame(true));
            }
        }
        if (shape == 3 && box_.waiting_bytes() < 2 * limit) {
            // Appended after the run in the outbox, numbered after what the run held at that time.
            auto const keep = std::make_shared<std::string const>(make_frame(false));
            box_.append({}, *keep, keep);
        }
        static_cast<void>(flush(limit));
        if (random() % 3 == 0) {
            received += read(random() % 9000);
        }
        EXPECT_LE(box_.waiting_bytes(), 2 * limit + 1000);
    }
    received += drain(limit);
    std::uint64_t runs_received = 0;
    std::vector<std::uint32_t> private_received;
    for (std::size_t at = 0; at < received.size();) {
        std::uint32_t size = 0;
        std::uint32_t number = 0;
        ASSERT_LE(at + 8, received.size());
        received.copy(reinterpret_cast<char*>(&size), 4, at);
        received.copy(reinterpret_cast<char*>(&number), 4, at + 4);
        ASSERT_LE(at + size, received.size());
        ASSERT_LT(number, next);
        EXPECT_EQ(received.substr(at + 8, size - 8), std::string(size - 8, static_cast<char>('a' + number % 26)));
        if (is_run[number]) {
            ++runs_received;
        } else {
            private_received.push_back(number);
        }
        at += size;
    }
    EXPECT_EQ(private_received, must);
    EXPECT_EQ(runs_received, metrics_.messages_out[0].get());
    EXPECT_EQ(runs_received + dropped(), static_cast<std::uint64_t>(std::count(is_run.begin(), is_run.end(), true)));
    EXPECT_GT(dropped(), 0U);
    EXPECT_EQ(metrics_.outbox_bytes.get(), 0U);
}

TEST(outbox_pool_test, an_outbox_comes_back_empty_and_is_used_again)
{
    broker::shard_metrics metrics;
    outbox_pool pool;
    auto box = pool.acquire();
    auto* const same = box.get();
    box->append("left over");
    pool.release(std::move(box), metrics);
    EXPECT_EQ(pool.size(), 1U);
    box = pool.acquire();
    EXPECT_EQ(box.get(), same);
    EXPECT_TRUE(box->empty());
    EXPECT_EQ(box->waiting_bytes(), 0U);
}

TEST(outbox_pool_test, no_more_than_boxes_max_are_kept)
{
    broker::shard_metrics metrics;
    outbox_pool pool;
    std::vector<std::unique_ptr<outbox>> boxes;
    for (std::size_t i = 0; i < outbox_pool::boxes_max + 5; ++i) {
        boxes.push_back(pool.acquire());
    }
    for (auto& box : boxes) {
        pool.release(std::move(box), metrics);
    }
    EXPECT_EQ(pool.size(), outbox_pool::boxes_max);
}

TEST(outbox_pool_test, memory_beyond_the_limits_goes_back)
{
    broker::shard_metrics metrics;
    outbox_pool pool;
    broker::frame_run run;
    std::vector<std::unique_ptr<outbox>> boxes;
    for (std::size_t i = 0; i < 1'000; ++i) {
        boxes.push_back(pool.acquire());
        boxes.back()->append(std::string(outbox_pool::box_bytes_max * (i % 2 + 1) / 2, 'x'));
        for (std::size_t pieces = 0; pieces < i % 100; ++pieces)
            boxes.back()->append_run(run, 0, 0);
    }
    for (auto& box : boxes)
        pool.release(std::move(box), metrics);
    EXPECT_EQ(pool.size(), boxes.size());
    EXPECT_GT(pool.bytes(), outbox_pool::bytes_max / 2);
    EXPECT_LE(pool.bytes(), outbox_pool::bytes_max);
    for (std::size_t i = 0; i < 1'000; ++i)
        boxes[i] = pool.acquire();
    EXPECT_EQ(pool.bytes(), 0U);
}

}  // namespace
}  // namespace fulmar::net
