#include "frontends/pusher/webhook_client.hpp"

#include "tests/unit/frontends/net/test_certificates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

#include <atomic>
#include <thread>

namespace fulmar::pusher {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using testing::HasSubstr;
using testing::StartsWith;

// A server on a thread of its own that does the same with every connection, one after the other.
class scripted_server
{
public:
    explicit scripted_server(std::function<void(tcp::socket&)> with_each) : with_each_{std::move(with_each)}
    {
        thread_ = std::thread{[this] { serve(); }};
    }
    ~scripted_server()
    {
        ending_ = true;
        asio::io_context io;
        tcp::socket wake{io};
        boost::system::error_code ignored;
        wake.connect(acceptor_.local_endpoint(), ignored);
        thread_.join();
    }
    [[nodiscard]] std::string url(std::string const& scheme = "http", std::string const& host = "127.0.0.1") const
    {
        return scheme + "://" + host + ":" + std::to_string(acceptor_.local_endpoint().port()) + "/hook?x=1";
    }
    std::atomic<int> accepted{0};

private:
    void serve()
    {
        for (;;) {
            tcp::socket peer{io_};
            boost::system::error_code error;
            acceptor_.accept(peer, error);
            if (error || ending_)
                return;
            ++accepted;
            with_each_(peer);
        }
    }

    std::function<void(tcp::socket&)> with_each_;
    asio::io_context io_;
    tcp::acceptor acceptor_{io_, {asio::ip::address_v4::loopback(), 0}};
    std::atomic<bool> ending_{false};
    std::thread thread_;
};

// Reads one request and answers it; false when there is none.
template <class Stream>
bool answer_one(Stream& stream, std::string const& answer, std::string* request = nullptr)
{
    boost::system::error_code error;
    asio::streambuf in;
    auto const size = asio::read_until(stream, in, "{}", error);  // the body of every request here
    if (error)
        return false;
    if (request != nullptr)
        request->assign(asio::buffers_begin(in.data()),
                        asio::buffers_begin(in.data()) + static_cast<std::ptrdiff_t>(size));
    asio::write(stream, asio::buffer(answer), error);
    return !error;
}

constexpr auto good = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

class webhook_client_test : public testing::Test
{
protected:
    webhook_answer post(std::string url)
    {
        webhook_answer got;
        webhook_request request;
        request.url = std::move(url);
        request.headers = {{"X-Pusher-Key", "key"}};
        request.body = "{}";
        client->post(std::move(request), [&](webhook_answer answer) {
            got = std::move(answer);
            io.stop();
        });
        io.restart();
        io.run();
        io.restart();
        io.poll();  // what is left of it
        return got;
    }

