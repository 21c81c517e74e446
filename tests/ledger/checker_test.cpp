// The checker itself on trial: every fault that a broker could commit is put into clean books and must be found.

#include "tests/ledger/checker.hpp"
#include "tests/ledger/journal.hpp"

#include <gtest/gtest.h>
#include <unistd.h>
#include <sstream>

namespace fulmar::ledger {
namespace {

constexpr std::uint64_t messages = 10'000;

struct books
{
    std::vector<publisher_book> publishers;
    std::vector<session_book> sessions;
};

// Two publishers with two topics each; every session receives everything, interleaved.
books clean_books(std::uint8_t qos)
{
    books b;
    for (std::uint32_t p = 0; p < 2; ++p) {
        publisher_book book;
        book.run = 1;
        book.publisher = p;
        book.qos = qos;
        for (std::uint32_t topic = 0; topic < 2; ++topic)
            book.topics[topic].assign(messages, fate::acknowledged);
        b.publishers.push_back(book);
    }
    for (std::uint32_t s = 0; s < 2; ++s) {
        session_book book;
        book.run = 1;
        book.session = s;
        book.qos = qos;
        for (std::uint32_t p = 0; p < 2; ++p)
            for (std::uint32_t topic = 0; topic < 2; ++topic)
                book.expects.push_back({p, topic});
        for (std::uint64_t n = 1; n <= messages; ++n)
            for (auto const& stream : book.expects)
                book.deliveries.push_back({stream, n, false});
        b.sessions.push_back(book);
    }
    return b;
}

verdict judge(books const& b) { return check(b.publishers, b.sessions); }

std::vector<delivery>::iterator find(session_book& s, stream_id stream, std::uint64_t sequence)
{
    return std::find_if(s.deliveries.begin(), s.deliveries.end(),
                        [&](delivery const& d) { return d.stream == stream && d.sequence == sequence; });
}

void lose(session_book& s, stream_id stream, std::uint64_t sequence) { s.deliveries.erase(find(s, stream, sequence)); }

TEST(ledger_checker, clean_books_are_clean)
{
    auto const v = judge(clean_books(1));
    EXPECT_TRUE(v.clean());
    EXPECT_EQ(v.acknowledged, 4 * messages);
    EXPECT_EQ(v.deliveries, 8 * messages);
    EXPECT_EQ(v.duplicates, 0U);
}

TEST(ledger_checker, one_lost_message_in_ten_thousand_is_found_in_the_middle)
{
    auto b = clean_books(1);
    lose(b.sessions[1], {1, 0}, 5'000);
    auto const v = judge(b);
    EXPECT_FALSE(v.clean());
    EXPECT_EQ(v.lost_middle, 1U);
    EXPECT_EQ(v.lost(), 1U);
}

TEST(ledger_checker, a_lost_first_message_is_a_lost_prefix)
{
    auto b = clean_books(1);
    lose(b.sessions[0], {0, 1}, 1);
    auto const v = judge(b);
    EXPECT_EQ(v.lost_prefix, 1U);
    EXPECT_FALSE(v.clean());
}

TEST(ledger_checker, lost_last_messages_are_a_lost_postfix)
{
    auto b = clean_books(1);
    lose(b.sessions[0], {0, 1}, messages);
    lose(b.sessions[0], {0, 1}, messages - 1);
    auto const v = judge(b);
    EXPECT_EQ(v.lost_postfix, 2U);
    EXPECT_FALSE(v.clean());
}

TEST(ledger_checker, a_stream_of_which_nothing_came_is_lost_as_a_whole)
{
    auto b = clean_books(1);
    std::erase_if(b.sessions[0].deliveries, [](delivery const& d) { return d.stream == stream_id{1, 1}; });
    auto const v = judge(b);
    EXPECT_EQ(v.lost_everything, messages);
    EXPECT_FALSE(v.clean());
}

TEST(ledger_checker, a_session_that_received_nothing_at_all_lost_everything)
{
    auto b = clean_books(1);
    b.sessions[0].deliveries.clear();
    EXPECT_EQ(judge(b).lost(), 4 * messages);
}

TEST(ledger_checker, what_was_refused_or_is_unknown_may_be_missing)
{
    auto b = clean_books(1);
    b.publishers[0].topics[0][99] = fate::refused;
    b.publishers[0].topics[0][199] = fate::unknown;
    for (auto& s : b.sessions) {
        lose(s, {0, 0}, 100);
        lose(s, {0, 0}, 200);
    }
    auto const v = judge(b);
    EXPECT_TRUE(v.clean());
    EXPECT_EQ(v.refused, 1U);
    EXPECT_EQ(v.unknown, 1U);
}

TEST(ledger_checker, two_messages_that_changed_places_are_an_order_violation)
{
    auto b = clean_books(1);
    std::iter_swap(find(b.sessions[0], {1, 0}, 700), find(b.sessions[0], {1, 0}, 701));
    auto const v = judge(b);
    EXPECT_EQ(v.out_of_order, 1U);
    EXPECT_EQ(v.lost(), 0U);
    EXPECT_FALSE(v.clean());
}

TEST(ledger_checker, messages_of_different_streams_may_change_places)
{
    auto b = clean_books(1);
    std::iter_swap(find(b.sessions[0], {1, 0}, 700), find(b.sessions[0], {1, 1}, 700));
    EXPECT_TRUE(judge(b).clean());
}

TEST(ledger_checker, a_late_message_after_a_gap_is_an_order_violation_even_with_the_dup_flag)
{
    auto b = clean_books(1);
    auto& all = b.sessions[0].deliveries;
    lose(b.sessions[0], {0, 0}, 50);
    all.push_back({{0, 0}, 50, true});
    EXPECT_EQ(judge(b).out_of_order, 1U);
}

TEST(ledger_checker, a_repeated_suffix_is_counted_as_duplicates_and_allowed_at_qos_1)
{
    auto b = clean_books(1);
    for (std::uint64_t n = messages - 9; n <= messages; ++n)
        b.sessions[0].deliveries.push_back({{0, 0}, n, true});
    auto const v = judge(b);
    EXPECT_TRUE(v.clean());
    EXPECT_EQ(v.duplicates, 10U);
}

TEST(ledger_checker, a_single_duplicate_at_qos_2_is_a_fault)
{
    auto b = clean_books(2);
    b.sessions[1].deliveries.push_back({{1, 1}, 42, true});
    auto const v = judge(b);
    EXPECT_EQ(v.duplicates_exactly_once, 1U);
    EXPECT_FALSE(v.clean());
}

TEST(ledger_checker, a_message_that_was_never_sent_is_unexpected)
{
    auto b = clean_books(1);
    b.sessions[0].deliveries.push_back({{0, 0}, messages + 1, false});
    EXPECT_EQ(judge(b).unexpected, 1U);
    b.sessions[0].deliveries.push_back({{7, 0}, 1, false});
    EXPECT_EQ(judge(b).unexpected, 2U);
}

TEST(ledger_checker, a_message_of_a_stream_that_was_not_subscribed_to_is_unexpected)
{
    auto b = clean_books(1);
    b.sessions[0].expects.pop_back();
    EXPECT_EQ(judge(b).unexpected, messages);
}

TEST(ledger_checker, corrupt_payloads_forgotten_sessions_and_protocol_violations_are_faults)
{
    auto b = clean_books(1);
    b.sessions[0].corrupt = 1;
    EXPECT_FALSE(judge(b).clean());
    b = clean_books(1);
    b.sessions[0].forgotten = 1;
    EXPECT_FALSE(judge(b).clean());
    b = clean_books(1);
    b.publishers[0].forgotten = 1;
    EXPECT_FALSE(judge(b).clean());
    b = clean_books(1);
    b.publishers[0].violations.push_back("x");
    EXPECT_FALSE(judge(b).clean());
}

class journal_files : public ::testing::Test
{
protected:
    journal_files() : directory_(std::filesystem::temp_directory_path() / ("ledger-test-" + std::to_string(::getpid())))
    {
        std::filesystem::create_directories(directory_);
    }
    ~journal_files() override { std::filesystem::remove_all(directory_); }

    std::filesystem::path const directory_;
};

TEST_F(journal_files, what_is_written_is_read_back_and_judged)
{
    {
        journal p{directory_ / "publisher-3.log"};
        p.header(9, 1, {{3, 0}});
        for (std::uint64_t n = 1; n <= 5; ++n)
            p.sent(0, n);
        p.acknowledged(0, 1);
        p.refused(0, 2, 0x97);
        p.acknowledged(0, 3);
        p.acknowledged(0, 4);
        journal s{directory_ / "session-1.log"};
        s.header(9, 1, {{3, 0}});
        s.connected();
        s.received({3, 0}, 1, false);
        s.disconnected();
        s.connected();
        s.received({3, 0}, 1, true);
        s.received({3, 0}, 4, false);
        s.corrupt("\x01\x02");
        s.violation("said something wrong");
        s.forgotten();
    }
    auto const publishers = read_publishers(directory_);
    auto const sessions = read_sessions(directory_);
    ASSERT_EQ(publishers.size(), 1U);
    ASSERT_EQ(sessions.size(), 1U);
    EXPECT_EQ(sessions[0].connections, 2U);
    auto const v = check(publishers, sessions);
    EXPECT_EQ(v.sent, 5U);
    EXPECT_EQ(v.acknowledged, 3U);
    EXPECT_EQ(v.refused, 1U);
    EXPECT_EQ(v.unknown, 1U);
    EXPECT_EQ(v.duplicates, 1U);
    EXPECT_EQ(v.lost_middle, 1U);
    EXPECT_EQ(v.corrupt, 1U);
    EXPECT_EQ(v.protocol_violations, 1U);
    EXPECT_EQ(v.sessions_forgotten, 1U);
}

TEST_F(journal_files, a_line_that_no_journal_writes_is_refused)
{
    {
        journal s{directory_ / "session-0.log"};
        s.header(1, 1, {});
    }
    std::FILE* const f = std::fopen((directory_ / "session-0.log").c_str(), "a");
    std::fputs("M 1 2 three 0\n", f);
    std::fclose(f);
    EXPECT_THROW((void)read_sessions(directory_), std::runtime_error);
}

TEST(ledger_payload, survives_the_round_trip_and_has_the_wanted_size)
{
    message_id const id{7, {3, 1}, 123'456'789};
    auto const payload = make_payload(id, 128);
    EXPECT_EQ(payload.size(), 128U);
    EXPECT_EQ(read_payload(payload), id);
    EXPECT_EQ(read_payload(make_payload(id, 0)), id);
}

TEST(ledger_payload, any_changed_byte_is_noticed)
{
    message_id const id{7, {3, 1}, 42};
    auto const payload = make_payload(id, 64);
    for (std::size_t i = 0; i < payload.size(); ++i) {
        auto changed = payload;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        EXPECT_EQ(read_payload(changed), std::nullopt) << "byte " << i;
    }
    EXPECT_EQ(read_payload(payload.substr(1)), std::nullopt);
    EXPECT_EQ(read_payload(payload.substr(0, payload.size() - 1)), std::nullopt);
    EXPECT_EQ(read_payload(""), std::nullopt);
}

TEST(ledger_payload, the_checksum_is_the_usual_crc32) { EXPECT_EQ(crc32("123456789"), 0xCBF43926U); }

}  // namespace
}  // namespace fulmar::ledger
