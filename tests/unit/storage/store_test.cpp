#include "tests/unit/storage/store_fixture.hpp"

#include <sys/stat.h>

namespace fulmar::storage {
namespace {

using strings = std::vector<std::string>;

TEST_F(store_test, logged_publishes_get_ascending_positions)
{
    start();
    EXPECT_EQ(publish("a/1", "one", {"a/#"}), 1U);
    EXPECT_EQ(publish("a/2", "two", {"a/#", "a/2"}), 2U);
    EXPECT_EQ(store->last_committed(), 2U);
    EXPECT_EQ(store->pending_bytes(), 0U);
}

TEST_F(store_test, what_was_acknowledged_is_there_after_a_restart)
{
    start();
    publish("a/1", "one", {"a/#"});
    publish("a/2", "two", {"a/#"});
    start();
    EXPECT_EQ(store->last_committed(), 2U);
    auto const page = read({filter("a/#")});
    EXPECT_EQ(payloads(page), (strings{"one", "two"}));
    EXPECT_TRUE(page.complete);
    EXPECT_EQ(page.reached, 2U);
    EXPECT_EQ(publish("a/3", "three", {"a/#"}), 3U);
}

TEST_F(store_test, a_queue_is_the_merge_of_its_filters_by_position_without_duplicates)
{
    start();
    publish("a/1", "1", {"a/#", "a/1"});
    publish("b", "2", {"b"});
    publish("a/2", "3", {"a/#"});
    publish("c", "4", {"c"});
    publish("a/1", "5", {"a/#", "a/1"});
    auto const page = read({filter("b"), filter("a/1"), filter("a/#")});
    EXPECT_EQ(payloads(page), (strings{"1", "2", "3", "5"}));
    EXPECT_EQ(page.reached, 5U);
    EXPECT_TRUE(page.complete);
}

TEST_F(store_test, pages_continue_where_the_last_one_ended)
{
    start();
    strings expected;
    for (int i = 0; i < 100; ++i) {
        expected.push_back(std::to_string(i));
        publish("a/" + std::to_string(i % 3), expected.back(), i % 3 == 0 ? strings{"a/#", "a/0"} : strings{"a/#"});
    }
    strings got;
    log_sequence after = 0;
    int pages = 0;
    for (auto complete = false; !complete; ++pages) {
        auto const page = read({filter("a/0"), filter("a/#")}, after, 7);
        EXPECT_LE(page.messages.size(), 7U);
        for (auto const& text : payloads(page))
            got.push_back(text);
        after = page.reached;
        complete = page.complete;
    }
    EXPECT_EQ(got, expected);
    EXPECT_GE(pages, 15);
}

TEST_F(store_test, a_page_is_limited_in_bytes_but_never_empty_for_it)
{
    start();
    for (int i = 0; i < 4; ++i)
        publish("a", std::string(10'000, 'x'), {"a"});
    queue_read request;
    request.filters = {filter("a")};
    request.bytes_max = 15'000;
    request.ticket = ++ticket;
    store->read(0, request);
    auto const page = listener->page(ticket);
    EXPECT_EQ(page.messages.size(), 1U);
    EXPECT_EQ(page.reached, 1U);
    EXPECT_FALSE(page.complete);
}

TEST_F(store_test, a_filter_gives_only_messages_after_it_began_and_up_to_the_asked_position)
{
    start();
    for (auto const* text : {"1", "2", "3", "4", "5"})
        publish("a", text, {"a"});
    EXPECT_EQ(payloads(read({filter("a", 3)})), (strings{"4", "5"}));
    EXPECT_EQ(payloads(read({filter("a", 1)}, 2)), (strings{"3", "4", "5"}));
    queue_read request;
    request.filters = {filter("a")};
    request.upto = 2;
    request.ticket = ++ticket;
    store->read(0, request);
    auto const page = listener->page(ticket);
    EXPECT_EQ(payloads(page), (strings{"1", "2"}));
    EXPECT_EQ(page.reached, 2U);
    EXPECT_TRUE(page.complete);
}

TEST_F(store_test, expired_messages_are_passed_over_and_counted)
{
    start();
    commit(logged_publish(make_message("a", "short", clock.wall() + 1000), {"a"}));
    commit(logged_publish(make_message("a", "long", clock.wall() + 100'000), {"a"}));
    clock.advance(std::chrono::seconds{2});
    auto const page = read({filter("a")});
    EXPECT_EQ(payloads(page), (strings{"long"}));
    EXPECT_EQ(page.expired, 1U);
    EXPECT_EQ(page.reached, 2U);
}

TEST_F(store_test, filters_that_share_a_hash_are_told_apart_by_the_topic)
{
    start();
    publish_op op = logged_publish(make_message("other", "not ours"), {"a/+"});  // filed under a foreign hash
    commit(op);
    publish("a/1", "ours", {"a/+"});
    EXPECT_EQ(payloads(read({filter("a/+")})), (strings{"ours"}));
}

TEST_F(store_test, a_shared_subscription_has_a_stream_of_its_own_and_matches_by_its_inner_filter)
{
    start();
    publish("a/1", "x", {"$share/g/a/+"});
    publish("a/1", "y", {"a/+"});
    EXPECT_EQ(payloads(read({filter("$share/g/a/+")})), (strings{"x"}));
}

TEST_F(store_test, a_replay_is_the_same_from_disk_and_from_the_cache)
{
    start();
    strings expected;
    for (int i = 0; i < 50; ++i) {
        expected.push_back(std::to_string(i));
        publish("a", expected.back(), {"a"});
    }
    EXPECT_EQ(payloads(read({filter("a")})), expected);
    EXPECT_EQ(store->statistics().cache_misses, 0U);
    settings.message_cache_bytes = 0;
    start();
    EXPECT_EQ(payloads(read({filter("a")})), expected);
    EXPECT_EQ(store->statistics().cache_hits, 0U);
}

TEST_F(store_test, sessions_come_back_with_subscriptions_cursor_and_inflight)
{
    start();
    auto record = session_of(7, "client");
    record.user = "alice";
    commit(put_session_op{record}, put_subscription_op{session_id{7}, durable_subscription("a/#", 12)},
           put_subscription_op{session_id{7}, durable_subscription("b", 0, qos::exactly_once)},
           cursor_op{session_id{7}, 40},
           put_inflight_op{session_id{7}, {5, inflight_state::released, qos::exactly_once, 41, filter_hash{9}}},
           put_inflight_op{session_id{7}, {5, inflight_state::received, qos::exactly_once, 0, {}}},
           put_inflight_op{session_id{7}, {6, inflight_state::published, qos::at_least_once, 42, {}}});
    commit(erase_inflight_op{session_id{7}, 6, false}, erase_subscription_op{session_id{7}, "b"},
           cursor_op{session_id{7}, 41});
    auto const rows = start();
    ASSERT_EQ(rows.sessions.size(), 1U);
    auto const& s = rows.sessions.at(7);
    EXPECT_EQ(s.record.client_id, "client");
    EXPECT_EQ(s.record.user, "alice");
    EXPECT_EQ(s.cursor, 41U);
    ASSERT_EQ(s.subscriptions.size(), 1U);
    EXPECT_EQ(s.subscriptions[0].filter, "a/#");
    EXPECT_EQ(s.subscriptions[0].begin, 12U);
    ASSERT_EQ(s.inflight.size(), 2U);
    EXPECT_EQ(s.inflight[0].state, inflight_state::released);
    EXPECT_EQ(s.inflight[0].shared_group, filter_hash{9});
    EXPECT_EQ(s.inflight[1].state, inflight_state::received);
}

TEST_F(store_test, an_erased_session_leaves_nothing_behind)
{
    start();
    commit(put_session_op{session_of(1, "a")}, put_subscription_op{session_id{1}, durable_subscription("t")},
           put_inflight_op{session_id{1}, {1, inflight_state::received, qos::exactly_once, 0, {}}},
           cursor_op{session_id{1}, 3});
    commit(put_session_op{session_of(2, "b")}, put_subscription_op{session_id{2}, durable_subscription("t")});
    commit(erase_session_op{session_id{1}});
    // A crash before maintenance: the rows of the session are still there, and must not come back.
    auto rows = start();
    EXPECT_EQ(rows.sessions.size(), 1U);
    EXPECT_TRUE(rows.sessions.contains(2));
    commit(erase_session_op{session_id{2}});
    store->maintain();
    rows = start();
    EXPECT_TRUE(rows.sessions.empty());
    store.reset();
    database raw{settings, {}};
    auto const left = raw.iterate(column::subscriptions);
    left->SeekToFirst();
    EXPECT_FALSE(left->Valid());
}

TEST_F(store_test, an_incoming_packet_identifier_is_stored_with_its_publish)
{
    start();
    commit(put_session_op{session_of(1, "a")});
    auto op = logged_publish(make_message("t", "x"), {"t"});
    op.received_by = session_id{1};
    op.received_id = 77;
    commit(op);
    auto rows = start();
    ASSERT_EQ(rows.sessions.at(1).inflight.size(), 1U);
    EXPECT_EQ(rows.sessions.at(1).inflight[0].id, 77);
    EXPECT_EQ(rows.sessions.at(1).inflight[0].state, inflight_state::received);
    commit(erase_inflight_op{session_id{1}, 77, true});
    rows = start();
    EXPECT_TRUE(rows.sessions.at(1).inflight.empty());
}

TEST_F(store_test, the_last_retained_message_of_a_topic_is_kept_and_an_empty_one_deletes_it)
{
    start();
    auto const retain = [&](std::string_view topic, std::string_view payload) {
        publish_op op;
        op.message = make_message(topic, payload);
        op.retain = true;
        EXPECT_EQ(commit(op).sequence, 0U) << "not logged";
    };
    retain("a", "1");
    retain("a", "2");
    retain("b", "3");
    retain("c", "4");
    retain("b", "");
    commit(erase_retained_op{default_app, "c"});
    auto const rows = start();
    ASSERT_EQ(rows.retained.size(), 1U);
    EXPECT_EQ(rows.retained.at("a")->payload(), "2");
}

TEST_F(store_test, group_cursors_come_back_until_they_are_erased)
{
    start();
    commit(group_cursor_op{hash_of("$share/g/t"), "$share/g/t", 5, false},
           group_cursor_op{filter_hash{2}, "x", 1, false});
    commit(group_cursor_op{hash_of("$share/g/t"), "$share/g/t", 6, false},
           group_cursor_op{filter_hash{2}, "x", 0, true});
    auto const rows = start();
    ASSERT_EQ(rows.groups.size(), 1U);
    EXPECT_EQ(rows.groups[0].filter, "$share/g/t");
    EXPECT_EQ(rows.groups[0].group, hash_of("$share/g/t"));
    EXPECT_EQ(rows.groups[0].cursor, 6U);
}

TEST_F(store_test, committed_messages_go_to_shards_that_want_the_log)
{
    start();
    recorder other;
    store->attach(1, other);
    store->wants_log(1, true);
    publish("a", "x", {"a"});
    publish("b", "not logged", {});
    publish("a", "y", {"a"});
    store->close();
    auto const logged = other.logged();
    ASSERT_EQ(logged.size(), 2U);
    EXPECT_EQ(logged[0].sequence, 1U);
    EXPECT_EQ(logged[1].message->payload(), "y");
    EXPECT_EQ(other.calls(), 2);
    EXPECT_TRUE(listener->logged().empty());
}

TEST_F(store_test, close_commits_what_was_submitted)
{
    start();
    for (int i = 0; i < 1000; ++i) {
        std::vector<store_op> ops;
        ops.push_back({logged_publish(make_message("a", std::to_string(i)), {"a"}), 0});
        store->submit(0, std::move(ops));
    }
    store->close();
    start();
    EXPECT_EQ(store->last_committed(), 1000U);
}

TEST_F(store_test, two_stores_cannot_share_a_folder)
{
    start();
    try {
        auto const second = open_store(settings, clock, hooks);
        FAIL() << "opened twice";
    } catch (std::runtime_error const& refused) {
        EXPECT_NE(std::string{refused.what()}.find("in use by another process"), std::string::npos) << refused.what();
    }
}

TEST_F(store_test, a_newer_schema_is_refused)
{
    start();
    store.reset();
    {
        database raw{settings, {}};
        auto const newer = key::number(schema_version + 1);
        ASSERT_TRUE(
            raw.db().Put({}, raw.at(column::meta), std::string{key::schema_version}, std::string{newer.view()}).ok());
    }
    try {
        start();
        FAIL() << "opened a newer schema";
    } catch (std::runtime_error const& refused) {
        EXPECT_NE(std::string{refused.what()}.find("newer version"), std::string::npos) << refused.what();
    }
}

TEST_F(store_test, the_folder_is_for_its_owner_only)
{
    start();
    struct stat found = {};
    ASSERT_EQ(::stat(settings.path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0700U);
}

TEST_F(store_test, statistics_count_what_was_done)
{
    start();
    publish("a", "x", {"a"});
    publish("a", "y", {"a"});
    read({filter("a")});
    auto const& s = store->statistics();
    EXPECT_EQ(s.records, 2U);
    EXPECT_EQ(s.commits, s.syncs);
    EXPECT_GE(s.commits, 1U);
    EXPECT_EQ(s.last_sequence, 2U);
    EXPECT_EQ(s.commit_us.count, s.commits);
    EXPECT_EQ(s.messages_read, 2U);
    store->maintain();
    EXPECT_GT(s.free_bytes, 0U);
    EXPECT_GT(s.log_bytes, 0U);
}

TEST_F(store_test, a_hundred_thousand_sessions_are_recovered_with_all_their_rows)
{
    start();
    std::vector<store_op> ops;
    for (std::uint64_t id = 1; id <= 100'000; ++id) {
        ops.push_back({put_session_op{session_of(id * 0x9E3779B97F4A7C15ULL, "client-" + std::to_string(id))}, 0});
        ops.push_back(
            {put_subscription_op{session_id{id * 0x9E3779B97F4A7C15ULL}, durable_subscription("devices/all", id)}, 0});
        ops.push_back({cursor_op{session_id{id * 0x9E3779B97F4A7C15ULL}, id}, 0});
        if (ops.size() >= 3000)
            store->submit(0, std::exchange(ops, {}));
    }
    store->submit(0, std::move(ops));
    store->close();
    store.reset();
    store = open_store(settings, clock, hooks);
    std::uint64_t sessions = 0;
    std::uint64_t right = 0;
    recovery_sink sink;
    sink.session = [&](recovered_session&& s) {
        ++sessions;
        right += s.subscriptions.size() == 1 && s.cursor == s.subscriptions[0].begin ? 1 : 0;
    };
    auto const began = std::chrono::steady_clock::now();
    store->recover(sink);
    auto const took = std::chrono::steady_clock::now() - began;
    RecordProperty("milliseconds",
                   static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
    EXPECT_EQ(sessions, 100'000U);
    EXPECT_EQ(right, 100'000U);
}

}  // namespace
}  // namespace fulmar::storage
