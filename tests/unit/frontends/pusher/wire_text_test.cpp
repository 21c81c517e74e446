// Names, signatures and texts: the vectors of the documentation and what others get wrong.
#include "frontends/pusher/channel_auth.hpp"
#include "frontends/pusher/channel_name.hpp"
#include "frontends/pusher/client_command.hpp"
#include "frontends/pusher/event.hpp"
#include "frontends/pusher/json_text.hpp"
#include "frontends/pusher/socket_id.hpp"

#include <gtest/gtest.h>

namespace fulmar::pusher {
namespace {

constexpr std::string_view secret = "7ad3773142a6692b25b8";

[[nodiscard]] std::string event_of(std::string_view topic, std::string_view event, std::string_view payload,
                                   std::unique_ptr<broker::message_properties const> properties = {})
{
    broker::message_fields fields;
    fields.topic = topic;
    fields.event = event;
    fields.payload = payload;
    fields.properties = std::move(properties);
    std::string out;
    append_event(out, *broker::message::make(std::move(fields)));
    return out;
}

[[nodiscard]] std::unique_ptr<broker::message_properties const> json_of(std::string user)
{
    auto made = std::make_unique<broker::message_properties>();
    made->content_type = "application/json";
    made->user.push_back({"user_id", std::move(user)});
    return made;
}

TEST(channel_auth, signatures_are_those_of_the_documentation)
{
    EXPECT_EQ(sign(secret, subscription_text("1234.1234", "private-foobar", {})),
              "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4");
    EXPECT_EQ(sign(secret, subscription_text("1234.1234", "presence-foobar",
                                             R"({"user_id":10,"user_info":{"name":"Mr. Channels"}})")),
              "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80");
    EXPECT_EQ(sign(secret, signin_text("1234.1234", R"({"id":"12345"})")),
              "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba");
}

TEST(channel_auth, a_signature_does_not_depend_on_what_was_signed_before)
{
    auto const first = sign("s1", "one");
    auto const other = sign("s2", "one");
    EXPECT_NE(first, other);
    EXPECT_EQ(first.size(), 64U);
    for (auto i = 0; i < 3; ++i) {
        EXPECT_EQ(sign("s1", "one"), first);
        EXPECT_EQ(sign("s1", "one"), first);
        EXPECT_NE(sign("s1", "two"), first);
        EXPECT_EQ(sign("s2", "one"), other);
        EXPECT_NE(sign("", "one"), first);
        EXPECT_EQ(sign("", ""), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    }
}

TEST(channel_auth, any_key_of_the_app_signs_and_no_other)
{
    broker::app app;
    app.keys = {{"new", "s1"}, {"old", "s2"}};
    EXPECT_EQ(verify(app, "new:" + sign("s1", "t"), "t"), auth_outcome::granted);
    EXPECT_EQ(verify(app, "old:" + sign("s2", "t"), "t"), auth_outcome::granted);
    EXPECT_EQ(verify(app, "old:" + sign("s1", "t"), "t"), auth_outcome::mismatch);
    EXPECT_EQ(verify(app, "new:" + sign("s1", "t").substr(1), "t"), auth_outcome::mismatch);
    EXPECT_EQ(verify(app, "new:", "t"), auth_outcome::mismatch);
    EXPECT_EQ(verify(app, "other:" + sign("s1", "t"), "t"), auth_outcome::unknown_key);
    EXPECT_EQ(verify(app, sign("s1", "t"), "t"), auth_outcome::malformed);
    EXPECT_EQ(verify(app, "", "t"), auth_outcome::malformed);
}

TEST(channel_name, the_kind_is_said_by_the_beginning_of_the_name_only)
{
    EXPECT_EQ(classify("my-private-x"), channel_kind{});
    EXPECT_EQ(classify("foo-presence-cache-x"), channel_kind{});
    EXPECT_EQ(classify("cache-x").cache, true);
    EXPECT_EQ(classify("private-x"), (channel_kind{channel_access::signed_only, false, false}));
    EXPECT_EQ(classify("private-cache-x"), (channel_kind{channel_access::signed_only, false, true}));
    EXPECT_EQ(classify("private-encrypted-x"), (channel_kind{channel_access::signed_only, true, false}));
    EXPECT_EQ(classify("private-encrypted-cache-x"), (channel_kind{channel_access::signed_only, true, true}));
    EXPECT_EQ(classify("presence-x"), (channel_kind{channel_access::presence, false, false}));
    EXPECT_EQ(classify("presence-cache-x"), (channel_kind{channel_access::presence, false, true}));
    EXPECT_EQ(classify("#server-to-user-1").access, channel_access::server_to_user);
}

TEST(channel_name, has_the_documented_characters_and_length)
{
    EXPECT_TRUE(valid_channel_name("aZ9_-=@,.;", 164));
    EXPECT_TRUE(valid_channel_name("#server-to-user-a.b", 164));
    EXPECT_TRUE(valid_channel_name(std::string(164, 'a'), 164));
    EXPECT_FALSE(valid_channel_name(std::string(165, 'a'), 164));
    for (auto const* const wrong :
         {"", "a b", "a/b", "a+b", "#x", "a#server-to-user-1", "#server-to-user-", "é", "a:b"})
        EXPECT_FALSE(valid_channel_name(wrong, 164)) << wrong;
}

TEST(socket_id, names_shard_and_place_and_is_found_again)
{
    auto const id = make_connection_id(63, places_max - 1, 7);
    EXPECT_EQ(shard_of(id), 63);
    EXPECT_EQ(place_of(id), places_max - 1);
    EXPECT_EQ(publisher_hash(to_socket_id(id)), static_cast<std::uint64_t>(id));
    EXPECT_TRUE(valid_socket_id(to_socket_id(id)));
    EXPECT_TRUE(valid_socket_id("123.456"));
    for (auto const* const wrong : {"", "1", "1.", ".1", "1.2.3", "a.1", "1.2\n", "-1.2"})
        EXPECT_FALSE(valid_socket_id(wrong)) << wrong;
    EXPECT_NE(publisher_hash("0.0"), 0U);
    EXPECT_NE(publisher_hash("99999999999999999999.1"), 0U);
}

TEST(pusher_event, data_is_a_string_that_holds_exactly_what_was_published)
{
    EXPECT_EQ(event_of("c", "e", R"({"a":"b"})"), R"({"event":"e","channel":"c","data":"{\"a\":\"b\"}"})");
    EXPECT_EQ(event_of("c", "e", "a\x01\n\\\"é"),
              "{\"event\":\"e\",\"channel\":\"c\",\"data\":\"a\\u0001\\n\\\\\\\"é\"}");
    EXPECT_EQ(event_of("c", "e", ""), R"({"event":"e","channel":"c","data":""})");
}

TEST(pusher_event, a_message_without_event_name_is_event_message)
{
    EXPECT_EQ(event_of("c", "", "x"), R"({"event":"message","channel":"c","data":"x"})");
}

TEST(pusher_event, nobody_but_the_broker_speaks_as_the_broker)
{
    EXPECT_EQ(event_of("c", "pusher:error", "x"), R"({"event":"message","channel":"c","data":"x"})");
    EXPECT_EQ(event_of("c", "pusher_internal:member_added", "x"), R"({"event":"message","channel":"c","data":"x"})");
}

TEST(pusher_event, bytes_that_are_no_text_are_base64)
{
    EXPECT_EQ(event_of("c", "e", "\xFF"), R"({"event":"e","channel":"c","data":"/w==","encoding":"base64"})");
    EXPECT_EQ(event_of("c", "e", "\xFF\xFE"), R"({"event":"e","channel":"c","data":"//4=","encoding":"base64"})");
    EXPECT_EQ(event_of("c", "e", "\xFF\xFE\xFD"), R"({"event":"e","channel":"c","data":"//79","encoding":"base64"})");
}

TEST(pusher_event, a_client_event_keeps_its_value_and_names_its_sender_in_presence_channels)
{
    EXPECT_EQ(event_of("presence-c", "client-e", "{\"a\":1.0}", json_of("7")),
              R"({"event":"client-e","channel":"presence-c","data":{"a":1.0},"user_id":"7"})");
    EXPECT_EQ(event_of("private-c", "client-e", "[1]", json_of("7")),
              R"({"event":"client-e","channel":"private-c","data":[1]})");
}

TEST(pusher_event, what_only_claims_to_be_json_cannot_break_the_event)
{
    EXPECT_EQ(event_of("private-c", "client-e", R"({},"event":"x")", json_of("7")),
              R"({"event":"client-e","channel":"private-c","data":"{},\"event\":\"x\""})");
    EXPECT_EQ(event_of("c", "e", "{}", json_of("7")), R"({"event":"e","channel":"c","data":"{}"})");
}

TEST(json_text, members_are_cut_out_as_they_were_written)
{
    constexpr std::string_view text = R"( {"a" : "}\"," , "data":{"x":[1.0, "]}"], "y":{}} ,"n":-1e3,"data2":null})";
    EXPECT_TRUE(valid_json(text));
    EXPECT_EQ(raw_member(text, "data"), R"({"x":[1.0, "]}"], "y":{}})");
    EXPECT_EQ(raw_member(text, "a"), R"("}\",")");
    EXPECT_EQ(raw_member(text, "n"), "-1e3");
    EXPECT_EQ(raw_member(text, "data2"), "null");
    EXPECT_EQ(raw_member(text, "x"), "");
    EXPECT_EQ(raw_member("[1]", "a"), "");
    EXPECT_EQ(raw_member(R"({"a":1,"a":2})", "a"), "2");
}

