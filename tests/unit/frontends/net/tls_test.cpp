#include "frontends/net/tls.hpp"

#include "tests/unit/frontends/net/network_fixture.hpp"
#include "tests/unit/frontends/net/test_certificates.hpp"

#include <openssl/ssl.h>

#include <fstream>

namespace fulmar::net::test {
namespace {

// A TLS client on a non-blocking socket.
class tls_client
{
public:
    explicit tls_client(test_peer&& peer, credential const* own = nullptr, int version_max = TLS1_3_VERSION)
        : peer_(std::move(peer)), context_(SSL_CTX_new(TLS_client_method()))
    {
        SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(context_, version_max);
        SSL_CTX_set_security_level(context_, 0);
        if (own != nullptr) {
            SSL_CTX_use_certificate(context_, own->certificate.get());
            SSL_CTX_use_PrivateKey(context_, own->key.get());
        }
        session_ = SSL_new(context_);
        SSL_set_fd(session_, peer_.fd());
        SSL_set_connect_state(session_);
    }
    ~tls_client()
    {
        SSL_free(session_);
        SSL_CTX_free(context_);
    }

    [[nodiscard]] SSL* session() { return session_; }
    [[nodiscard]] bool established() { return SSL_do_handshake(session_) == 1; }
    [[nodiscard]] std::size_t send(std::string_view bytes)
    {
        std::size_t sent = 0;
        return SSL_write_ex(session_, bytes.data(), bytes.size(), &sent) == 1 ? sent : 0;
    }
    void read()
    {
        std::vector<char> buffer(16 * 1024);
        for (;;) {
            auto const got = SSL_read(session_, buffer.data(), static_cast<int>(buffer.size()));
            if (got <= 0) {
                auto const why = SSL_get_error(session_, got);
                ended = ended || why == SSL_ERROR_ZERO_RETURN;
                failed = failed || why == SSL_ERROR_SSL || why == SSL_ERROR_SYSCALL;
                return;
            }
            received.append(buffer.data(), static_cast<std::size_t>(got));
        }
    }
    [[nodiscard]] std::string server_name() const
    {
        certificate_ptr const seen{SSL_get1_peer_certificate(session_)};
        std::array<char, 100> name{};
        X509_NAME_get_text_by_NID(X509_get_subject_name(seen.get()), NID_commonName, name.data(), name.size());
        return name.data();
    }
    void end_abruptly() { peer_.close(); }

    std::string received;
    bool ended = false;
    bool failed = false;

private:
    test_peer peer_;
    SSL_CTX* context_;
    SSL* session_;
};

class tls_test : public network_fixture
{
protected:
    tls_test()
        : authority(folder.make("ca", "test authority")),
          server(folder.make("server", "first", &authority)),
          user(folder.make("client", "alice", &authority)),
          stranger(folder.make("stranger", "mallory"))
    {
        what->tls = std::make_shared<tls_context>();
        load(client_certificates::none);
    }
    void load(client_certificates clients)
    {
        std::string problem;
        auto const error =
            what->tls->load({server.certificate_file, server.key_file, authority.certificate_file, clients}, problem);
        EXPECT_FALSE(error) << problem;
    }
    bool establish(tls_client& c)
    {
        auto const before = talks.size();
        return until([&] { return static_cast<int>(c.established()) + static_cast<int>(talks.size() > before) == 2; });
    }
    // The server refuses: the connection goes away without a protocol.
    bool refused(tls_client& c)
    {
        return until([&] {
            static_cast<void>(c.established());
            return frontend->count() == 0;
        });
    }

