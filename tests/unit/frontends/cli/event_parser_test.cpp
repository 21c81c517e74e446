#include "frontends/cli/event_parser.hpp"

#include <gtest/gtest.h>

namespace fulmar::cli {
namespace {

std::string told(event_parser& parser, std::string_view bytes, std::size_t piece)
{
    std::vector<server_event> events;
    for (std::size_t at = 0; at < bytes.size(); at += piece)
        EXPECT_TRUE(parser.feed(bytes.substr(at, piece), events));
    std::string out;
    for (auto const& each : events)
        out += each.name + "=" + each.data + ";";
    return out;
}

TEST(event_parser, events_are_the_same_whatever_pieces_they_come_in)
{
    constexpr std::string_view stream =
        "retry: 2417\n\n: comment\n\nevent: ready\nid: 0.41\ndata: {}\n\n"
        "id: 0.42\r\ntopic: a\r\ndata: one\r\ndata:two\r\n\r\n"
        "data: three\r\rid: 0.50\n\ndata: unfinished";
    for (std::size_t piece : {1U, 2U, 3U, 7U, 1000U}) {
        event_parser parser;
        EXPECT_EQ(told(parser, stream, piece), "ready={};=one\ntwo;=three;") << piece;
        EXPECT_EQ(parser.last_id(), "0.50") << "an id alone is a place to come back to";
    }
}

TEST(event_parser, an_id_counts_when_its_event_is_complete)
{
    event_parser parser;
    EXPECT_EQ(told(parser, "id: 0.1\ndata: a\n\nid: 0.2\ndata: b\n", 4), "=a;");
    EXPECT_EQ(parser.last_id(), "0.1");
    EXPECT_EQ(told(parser, "\n", 1), "=b;");
    EXPECT_EQ(parser.last_id(), "0.2");
}

TEST(event_parser, fields_without_colon_and_unknown_fields_are_harmless)
{
    event_parser parser;
    EXPECT_EQ(told(parser, "data\nother: x\nevent\n\n", 5), "=;");
    EXPECT_EQ(told(parser, std::string_view{"id: a\0b\ndata:  x\n\n", 18}, 5), "= x;");
    EXPECT_EQ(parser.last_id(), "");
}

TEST(event_parser, an_event_without_an_end_is_refused)
{
    event_parser parser;
    std::vector<server_event> events;
    std::string const piece(1024 * 1024, 'x');
    bool fits = parser.feed("data: ", events);
    std::size_t fed = 0;
    for (; fits && fed < 2 * event_parser::event_bytes_max; fed += piece.size())
        fits = parser.feed(piece, events);
    EXPECT_FALSE(fits);
    EXPECT_LE(fed, event_parser::event_bytes_max + piece.size());
}

}  // namespace
}  // namespace fulmar::cli
