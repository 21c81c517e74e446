#include "frontends/admin/admin_frontend.hpp"

#include "tests/unit/frontends/net/scripted_wire.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <sstream>

namespace fulmar::admin {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class admin_frontend_test : public testing::Test
{
protected:
    admin_frontend_test()
    {
        for (broker::shard_id id = 0; id < 2; ++id)
            node.shards.push_back(std::make_unique<broker::shard>(id, node));
        node.node_name = "one \"quoted\"";
    }
    std::string answer(std::string_view path, std::string_view host = "localhost:9090")
    {
        net::test::scripted_wire outer;
        auto const server = frontend.make_protocol(outer);
        net::test::feeder feed{*server};
        feed("GET " + std::string{path} + " HTTP/1.1\r\nHost: " + std::string{host} + "\r\n\r\n");
        return outer.take();
    }
    broker::shard_metrics& metrics(std::size_t shard) { return node.shards[shard]->metrics(); }

    fulmar::test::memory_store store;
    broker::system_clock clock;
    broker::retained_index retained;
    broker::node_context node = [this] { return broker::node_context{{}, clock, store, retained}; }();
    admin_frontend frontend{node, {.loopback_only = true, .version = "1.2.3"}};
};

TEST_F(admin_frontend_test, health_is_that_the_process_answers)
{
    EXPECT_THAT(answer("/healthz"), StartsWith("HTTP/1.1 200 "));
    store.set_state(broker::store_state::failed);
    EXPECT_THAT(answer("/healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(admin_frontend_test, readiness_names_what_is_in_the_way)
{
    auto text = answer("/readyz");
    EXPECT_THAT(text, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(text, HasSubstr("{\"ready\":false,\"reasons\":[\"starting\"]}"));
    frontend.set_ready();
    text = answer("/readyz");
    EXPECT_THAT(text, StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(text, HasSubstr("{\"ready\":true,\"reasons\":[]}"));
    store.set_state(broker::store_state::full);
    EXPECT_THAT(answer("/readyz"), HasSubstr("[\"store full\"]"));
    store.set_state(broker::store_state::failed);
    frontend.set_draining();
    EXPECT_THAT(answer("/readyz"), HasSubstr("[\"draining\",\"store failed\"]"));
}

TEST_F(admin_frontend_test, metrics_are_the_sum_over_all_shards)
{
    metrics(0).messages_in[1].add(3);
    metrics(1).messages_in[1].add(4);
    metrics(1).dropped[static_cast<std::size_t>(broker::drop_reason::outbox_full)].add(5);
    metrics(1).loop_lag_us.set(1500);
    auto const text = answer("/metrics");
    EXPECT_THAT(text, HasSubstr("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    EXPECT_THAT(text, HasSubstr("\nfulmar_messages_received_total{protocol=\"mqtt\",qos=\"1\"} 7\n"));
    EXPECT_THAT(text, HasSubstr("\nfulmar_messages_dropped_total{reason=\"outbox_full\"} 5\n"));
    EXPECT_THAT(text, HasSubstr("\nfulmar_loop_lag_seconds{shard=\"1\"} 0.0015\n"));
    EXPECT_THAT(text, HasSubstr("\nfulmar_build_info{version=\"1.2.3\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("\nfulmar_store_state{state=\"healthy\"} 1\n"));
}

TEST_F(admin_frontend_test, a_websocket_is_counted_once)
{
    metrics(0).connections[static_cast<std::size_t>(broker::transport::tcp)].add(5);
    metrics(0).connections[static_cast<std::size_t>(broker::transport::websocket)].add(2);
    auto const text = answer("/metrics");
    EXPECT_THAT(text, HasSubstr("\nfulmar_connections{transport=\"tcp\"} 3\n"));
    EXPECT_THAT(text, HasSubstr("\nfulmar_connections{transport=\"websocket\"} 2\n"));
}

TEST_F(admin_frontend_test, every_metric_has_help_and_type_once_and_its_samples_together)
{
    frontend.add_source([](metric_writer& out) { out.gauge("fulmar_added", "By a source.", 1); });
    std::istringstream lines{frontend.metrics()};
    std::set<std::string> families;
    std::string family;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# HELP ")) {
            family = line.substr(7, line.find(' ', 7) - 7);
            EXPECT_TRUE(families.insert(family).second) << family << " comes twice";
            EXPECT_GT(line.size(), 8 + family.size()) << family << " has no help";
        } else if (line.starts_with("# TYPE ")) {
            EXPECT_TRUE(line.substr(7).starts_with(family + " "));
        } else {
            EXPECT_TRUE(line.starts_with(family)) << line;
            EXPECT_TRUE(line.starts_with("fulmar_")) << line;
        }
    }
    EXPECT_TRUE(families.contains("fulmar_added"));
    EXPECT_GT(families.size(), 35U);
}

TEST_F(admin_frontend_test, status_is_valid_json_with_names_escaped)
{
    auto const text = frontend.status();
    EXPECT_THAT(text, StartsWith("{\"name\":\"one \\\"quoted\\\"\",\"version\":\"1.2.3\","));
    EXPECT_THAT(text, HasSubstr("\"shards\":[{\"id\":0,"));
    EXPECT_EQ(std::count(text.begin(), text.end(), '{'), std::count(text.begin(), text.end(), '}'));
}

TEST_F(admin_frontend_test, other_host_names_are_refused_on_loopback)  // D8
{
    EXPECT_THAT(answer("/metrics", "evil.example"), StartsWith("HTTP/1.1 421 "));
    EXPECT_THAT(answer("/healthz", "127.0.0.1:9090"), StartsWith("HTTP/1.1 200 "));
    admin_frontend open{node, {.loopback_only = false}};
    net::test::scripted_wire outer;
    auto const server = open.make_protocol(outer);
    net::test::feeder feed{*server};
    feed("GET /healthz HTTP/1.1\r\nHost: broker.example\r\n\r\n");
    EXPECT_THAT(outer.take(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(admin_frontend_test, what_the_process_uses_is_reported)
{
    auto const text = frontend.metrics();
    EXPECT_THAT(text, HasSubstr("\nfulmar_process_resident_memory_bytes "));
    EXPECT_THAT(text, testing::Not(HasSubstr("\nfulmar_process_resident_memory_bytes 0\n")));
    EXPECT_THAT(text, testing::Not(HasSubstr("\nfulmar_process_open_fds 0\n")));
}

}  // namespace
}  // namespace fulmar::admin
