// Everything an operator writes: configuration, access rules, users, SCRAM messages. Nothing may crash, and what is
// accepted must survive being written and read again.
#include "broker/access.hpp"
#include "broker/config.hpp"
#include "frontends/auth/password_file.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace fulmar;

void require(bool holds)
{
    if (!holds)
        std::abort();
}

void configuration(std::string text)
{
    broker::config_source source;
    source.file = "fuzz.toml";
    source.text = std::move(text);
    auto const first = broker::load_configuration(source);
    for (auto const& problem : first.problems)
        require(!problem.text().empty());
    if (!first.usable() || !first.values.apps.empty())  // the secrets of apps are not shown
        return;
    source.text = broker::show_configuration(first);
    auto const again = broker::load_configuration(source);
    require(again.usable());
    for (auto const& row : broker::setting_rows())
        require(broker::setting_text(row, first.values) == broker::setting_text(row, again.values));
}

void access_rules(std::string_view text)
{
    auto const cut = text.find('\0');
    auto const topic = text.substr(0, cut);
    std::string problem;
    auto const rules =
        broker::access_rules::parse(cut == std::string_view::npos ? text : text.substr(cut + 1), "acl", problem);
    require((rules == nullptr) == !problem.empty());
    if (rules == nullptr)
        return;
    for (auto const* user : {"", "alice"}) {
        auto const allowed = rules->permissions_of(user, "c1");
        require(allowed.has_value());
        require(!(*allowed)->may_publish("$SYS/x"));
        // Whoever may subscribe to a plain topic may receive it.
        if (topic.find_first_of("+#$") == std::string_view::npos && (*allowed)->may_subscribe(topic))
            require((*allowed)->may_receive(topic));
    }
}

void users(std::string_view text)
{
    auth::password_file file;
    std::string problem;
    bool const read = file.parse(text, "users", problem);
    require(read == problem.empty());
    for (auto const& [name, hash] : file.users())
        require(auth::valid_user_name(name) && auth::parse_password_hash(hash.text()).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size)
{
    if (size == 0)
        return 0;
    std::string_view const text{reinterpret_cast<char const*>(bytes) + 1, size - 1};
    switch (bytes[0] % 3) {
    case 0: configuration(std::string{text}); break;
    case 1: access_rules(text); break;
    default: users(text); break;
    }
    return 0;
}
