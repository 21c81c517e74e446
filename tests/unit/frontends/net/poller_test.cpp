#include "frontends/net/poller.hpp"

#include "tests/unit/frontends/net/network_fixture.hpp"

#include <sys/eventfd.h>

namespace fulmar::net::test {
namespace {

// Something that is ready from the beginning.
struct ready_target final : poll_target
{
    ready_target() : fd{::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)} {}
    ready_target(ready_target const&) = delete;
    ready_target& operator=(ready_target const&) = delete;
    ~ready_target() { ::close(fd); }

    void on_events(std::uint32_t /*events*/) override { told(); }

    int fd;
    std::function<void()> told = [] {};
};

class poller_test : public network_fixture
{
protected:
    // More than one batch of them, each told once.
    void add_a_crowd()
    {
        for (auto i = 0; i < poller::batch_events + 100; ++i) {
            auto& one = *crowd.emplace_back(std::make_unique<ready_target>());
            ASSERT_GE(one.fd, 0);
            one.told = [this] { ++told; };
            ASSERT_FALSE(frontend->events().add(one.fd, EPOLLIN | EPOLLET, one));
        }
    }
    std::vector<std::unique_ptr<ready_target>> crowd;
    int told = 0;
};

TEST_F(poller_test, whoever_listens_is_asked_after_a_full_batch_though_others_were_ready_before)
{
    add_a_crowd();
    ready_target listening;
    std::vector<int> told_before;
    listening.told = [&] { told_before.push_back(told); };
    ASSERT_FALSE(frontend->events().add_listening(listening.fd, listening));
    ASSERT_TRUE(until([&] { return told == static_cast<int>(crowd.size()); }));
    ASSERT_FALSE(told_before.empty());
    EXPECT_EQ(told_before.front(), poller::batch_events);
}

TEST_F(poller_test, who_is_forgotten_is_not_asked_after_a_full_batch)
{
    add_a_crowd();
    ready_target listening;
    auto asked = 0;
    listening.told = [&] { ++asked; };
    ASSERT_FALSE(frontend->events().add_listening(listening.fd, listening));
    frontend->events().forget(listening);
    frontend->events().remove(listening.fd);
    ASSERT_TRUE(until([&] { return told == static_cast<int>(crowd.size()); }));
    EXPECT_EQ(asked, 0);
}

}  // namespace
}  // namespace fulmar::net::test
