#include "bench/load/profile.hpp"

#include "bench/load/built_in_profiles.hpp"
#include "bench/load/stamp.hpp"

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <stdexcept>

#include "broker/toml.hpp"  // after all others

namespace fulmar::load {

namespace {

[[noreturn]] void refuse(std::string const& where, std::string const& what)
{
    throw std::runtime_error(where + ": " + what);
}

std::string place(std::string const& origin, toml::node const& node)
{
    return origin + ":" + std::to_string(node.source().begin.line);
}

void check_keys(toml::table const& from, std::initializer_list<std::string_view> known, std::string const& origin)
{
    for (auto const& [key, value] : from) {
        if (std::find(known.begin(), known.end(), key.str()) == known.end())
            refuse(place(origin, value), "'" + std::string{key.str()} + "' is nothing that a profile has");
    }
}

double number(toml::table const& from, char const* key, double otherwise, double low, double high,
              std::string const& origin)
{
    auto const* const node = from.get(key);
    if (node == nullptr)
        return otherwise;
    auto const value = node->value<double>();
    if (!value || !(*value >= low && *value <= high))
        refuse(place(origin, *node),
               std::string{key} + " must be a number between " + std::to_string(low) + " and " + std::to_string(high));
    return *value;
}

std::string text(toml::table const& from, char const* key, std::string const& origin)
{
    auto const* const node = from.get(key);
    auto const value = node == nullptr ? std::nullopt : node->value<std::string>();
    if (!value || value->empty())
        refuse(place(origin, node == nullptr ? static_cast<toml::node const&>(from) : *node),
               std::string{key} + " must be a text");
    return *value;
}

profile_flow read_flow(toml::table const& from, std::string const& origin)
{
    check_keys(from, {"name", "topics", "publishers", "subscribers", "watchers", "rate", "payload", "qos"}, origin);
    profile_flow flow;
    flow.name = text(from, "name", origin);
    if (flow.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != flow.name.npos)
        refuse(place(origin, from), "the name of a flow is lower-case letters, digits and '-'");
    auto const count = [&](char const* key, double otherwise, double low) {
        return static_cast<std::size_t>(number(from, key, otherwise, low, 100'000, origin));
    };
    flow.topics = count("topics", 1, 1);
    flow.publishers = count("publishers", 1, 1);
    flow.subscribers = count("subscribers", 0, 0);
    flow.watchers = count("watchers", 0, 0);
    flow.rate = number(from, "rate", 1, 0.001, 100'000, origin);
    flow.payload_bytes = static_cast<std::size_t>(number(from, "payload", 64, text_stamp_bytes, 1 << 20, origin));
    flow.qos = static_cast<std::uint8_t>(number(from, "qos", 0, 0, 2, origin));
    if (flow.subscribers + flow.watchers == 0)
        refuse(place(origin, from), "a flow needs subscribers or watchers");
    return flow;
}

}  // namespace

profile parse_profile(std::string_view source, std::string const& origin)
{
    auto const parsed = toml::parse(source);
    if (!parsed)
        refuse(origin + ":" + std::to_string(parsed.error().source().begin.line),
               std::string{parsed.error().description()});
    auto const& root = parsed.table();
    check_keys(root, {"name", "description", "flow"}, origin);
    profile made;
    made.name = text(root, "name", origin);
    made.description = text(root, "description", origin);
    auto const* const flows = root.get_as<toml::array>("flow");
    if (flows == nullptr || flows->empty() || flows->size() > flow_max)
        refuse(origin, "a profile has 1 to " + std::to_string(flow_max) + " [[flow]] tables");
    std::size_t clients = 0;
    for (auto const& each : *flows) {
        if (!each.is_table())
            refuse(place(origin, each), "a flow is a table: [[flow]]");
        made.flows.push_back(read_flow(*each.as_table(), origin));
        clients += made.flows.back().clients();
    }
    if (clients > profile_clients_max)
        refuse(origin, "more than " + std::to_string(profile_clients_max) + " clients");
    return made;
}

profile load_profile(std::string const& name_or_file)
{
    for (auto const& [name, source] : built_in_profiles) {
        if (name == name_or_file)
            return parse_profile(source, name_or_file);
    }
    std::ifstream in{name_or_file};
    if (!in)
        throw std::runtime_error("--profile: there is neither a built-in profile (" + profile_names() +
                                 ") nor a file " + name_or_file);
    std::string const source{std::istreambuf_iterator<char>{in}, {}};
    return parse_profile(source, name_or_file);
}

std::string profile_names()
{
    std::string all;
    for (auto const& each : built_in_profiles)
        all.append(all.empty() ? "" : ", ").append(each.name);
    return all;
}

}  // namespace fulmar::load
