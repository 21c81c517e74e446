#include "tests/support/packet_script.hpp"

#include <gtest/gtest.h>
#include <algorithm>

namespace fulmar::test {

namespace {

void fail(packet_script::location const& at, std::string const& what) { ADD_FAILURE_AT(at.file, at.line) << what; }

bool has_properties(scripted_packet const& seen, scripted_packet const& wanted)
{
    if (wanted.type == packet_type::publish)
        return seen.properties == wanted.properties;
    return std::all_of(wanted.properties.begin(), wanted.properties.end(), [&](auto const& one) {
        return std::find(seen.properties.begin(), seen.properties.end(), one) != seen.properties.end();
    });
}

}  // namespace

packet_script::packet_script(mqtt_test_broker& broker, protocol_version version, std::size_t shard)
    : broker_{broker}, version_{version}, connection_{broker, shard}
{
}

packet_script& packet_script::sends(scripted_packet const& what) { return sends_bytes(what.bytes(version_)); }

packet_script& packet_script::sends_bytes(std::string_view bytes)
{
    connection_.feed(bytes);
    broker_.settle();
    return *this;
}

scripted_packet packet_script::next(location at)
{
    broker_.settle();
    auto found = take_packet(connection_.received, version_);
    if (!found) {
        fail(at, connection_.open() ? "the broker sent nothing" : "the broker sent nothing and closed");
        return {};
    }
    return std::move(*found);
}

packet_script& packet_script::expects(scripted_packet const& what, location at)
{
    broker_.settle();
    auto const seen = take_packet(connection_.received, version_);
    if (!seen)
        fail(at, "expected " + what.text(version_) + "\n  but the broker sent nothing" +
                     (connection_.open() ? "" : " and closed"));
    else if (seen->text(version_, false) != what.text(version_, false) || !has_properties(*seen, what))
        fail(at, "expected " + what.text(version_) + "\n  but saw " + seen->text(version_));
    return *this;
}

packet_script& packet_script::expects_nothing(location at)
{
    broker_.settle();
    while (auto const seen = take_packet(connection_.received, version_))
        fail(at, "expected nothing, but saw " + seen->text(version_));
    if (!connection_.open())
        fail(at, "expected nothing, but the connection was closed");
    return *this;
}

packet_script& packet_script::expects_closed(location at)
{
    broker_.settle();
    while (auto const seen = take_packet(connection_.received, version_))
        fail(at, "expected the end, but saw " + seen->text(version_));
    if (connection_.open())
        fail(at, "expected the connection to be closed");
    return *this;
}

packet_script& packet_script::loses_connection()
{
    connection_.lose();
    broker_.settle();
    return *this;
}

std::vector<std::string> packet_script::everything()
{
    broker_.settle();
    std::vector<std::string> out;
    while (auto const seen = take_packet(connection_.received, version_))
        out.push_back(seen->text(version_));
    return out;
}

packet_script& packet_script::connects(scripted_packet const& what, location at)
{
    sends(what);
    auto const seen = next(at);
    if (seen.type != packet_type::connack || seen.reason != 0)
        fail(at, "expected CONNACK with success, but saw " + seen.text(version_));
    return *this;
}

packet_script& packet_script::subscribes(std::string filter, std::uint8_t options, location at)
{
    auto const id = ++last_request_;
    sends(subscribe(id, {{std::move(filter), options}}));
    return expects(suback(id, {static_cast<std::uint8_t>(options & 3U)}), at);
}

}  // namespace fulmar::test