    asio::io_context io;
    std::unique_ptr<webhook_client> client = make_webhook_client(io);
};

TEST_F(webhook_client_test, a_request_is_what_the_libraries_expect)
{
    std::string request;
    scripted_server server{[&](tcp::socket& peer) { answer_one(peer, good, &request); }};
    EXPECT_EQ(post(server.url()).status, 200U);
    EXPECT_THAT(request, StartsWith("POST /hook?x=1 HTTP/1.1\r\nHost: 127.0.0.1:"));
    EXPECT_THAT(request, HasSubstr("\r\nContent-Type: application/json\r\n"));
    EXPECT_THAT(request, HasSubstr("\r\nX-Pusher-Key: key\r\n"));
    EXPECT_THAT(request, HasSubstr("\r\nContent-Length: 2\r\n\r\n{}"));
}

TEST_F(webhook_client_test, a_connection_that_stays_open_is_used_again)
{
    scripted_server server{[](tcp::socket& peer) {
        while (answer_one(peer, good)) {
        }
    }};
    EXPECT_EQ(post(server.url()).status, 200U);
    EXPECT_EQ(post(server.url()).status, 200U);
    EXPECT_EQ(server.accepted, 1);
    client.reset();
}

TEST_F(webhook_client_test, a_kept_connection_that_was_closed_meanwhile_is_replaced)
{
    scripted_server server{[](tcp::socket& peer) { answer_one(peer, good); }};
    EXPECT_EQ(post(server.url()).status, 200U);
    EXPECT_EQ(post(server.url()).status, 200U);
    EXPECT_EQ(server.accepted, 2);
}

TEST_F(webhook_client_test, a_redirection_is_an_answer_and_is_not_followed)
{
    scripted_server server{[](tcp::socket& peer) {
        answer_one(peer, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    }};
    EXPECT_EQ(post(server.url()).status, 302U);
    EXPECT_EQ(server.accepted, 1);
}

TEST_F(webhook_client_test, of_a_large_answer_only_the_status_counts)
{
    scripted_server server{[](tcp::socket& peer) {
        answer_one(peer, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + std::string(200'000, 'x'));
    }};
    EXPECT_EQ(post(server.url()).status, 200U);
}

TEST_F(webhook_client_test, nobody_there_nonsense_and_silence_are_failures_with_words)
{
    std::string closed;
    {
        scripted_server gone{[](tcp::socket&) {}};
        closed = gone.url();
        EXPECT_EQ(post(closed).status, 0U) << "closed without an answer";
    }
    auto const refused = post(closed);
    EXPECT_EQ(refused.status, 0U);
    EXPECT_THAT(refused.problem, HasSubstr("cannot connect"));
    scripted_server babbling{[](tcp::socket& peer) { answer_one(peer, "SSH-2.0-x\r\n\r\n"); }};
    EXPECT_EQ(post(babbling.url()).status, 0U);
    EXPECT_EQ(post("ftp://x/").status, 0U);
}

class webhook_tls_test : public webhook_client_test
{
protected:
    // Serves with a certificate for `name`.
    std::unique_ptr<scripted_server> serve(std::string const& name)
    {
        auto const credential = folder.make("server", name, &authority);
        return std::make_unique<scripted_server>(
            [credential_file = credential.certificate_file, key_file = credential.key_file](tcp::socket& peer) {
                asio::ssl::context tls{asio::ssl::context::tls_server};
                tls.use_certificate_chain_file(credential_file);
                tls.use_private_key_file(key_file, asio::ssl::context::pem);
                asio::ssl::stream<tcp::socket&> stream{peer, tls};
                boost::system::error_code error;
                stream.handshake(asio::ssl::stream_base::server, error);
                if (!error)
                    answer_one(stream, good);
            });
    }
    void trust_the_authority()
    {
        setenv("SSL_CERT_FILE", authority.certificate_file.c_str(), 1);
        client = make_webhook_client(io);
        unsetenv("SSL_CERT_FILE");
    }

    net::test::certificate_folder folder;
    net::test::credential authority = folder.make("authority", "Authority");
};

TEST_F(webhook_tls_test, a_certificate_of_a_known_authority_for_this_name_is_accepted)
{
    auto const server = serve("localhost");
    trust_the_authority();
    auto const answer = post(server->url("https", "localhost"));
    EXPECT_EQ(answer.status, 200U) << answer.problem;
}

TEST_F(webhook_tls_test, a_certificate_of_an_unknown_authority_is_refused)
{
    auto const server = serve("localhost");
    auto const answer = post(server->url("https", "localhost"));
    EXPECT_EQ(answer.status, 0U);
    EXPECT_THAT(answer.problem, HasSubstr("certificate verify failed"));
}

TEST_F(webhook_tls_test, a_certificate_for_another_name_is_refused)
{
    auto const server = serve("other.example");
    trust_the_authority();
    auto const answer = post(server->url("https", "localhost"));
    EXPECT_EQ(answer.status, 0U);
    EXPECT_THAT(answer.problem, HasSubstr("certificate verify failed"));
}

}  // namespace
}  // namespace fulmar::pusher