    certificate_folder folder;
    credential authority;
    credential server;
    credential user;
    credential stranger;
};

TEST_F(tls_test, bytes_go_both_ways_and_the_transport_is_told)
{
    tls_client c{connect()};
    ASSERT_TRUE(establish(c));
    EXPECT_EQ(talks[0]->w->remote().over, broker::transport::tls);
    EXPECT_EQ(metrics().connections[static_cast<std::size_t>(broker::transport::tls)].get(), 1U);
    EXPECT_EQ(talks[0]->w->remote().certificate_subject, "");
    EXPECT_EQ(c.send("hello"), 5U);
    ASSERT_TRUE(until([&] { return talks[0]->consumed == "hello"; }));
    talks[0]->w->send("one ", "two");
    ASSERT_TRUE(until([&] {
        c.read();
        return c.received == "one two";
    }));
}

TEST_F(tls_test, large_amounts_arrive_whole_in_both_directions)
{
    tls_client c{connect()};
    ASSERT_TRUE(establish(c));
    std::string out;
    for (auto i = 0; out.size() < 900'000; ++i) {
        out += std::to_string(i) + ' ';
    }
    talks[0]->on_bytes = [](std::span<char const> in) { return in.size() < 900'000 ? 0 : in.size(); };
    std::size_t sent = 0;
    ASSERT_TRUE(until([&] {
        while (sent < out.size()) {
            auto const more = c.send(std::string_view{out}.substr(sent, 10'000));
            if (more == 0) {
                break;
            }
            sent += more;
        }
        return !talks[0]->consumed.empty();
    }));
    EXPECT_TRUE(talks[0]->consumed == out);
    talks[0]->w->send(out);
    ASSERT_TRUE(until([&] {
        c.read();
        return c.received.size() == out.size();
    }));
    EXPECT_TRUE(c.received == out);
}

TEST_F(tls_test, a_slow_reader_gets_whole_frames_and_the_rest_is_counted)
{
    tls_client c{connect(16 * 1024)};
    ASSERT_TRUE(establish(c));
    constexpr std::size_t size = 1000;
    std::size_t total = 0;
    for (auto turn = 0; turn < 60; ++turn) {
        broker::frame_run run;
        talks[0]->w->send_run(run, 0, 0);
        for (auto i = 0; i < 100; ++i, ++total) {
            auto frame = std::to_string(total);
            frame.resize(size, '.');
            run.bytes.insert(run.bytes.end(), frame.begin(), frame.end());
            run.frame_ends.push_back(static_cast<std::uint32_t>(run.bytes.size()));
        }
        settle();
    }
    EXPECT_GT(dropped(), 0U);
    auto const expected = (total - dropped()) * size;
    ASSERT_TRUE(until([&] {
        c.read();
        return c.received.size() >= expected;
    }));
    EXPECT_EQ(c.received.size(), expected);
    long last = -1;
    for (std::size_t at = 0; at < expected; at += size) {
        auto const number = std::stol(c.received.substr(at, 10));
        ASSERT_GT(number, last);
        last = number;
    }
    EXPECT_EQ(metrics().outbox_bytes.get(), 0U);
}

TEST_F(tls_test, close_ends_the_session_properly)
{
    tls_client c{connect()};
    ASSERT_TRUE(establish(c));
    talks[0]->w->send("bye");
    talks[0]->w->close();
    ASSERT_TRUE(until([&] {
        c.read();
        return c.ended;
    }));
    EXPECT_EQ(c.received, "bye");
    EXPECT_FALSE(c.failed);
    c.end_abruptly();
    ASSERT_TRUE(until([&] { return frontend->count() == 0; }));
}

TEST_F(tls_test, versions_before_1_2_are_refused_and_1_2_is_accepted)
{
    tls_client old{connect(), nullptr, TLS1_1_VERSION};
    ASSERT_TRUE(refused(old));
    EXPECT_TRUE(talks.empty());
    EXPECT_EQ(metrics().connections_refused.get(), 1U);
    tls_client accepted{connect(), nullptr, TLS1_2_VERSION};
    ASSERT_TRUE(establish(accepted));
}

TEST_F(tls_test, what_is_no_handshake_is_refused_and_reported)
{
    auto peer = connect();
    peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(until([&] { return frontend->count() == 0; }));
    EXPECT_TRUE(talks.empty());
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_NE(reports[0].find("TLS handshake failed"), std::string::npos);
}

TEST_F(tls_test, a_silent_peer_does_not_get_past_the_opening_timeout)
{
    auto peer = connect();
    settle();
    EXPECT_EQ(frontend->count(), 1U);
    frontend->deadlines().advance(102);
    settle();
    EXPECT_EQ(frontend->count(), 0U);
}

TEST_F(tls_test, a_verified_client_certificate_names_the_peer)
{
    load(client_certificates::required);
    tls_client c{connect(), &user};
    ASSERT_TRUE(establish(c));
    EXPECT_EQ(talks[0]->w->remote().certificate_subject, "alice");
}

TEST_F(tls_test, a_required_certificate_that_is_missing_or_unknown_is_refused)
{
    load(client_certificates::required);
    tls_client without{connect()};
    ASSERT_TRUE(refused(without));
    tls_client with_wrong{connect(), &stranger};
    ASSERT_TRUE(refused(with_wrong));
    EXPECT_TRUE(talks.empty());
    EXPECT_EQ(metrics().connections_total[static_cast<std::size_t>(broker::transport::tls)].get(), 0U);
}

TEST_F(tls_test, an_optional_certificate_may_be_missing_but_not_unknown)
{
    load(client_certificates::optional);
    tls_client without{connect()};
    ASSERT_TRUE(establish(without));
    EXPECT_EQ(talks[0]->w->remote().certificate_subject, "");
    without.end_abruptly();
    ASSERT_TRUE(until([&] { return frontend->count() == 0; }));
    tls_client with_wrong{connect(), &stranger};
    ASSERT_TRUE(refused(with_wrong));
}

TEST_F(tls_test, an_unverified_certificate_never_names_the_peer)
{
    tls_client c{connect(), &stranger};  // the server does not ask for one
    ASSERT_TRUE(establish(c));
    EXPECT_EQ(talks[0]->w->remote().certificate_subject, "");
}

TEST_F(tls_test, a_reload_serves_new_connections_and_leaves_live_ones_alone)
{
    tls_client live{connect()};
    ASSERT_TRUE(establish(live));
    EXPECT_EQ(live.server_name(), "first");
    auto next = folder.make("next", "second", &authority);
    next.certificate_file = server.certificate_file;
    next.key_file = server.key_file;
    certificate_folder::write(next);
    std::string problem;
    ASSERT_FALSE(what->tls->reload(problem)) << problem;
    tls_client fresh{connect()};
    ASSERT_TRUE(establish(fresh));
    EXPECT_EQ(fresh.server_name(), "second");
    EXPECT_EQ(live.send("still"), 5U);
    ASSERT_TRUE(until([&] { return talks[0]->consumed == "still"; }));
}

TEST_F(tls_test, a_reload_that_fails_keeps_the_old_certificate_and_names_the_file)
{
    std::ofstream{server.certificate_file} << "not a certificate\n";
    std::string problem;
    EXPECT_TRUE(what->tls->reload(problem));
    EXPECT_NE(problem.find(server.certificate_file), std::string::npos) << problem;
    tls_client c{connect()};
    ASSERT_TRUE(establish(c));
    EXPECT_EQ(c.server_name(), "first");
}

TEST_F(tls_test, a_key_of_another_certificate_is_refused)
{
    tls_context context;
    std::string problem;
    EXPECT_TRUE(context.load({server.certificate_file, user.key_file, {}, client_certificates::none}, problem));
    EXPECT_NE(problem.find(user.key_file), std::string::npos) << problem;
}

TEST_F(tls_test, a_client_that_comes_back_resumes_with_a_ticket)
{
    tls_client first{connect(), nullptr, TLS1_2_VERSION};
    ASSERT_TRUE(establish(first));
    std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> const ticket{SSL_get1_session(first.session()),
                                                                           &SSL_SESSION_free};
    tls_client again{connect(), nullptr, TLS1_2_VERSION};
    SSL_set_session(again.session(), ticket.get());
    ASSERT_TRUE(establish(again));
    EXPECT_EQ(SSL_session_reused(again.session()), 1);
}

TEST_F(tls_test, tls_may_follow_a_proxy_header)
{
    auto trusted = std::make_shared<trusted_networks>();
    ASSERT_TRUE(trusted->add("127.0.0.1"));
    what->proxies = trusted;
    auto peer = connect();
    peer.send("PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n");
    tls_client c{std::move(peer)};
    ASSERT_TRUE(establish(c));
    EXPECT_EQ(talks[0]->w->remote().address, "192.0.2.1");
    EXPECT_EQ(c.send("hello"), 5U);
    ASSERT_TRUE(until([&] { return talks[0]->consumed == "hello"; }));
}

}  // namespace
}  // namespace fulmar::net::test