TEST(json_text, more_than_32_levels_are_refused)
{
    EXPECT_TRUE(valid_json(std::string(32, '[') + std::string(32, ']')));
    EXPECT_FALSE(valid_json(std::string(33, '[') + std::string(33, ']')));
    EXPECT_FALSE(valid_json(std::string(100'000, '[')));
}

TEST(client_command, reads_what_clients_of_all_libraries_send)
{
    client_command got;
    EXPECT_EQ(decode(R"({"event":"pusher:subscribe","data":{"auth":null,"channel_data":null,"channel":"c"}})", got),
              "");
    EXPECT_EQ(got.kind, command_kind::subscribe);
    EXPECT_EQ(got.channel, "c");
    EXPECT_FALSE(got.channel_data.has_value());
    client_command as_string;
    EXPECT_EQ(decode(R"({"event":"pusher:subscribe","data":"{\"auth\":\"\",\"channel\":\"c\"}"})", as_string), "");
    EXPECT_EQ(as_string.channel, "c");
    client_command escaped;
    EXPECT_EQ(
        decode(R"({"event":"pusher:subscribe","data":{"channel_data":"{\"user_id\": 1}","channel":"c"}})", escaped),
        "");
    EXPECT_EQ(escaped.channel_data, R"({"user_id": 1})");
}

TEST(client_command, says_what_is_wrong)
{
    for (auto const* const wrong : {"", "x", "[]", "{}", R"({"event":1})", R"({"event":""})",
                                    R"({"event":"pusher:subscribe"})", R"({"event":"pusher:subscribe","data":[]})",
                                    R"({"event":"pusher:subscribe","data":{"channel":"c","auth":1}})",
                                    R"({"event":"pusher:subscribe","data":{"channel":"c","channel_data":{}}})",
                                    R"({"event":"client-x","data":1})", "{\"event\":\"\xFF\"}"}) {
        client_command got;
        EXPECT_NE(decode(wrong, got), "") << wrong;
    }
}

TEST(client_command, a_user_id_may_be_a_number_and_keeps_its_type)
{
    auto const number = decode_channel_data(R"({"user_id":10,"user_info":{"a": 1}})").value();
    EXPECT_EQ(number.user_id, "10");
    EXPECT_EQ(number.id_json, "10");
    EXPECT_EQ(number.info_json, R"({"a": 1})");
    auto const text = decode_channel_data(R"({"user_id":"10"})").value();
    EXPECT_EQ(text.user_id, "10");
    EXPECT_EQ(text.id_json, R"("10")");
    for (auto const* const wrong : {"", "1", "{}", R"({"user_id":""})", R"({"user_id":null})", R"({"user_id":[1]})"})
        EXPECT_FALSE(decode_channel_data(wrong).has_value()) << wrong;
}

TEST(client_command, a_watchlist_is_cut_at_its_limit)
{
    auto const who = decode_user_data(R"({"id":"1","watchlist":["c","a","a","b"]})", 3).value();
    EXPECT_EQ(who.watchlist, (std::vector<std::string>{"a", "c"}));
    EXPECT_TRUE(who.watchlist_cut);
    for (auto const* const wrong :
         {"{}", R"({"id":1})", R"({"id":""})", R"({"id":"1","watchlist":"a"})", R"({"id":"1","watchlist":[1]})"})
        EXPECT_FALSE(decode_user_data(wrong, 3).has_value()) << wrong;
}

}  // namespace
}  // namespace fulmar::pusher
