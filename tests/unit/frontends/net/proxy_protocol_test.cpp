#include "frontends/net/proxy_protocol.hpp"

#include "tests/unit/frontends/net/network_fixture.hpp"

namespace fulmar::net::test {
namespace {

using namespace std::string_literals;
using namespace std::chrono_literals;

proxy_header parse(std::string const& bytes) { return parse_proxy_header(bytes); }

std::string v2(char command, char family, std::string const& body)
{
    std::string out{"\r\n\r\n\0\r\nQUIT\n", 12};
    out += static_cast<char>(0x20 | command);
    out += family;
    out += static_cast<char>(body.size() >> 8U);
    out += static_cast<char>(body.size() & 0xFFU);
    return out + body;
}

std::string const inet_body{"\xC0\x00\x02\x01\xC0\x00\x02\x02\xDC\x04\x01\xBB",
                            12};  // 192.0.2.1:56324 -> 192.0.2.2:443

TEST(proxy_protocol, version_1_names_the_source)
{
    auto const line = "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"s;
    auto const header = parse(line + "rest");
    ASSERT_EQ(header.verdict, proxy_verdict::complete);
    EXPECT_EQ(header.size, line.size());
    ASSERT_TRUE(header.source);
    EXPECT_EQ(header.source->ip.text(), "192.0.2.1");
    EXPECT_EQ(header.source->port, 56324);
    auto const v6 = parse("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n");
    ASSERT_TRUE(v6.source);
    EXPECT_EQ(v6.source->ip.text(), "2001:db8::1");
}

TEST(proxy_protocol, version_1_unknown_leaves_the_sockets_peer)
{
    for (auto const* const line : {"PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n"}) {
        auto const header = parse(line);
        EXPECT_EQ(header.verdict, proxy_verdict::complete) << line;
        EXPECT_FALSE(header.source);
    }
}

TEST(proxy_protocol, version_1_lines_that_are_not_exactly_right_are_malformed)
{
    for (auto const* const line :
         {"PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 1\r\n",
          "PROXY TCP4 192.0.2.1  192.0.2.2 56324 443\r\n", "PROXY TCP4 192.0.2.256 192.0.2.2 56324 443\r\n",
          "PROXY TCP4 localhost 192.0.2.2 56324 443\r\n", "PROXY TCP4 ::1 192.0.2.2 56324 443\r\n",
          "PROXY TCP6 192.0.2.1 ::1 56324 443\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n",
          "PROXY TCP4 192.0.2.1 192.0.2.2 -1 443\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 01 443\r\n",
          "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY UNKNOWNX\r\n", "PROXY \r\n",
          "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "PROXY TCP6 [::1] ::1 1 2\r\n", "PROXY UNKNOWN x\ny\r\n", "PROXY \n",
          "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "GET / HTTP/1.1\r\n"}) {
        EXPECT_EQ(parse(line).verdict, proxy_verdict::malformed) << line;
    }
}

TEST(proxy_protocol, a_version_1_line_ends_within_107_bytes)
{
    EXPECT_EQ(parse("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n").verdict, proxy_verdict::complete);
    EXPECT_EQ(parse("PROXY UNKNOWN " + std::string(92, 'x') + "\r\n").verdict, proxy_verdict::malformed);
    EXPECT_EQ(parse("PROXY UNKNOWN " + std::string(92, 'x')).verdict, proxy_verdict::need_more);
    EXPECT_EQ(parse("PROXY UNKNOWN " + std::string(93, 'x')).verdict, proxy_verdict::malformed);
}

TEST(proxy_protocol, version_2_names_the_source)
{
    auto const header = parse(v2(1, 0x11, inet_body) + "rest");
    ASSERT_EQ(header.verdict, proxy_verdict::complete);
    EXPECT_EQ(header.size, 28U);
    ASSERT_TRUE(header.source);
    EXPECT_EQ(header.source->ip.text(), "192.0.2.1");
    EXPECT_EQ(header.source->port, 56324);
    auto body = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01" + std::string(16, '\0') + "\x00\x07\x00\x08"s;
    auto const v6 = parse(v2(1, 0x21, body));
    ASSERT_TRUE(v6.source);
    EXPECT_EQ(v6.source->ip.text(), "2001:db8::1");
    EXPECT_EQ(v6.source->port, 7);
}

TEST(proxy_protocol, version_2_without_addresses_leaves_the_sockets_peer)
{
    for (auto const& bytes :
         {v2(0, 0x00, ""), v2(0, 0x11, inet_body), v2(1, 0x00, "whatever"), v2(1, 0x31, std::string(216, 'u'))}) {
        auto const header = parse(bytes);
        EXPECT_EQ(header.verdict, proxy_verdict::complete);
        EXPECT_EQ(header.size, bytes.size());
        EXPECT_FALSE(header.source);
    }
}

TEST(proxy_protocol, values_after_the_addresses_are_skipped)
{
    auto const values = "\x02\x00\x05hello\x04\x00\x00"s;
    auto const header = parse(v2(1, 0x11, inet_body + values));
    EXPECT_EQ(header.verdict, proxy_verdict::complete);
    EXPECT_EQ(header.size, 16 + inet_body.size() + values.size());
    EXPECT_TRUE(header.source);
}

TEST(proxy_protocol, values_that_overrun_the_header_are_malformed)
{
    for (auto const& values : {"\x02\x00\x06hello"s, "\x02\x00"s, "\x02"s, "\x02\xFF\xFFx"s}) {
        EXPECT_EQ(parse(v2(1, 0x11, inet_body + values)).verdict, proxy_verdict::malformed);
    }
}

TEST(proxy_protocol, version_2_headers_that_are_too_short_too_long_or_of_another_version_are_malformed)
{
    EXPECT_EQ(parse(v2(1, 0x11, inet_body.substr(0, 11))).verdict, proxy_verdict::malformed);
    EXPECT_EQ(parse(v2(1, 0x21, inet_body)).verdict, proxy_verdict::malformed);
    EXPECT_EQ(parse(v2(2, 0x11, inet_body)).verdict, proxy_verdict::malformed);
    EXPECT_EQ(parse(v2(1, 0x41, inet_body)).verdict, proxy_verdict::malformed);
    EXPECT_EQ(parse(v2(1, 0x13, inet_body)).verdict, proxy_verdict::malformed);
    auto other = v2(1, 0x11, inet_body);
    other[12] = 0x11;
    EXPECT_EQ(parse(other).verdict, proxy_verdict::malformed);
    auto const largest = proxy_header_bytes_max - 16;
    EXPECT_EQ(parse(v2(0, 0, std::string(largest, 'x'))).verdict, proxy_verdict::complete);
    EXPECT_EQ(parse(v2(0, 0, std::string(largest + 1, 'x'))).verdict, proxy_verdict::malformed);
}

TEST(proxy_protocol, every_true_prefix_of_a_header_needs_more)
{
    for (auto const& whole : {"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"s, v2(1, 0x11, inet_body)}) {
        for (std::size_t size = 0; size < whole.size(); ++size) {
            EXPECT_EQ(parse(whole.substr(0, size)).verdict, proxy_verdict::need_more) << size;
        }
    }
}

TEST(socket_address, networks_contain_their_addresses_only)
{
    auto const inside = [](char const* net, char const* ip) { return network::parse(net)->contains(*parse_ip(ip)); };
    EXPECT_TRUE(inside("10.0.0.0/8", "10.255.0.1"));
    EXPECT_FALSE(inside("10.0.0.0/8", "11.0.0.1"));
    EXPECT_TRUE(inside("192.0.2.128/25", "192.0.2.200"));
    EXPECT_FALSE(inside("192.0.2.128/25", "192.0.2.127"));
    EXPECT_TRUE(inside("192.0.2.1", "::ffff:192.0.2.1"));
    EXPECT_FALSE(inside("192.0.2.1", "192.0.2.2"));
    EXPECT_TRUE(inside("0.0.0.0/0", "192.0.2.1"));
    EXPECT_FALSE(inside("0.0.0.0/0", "2001:db8::1"));
    EXPECT_TRUE(inside("2001:db8::/33", "2001:db8:7fff::1"));
    EXPECT_FALSE(inside("2001:db8::/33", "2001:db8:8000::1"));
    EXPECT_TRUE(inside("::/0", "192.0.2.1"));
}

TEST(socket_address, what_is_no_address_or_network_is_refused)
{
    for (auto const* const text :
         {"", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.0.0/8", "host", "10.0.0.0/8x", "[::1"}) {
        EXPECT_FALSE(network::parse(text)) << text;
    }
}

TEST(socket_address, loopback_is_recognised_in_every_spelling)
{
    for (auto const* const text : {"127.0.0.1", "127.255.0.9", "::1", "[::1]", "::ffff:127.0.0.1", "localhost"}) {
        EXPECT_TRUE(parse_ip(text)->is_loopback()) << text;
    }
    for (auto const* const text : {"128.0.0.1", "::2", "::", "0.0.0.0", "::ffff:10.0.0.1"}) {
        EXPECT_FALSE(parse_ip(text)->is_loopback()) << text;
    }
}

class proxied_connection_test : public network_fixture
{
protected:
    void trust(char const* text)
    {
        auto trusted = std::make_shared<trusted_networks>();
        ASSERT_TRUE(trusted->add(text));
        what->proxies = trusted;
    }
};

TEST_F(proxied_connection_test, a_trusted_proxy_names_the_peer_and_the_rest_belongs_to_the_protocol)
{
    trust("127.0.0.0/8");
    auto peer = connect();
    EXPECT_TRUE(talks.empty());
    peer.send("PROXY TCP4 192.0.2.1 192.");
    settle();
    EXPECT_TRUE(talks.empty());
    peer.send("0.2.2 56324 443\r\nhello");
    ASSERT_TRUE(until([&] { return !talks.empty() && talks[0]->consumed == "hello"; }));
    EXPECT_EQ(talks[0]->w->remote().address, "192.0.2.1");
    EXPECT_EQ(talks[0]->w->remote().port, 56324);
    EXPECT_FALSE(talks[0]->w->remote().loopback);
}

TEST_F(proxied_connection_test, a_connection_through_a_proxy_never_counts_as_loopback)
{
    trust("127.0.0.1");
    for (auto const& header : {"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"s, "PROXY UNKNOWN\r\n"s, v2(0, 0, "")}) {
        auto peer = connect();
        peer.send(header);
        auto const before = talks.size();
        ASSERT_TRUE(until([&] { return talks.size() > before; }));
        EXPECT_FALSE(talks.back()->w->remote().loopback);
        EXPECT_EQ(talks.back()->w->remote().address, "127.0.0.1");
    }
}

TEST_F(proxied_connection_test, a_trusted_proxy_without_a_header_is_refused)
{
    trust("127.0.0.1");
    auto peer = connect();
    peer.send("\x10\x10");
    ASSERT_TRUE(until([&] { return frontend->count() == 0; }));
    EXPECT_TRUE(talks.empty());
    EXPECT_EQ(metrics().connections_refused.get(), 1U);
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_NE(reports[0].find("127.0.0.1"), std::string::npos);
}

TEST_F(proxied_connection_test, a_trusted_proxy_that_ends_or_is_silent_within_the_header_is_refused)
{
    trust("127.0.0.1");
    auto ending = connect();
    ending.send("PROXY TC");
    ending.end_writing();
    auto silent = connect();
    silent.send("PROXY TC");
    ASSERT_TRUE(until([&] { return frontend->count() == 1; }));
    frontend->deadlines().advance(102);
    ASSERT_TRUE(until([&] { return frontend->count() == 0; }));
    EXPECT_TRUE(talks.empty());
}

TEST_F(proxied_connection_test, a_header_from_anybody_else_is_not_believed)
{
    trust("192.0.2.0/24");
    auto peer = connect();
    peer.send("PROXY UNKNOWN\r\n");
    ASSERT_TRUE(until([&] { return !talks.empty() && !talks[0]->consumed.empty(); }));
    EXPECT_EQ(talks[0]->consumed, "PROXY UNKNOWN\r\n");  // not an acceptable first packet of any protocol
    EXPECT_EQ(talks[0]->w->remote().address, "127.0.0.1");
}

}  // namespace
}  // namespace fulmar::net::test
