// A connection whose socket is lent (wire::lend_socket).
#include "frontends/net/connection.hpp"
#include "frontends/net/connection_quota.hpp"
#include "tests/unit/frontends/net/network_fixture.hpp"

namespace fulmar::net::test {
namespace {

using namespace std::chrono_literals;

class lent_connection_test : public network_fixture
{
protected:
    lent_connection_test()
    {
        what->quota = std::make_shared<connection_quota>(1);
        on_new = [this](conversation& talk) { borrowed = test_peer{talk.w->lend_socket()}; };
    }

    // With a place in the quota, as after a listener.
    test_peer connect_counted()
    {
        EXPECT_TRUE(what->quota->enter(*parse_ip("127.0.0.1")));
        return connect();
    }
    // Everything has ended, once, and the place is free.
    void expect_ended(bool clean)
    {
        ASSERT_TRUE(gone());
        EXPECT_EQ(talk().closed, 1);
        EXPECT_EQ(talk().clean, clean);
        EXPECT_EQ(talk().offers, 0);
        EXPECT_EQ(metrics().connections[0].get(), 0U);
        EXPECT_TRUE(what->quota->enter(*parse_ip("127.0.0.1")));
    }

    test_peer borrowed;
};

TEST_F(lent_connection_test, leaves_the_bytes_to_the_borrower_and_ends_with_the_peer)
{
    auto peer = connect_counted();
    ASSERT_GE(borrowed.fd(), 0);
    EXPECT_EQ(metrics().connections[0].get(), 1U);
    peer.send("question");
    ASSERT_TRUE(until([this] { return borrowed.read() > 0; }));
    borrowed.send("answer");
    ASSERT_TRUE(until([&] { return peer.read() > 0; }));
    EXPECT_EQ(borrowed.received + peer.received, "questionanswer");
    EXPECT_EQ(frontend->count(), 1U);
    peer.close();
    expect_ended(true);
    // What happens to the socket from now on reaches nobody here, not even who is where the connection was.
    auto const first = std::move(borrowed);
    auto second = connect();
    ::shutdown(first.fd(), SHUT_RDWR);
    second.send("question");
    ASSERT_TRUE(until([this] { return borrowed.read() > 0; }));
    settle();
    EXPECT_EQ(frontend->count(), 1U);
    EXPECT_EQ(talk().closed, 0);
}

TEST_F(lent_connection_test, ends_with_the_borrower)
{
    auto peer = connect_counted();
    ::shutdown(borrowed.fd(), SHUT_RDWR);
    expect_ended(true);
    borrowed.close();
    ASSERT_TRUE(until([&] {
        peer.read();
        return peer.ended;
    }));
}

TEST_F(lent_connection_test, ends_the_stream_for_the_borrower_when_it_is_closed_or_aborted)
{
    for (auto const aborted : {false, true}) {
        auto peer = connect_counted();
        auto& w = *talk().w;
        aborted ? w.abort() : w.close();
        ASSERT_TRUE(until([this] {
            borrowed.read();
            return borrowed.ended;
        }));
        expect_ended(!aborted);
        what->quota->leave(*parse_ip("127.0.0.1"));
    }
}

TEST_F(lent_connection_test, still_has_deadlines)
{
    auto peer = connect_counted();
    talk().w->set_deadline(100ms);
    ASSERT_TRUE(until([this] { return talk().deadlines == 1; }));
    EXPECT_EQ(talk().closed, 0);
}

TEST_F(lent_connection_test, knows_a_borrower_that_speaks_tls_and_the_peer_of_a_proxy_header)
{
    auto proxies = std::make_shared<trusted_networks>();
    ASSERT_TRUE(proxies->add("127.0.0.0/8"));
    what->proxies = proxies;
    what->tls_by_borrower = true;
    auto peer = connect_counted();
    peer.send("PROXY TCP4 192.0.2.7 192.0.2.1 1234 443\r\nhello");
    ASSERT_TRUE(until([this] { return borrowed.fd() >= 0 && borrowed.read() > 0; }));
    EXPECT_EQ(borrowed.received, "hello");
    EXPECT_EQ(talk().w->remote().address, "192.0.2.7");
    EXPECT_EQ(talk().w->remote().over, broker::transport::tls);
    EXPECT_EQ(metrics().connections[1].get(), 1U);
    peer.end_writing();
    ASSERT_TRUE(gone());
    EXPECT_EQ(metrics().connections[1].get(), 0U);
}

}  // namespace
}  // namespace fulmar::net::test
