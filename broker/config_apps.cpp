#include "broker/config_apps.hpp"

#include "broker/app_registry.hpp"
#include "broker/config_value.hpp"
#include "broker/topic.hpp"
#include "broker/web_address.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

namespace fulmar::broker {
namespace {

constexpr std::array<std::string_view, 2> key_texts{"key", "secret"};
constexpr std::array<std::string_view, 4> webhook_texts{"url", "events", "channel_prefix", "channel_suffix"};
constexpr std::array<std::string_view, 8> own_headers{"content-type", "content-length",   "host",
                                                      "connection",   "x-pusher-key",     "x-pusher-signature",
                                                      "user-agent",   "transfer-encoding"};

// "webhooks[2].url" is {"webhooks", 2, "url"}; "limits.watchlist" is not such a key.
struct list_key
{
    std::string_view list;
    std::size_t index = 0;
    std::string_view member;
};

std::optional<list_key> parse_list_key(std::string_view key)
{
    auto const open = key.find('[');
    auto const close = key.find("].");
    if (open == std::string_view::npos || close == std::string_view::npos || close < open)
        return std::nullopt;
    list_key found{key.substr(0, open), 0, key.substr(close + 2)};
    auto const digits = key.substr(open + 1, close - open - 1);
    auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), found.index);
    return error == std::errc{} && end == digits.data() + digits.size() ? std::optional{found} : std::nullopt;
}

// What stands in a path or in front of a colon: no spaces, slashes and the like.
bool plain_name(std::string_view text)
{
    return !text.empty() && text.size() <= app_name_bytes_max && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.';
    });
}

bool header_name(std::string_view text)
{
    constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               others.find(c) != std::string_view::npos;
    });
}

std::string lower(std::string_view text)
{
    std::string out{text};
    for (auto& c : out)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
}

// Reads the entries of the file, one after the other, into apps.
class app_reader
{
public:
    app_reader(file_entries const& read, configuration& c) : read_{read}, c_{c}, drafts_(read.app_count) {}

    void run()
    {
        for (std::size_t i = 0; i < read_.apps.size(); ++i)
            entry(read_.apps[i], drafts_[read_.app_of[i]]);
        for (std::size_t i = 0; i < drafts_.size(); ++i)
            complete(drafts_[i], read_.app_places[i]);
        if (drafts_.size() > apps_max)
            problem(read_.app_places[apps_max], "more than 10000 apps", "run a second broker");
        if (!drafts_.empty())
            c_.apps_origin = read_.app_places.front();
        c_.app_places = read_.app_places;
        c_.values.apps.clear();
        for (auto& each : drafts_)
            c_.values.apps.push_back(std::move(each.app));
    }

private:
    struct draft
    {
        broker::app app;
        app_key single;  // `key` and `secret` of the app itself
        std::vector<app_key> keys;
        std::vector<std::string> key_places;
        std::vector<std::string> webhook_places;
        bool faulty = false;
    };

    void problem(std::string const& where, std::string what, std::string remedy)
    {
        c_.problems.push_back({where, std::move(what), std::move(remedy)});
    }

    void fault(file_entry const& at, draft& to, std::string what, std::string remedy)
    {
        to.faulty = true;
        problem(at.where, std::move(what), std::move(remedy));
    }

    void entry(file_entry const& at, draft& to)
    {
        auto const rows = app_rows();
        if (auto const row = std::ranges::find(rows, at.key, &app_row::key); row != rows.end())
            return assign(at, to, row->rules(), row->field(to.app));
        if (at.key == "id")
            return text(at, to, to.app.name);
        if (at.key == "key")
            return text(at, to, to.single.key);
        if (at.key == "secret")
            return text(at, to, to.single.secret);
        auto const element = parse_list_key(at.key);
        if (element && element->list == "keys")
            return key_entry(at, to, *element);
        if (element && element->list == "webhooks")
            return webhook_entry(at, to, *element);
        if (at.key == "keys" || at.key == "webhooks")
            return fault(at, to, "apps: " + at.key + " is not a list of tables",
                         at.key == "keys" ? "write keys = [{ key = \"...\", secret = \"...\" }]"
                                          : "write [[apps.webhooks]] with url and events");
        unknown(at, to);
    }

    void unknown(file_entry const& at, draft& to)
    {
        std::vector<std::string_view> known{"id", "key", "secret", "keys", "webhooks"};
        for (auto const& row : app_rows())
            known.push_back(row.key);
        auto const near = nearest_word(at.key, known);
        fault(at, to, "unknown setting '" + at.key + "' in [[apps]]",
              near.empty() ? "see: fulmar config reference" : "did you mean '" + std::string{near} + "'?");
    }

    void assign(file_entry const& at, draft& to, setting_row const& rules, setting_field const& field)
    {
        if (auto wrong = assign_value(rules, at.value, field))
            fault(at, to, "apps: " + at.key + " " + wrong->what, std::move(wrong->remedy));
    }

    void text(file_entry const& at, draft& to, std::string& field)
    {
        assign(at, to, {at.key, nullptr}, &field);
        if (!to.faulty && field.empty())
            fault(at, to, "apps: " + at.key + " is empty", "write a string in quotes");
    }

    void key_entry(file_entry const& at, draft& to, list_key const& element)
    {
        if (element.index >= app_keys_max)
            return fault(at, to, "apps: more than 10 keys", "remove those that nobody uses any more");
        if (std::ranges::find(key_texts, element.member) == key_texts.end())
            return fault(at, to, "unknown setting '" + std::string{element.member} + "' in apps.keys",
                         "a key has key and secret");
        to.keys.resize(std::max(to.keys.size(), element.index + 1));
        to.key_places.resize(to.keys.size(), at.where);
        auto& key = to.keys[element.index];
        text(at, to, element.member == "key" ? key.key : key.secret);
    }

    void webhook_entry(file_entry const& at, draft& to, list_key const& element)
    {
        if (element.index >= app_webhooks_max)
            return fault(at, to, "apps: more than 20 webhooks", "let one address pass events on to the others");
        to.app.webhooks.resize(std::max(to.app.webhooks.size(), element.index + 1));
        to.webhook_places.resize(to.app.webhooks.size(), at.where);
        auto& hook = to.app.webhooks[element.index];
        constexpr std::string_view headers = "headers.";
        if (element.member.starts_with(headers))
            return header(at, to, hook, element.member.substr(headers.size()));
        if (element.member == "url")
            return url(at, to, hook);
        if (element.member == "events")
            return kinds(at, to, hook);
        if (element.member == "channel_prefix")
            return assign(at, to, {at.key, nullptr}, &hook.channel_prefix);
        if (element.member == "channel_suffix")
            return assign(at, to, {at.key, nullptr}, &hook.channel_suffix);
        auto const near = nearest_word(element.member, {webhook_texts.begin(), webhook_texts.end()});
        fault(at, to, "unknown setting '" + std::string{element.member} + "' in apps.webhooks",
              near.empty() ? "a webhook has url, events, headers, channel_prefix and channel_suffix"
                           : "did you mean '" + std::string{near} + "'?");
    }

    void url(file_entry const& at, draft& to, webhook_target& hook)
    {
        assign(at, to, {at.key, nullptr}, &hook.url);
        if (!to.faulty && !parse_web_address(hook.url))
            fault(at, to, "'" + hook.url + "' is not an address for webhooks",
                  "write \"https://host/path\" without user name and '#'");
    }

    void kinds(file_entry const& at, draft& to, webhook_target& hook)
    {
        std::vector<std::string> names;
        assign(at, to, {at.key, nullptr}, &names);
        std::vector<std::string_view> known;
        for (std::size_t i = 0; i < static_cast<std::size_t>(webhook_kind::count); ++i)
            known.push_back(to_string(static_cast<webhook_kind>(i)));
        for (auto const& name : names) {
            auto const found = std::ranges::find(known, name);
            if (found != known.end()) {
                hook.kinds |= 1U << static_cast<unsigned>(found - known.begin());
                continue;
            }
            auto const near = nearest_word(name, known);
            fault(at, to, "'" + name + "' is not an event of webhooks",
                  near.empty() ? "use channel_occupied, channel_vacated, member_added, member_removed, client_event, "
                                 "cache_miss or subscription_count"
                               : "did you mean '" + std::string{near} + "'?");
        }
    }

    void header(file_entry const& at, draft& to, webhook_target& hook, std::string_view name)
    {
        std::string value;
        assign(at, to, {at.key, nullptr}, &value);
        if (!header_name(name))
            return fault(at, to, "'" + std::string{name} + "' is not the name of a header",
                         "use letters, digits and '-'");
        if (std::ranges::find(own_headers, lower(name)) != own_headers.end())
            return fault(at, to, "the header '" + std::string{name} + "' is set by the broker", "remove it");
        if (hook.headers.size() >= 20)
            return fault(at, to, "more than 20 headers", "remove some");
        hook.headers.emplace_back(name, std::move(value));
    }

    // Keys in order: the single one first. Then what only the whole can show.
    void complete(draft& to, std::string const& place)
    {
        auto& app = to.app;
        if (!to.single.key.empty() || !to.single.secret.empty()) {
            to.keys.insert(to.keys.begin(), to.single);
            to.key_places.insert(to.key_places.begin(), place);
        }
        app.keys = to.keys;
        if (to.faulty)
            return;
        bool const halves =
            std::ranges::any_of(app.keys, [](app_key const& k) { return k.key.empty() || k.secret.empty(); });
        if (app.name.empty() || app.keys.empty() || halves)
            return problem(place, "this app is incomplete", "give it id, key and secret");
        if (!plain_name(app.name))
            problem(place, "the id '" + app.name + "' cannot stand in a path",
                    "use up to 128 letters, digits, '-', '_' and '.'");
        for (std::size_t i = 0; i < app.keys.size(); ++i) {
            if (!plain_name(app.keys[i].key))
                problem(to.key_places[i], "app '" + app.name + "': a key cannot stand in a path",
                        "use up to 128 letters, digits, '-', '_' and '.'");
        }
        for (std::size_t i = 0; i < app.webhooks.size(); ++i) {
            auto const& hook = app.webhooks[i];
            if (hook.url.empty() || hook.kinds == 0)
                problem(to.webhook_places[i], "this webhook is incomplete", "give it url and events");
        }
        for (auto const& origin : app.allowed_origins) {
            if (origin != "*" && origin.find("://") == std::string::npos)
                problem(place, "app '" + app.name + "': '" + origin + "' is not an origin",
                        "write \"https://example.org\" or \"*\"");
        }
    }

    file_entries const& read_;
    configuration& c_;
    std::vector<draft> drafts_;
};

std::string cell(std::string text)
{
    for (auto at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2))
        text.insert(at, "\\");
    return text;
}

void show_webhook(webhook_target const& hook, std::string& out)
{
    out.append("[[apps.webhooks]]\nurl = ").append(toml_text(hook.url)).append("\nevents = [");
    bool first = true;
    for (std::size_t i = 0; i < static_cast<std::size_t>(webhook_kind::count); ++i) {
        if (!hook.wants(static_cast<webhook_kind>(i)))
            continue;
        out.append(first ? "" : ", ").append(toml_text(to_string(static_cast<webhook_kind>(i))));
        first = false;
    }
    out.append("]\n");
    if (!hook.channel_prefix.empty())
        out.append("channel_prefix = ").append(toml_text(hook.channel_prefix)).append("\n");
    if (!hook.channel_suffix.empty())
        out.append("channel_suffix = ").append(toml_text(hook.channel_suffix)).append("\n");
    if (!hook.headers.empty()) {
        out.append("headers = {");
        for (std::size_t i = 0; i < hook.headers.size(); ++i)
            out.append(i == 0 ? " " : ", ").append(toml_text(hook.headers[i].first)).append(" = \"(hidden)\"");
        out.append(" }\n");
    }
}

}  // namespace

void read_apps(file_entries const& read, configuration& c) { app_reader{read, c}.run(); }

void check_apps(configuration& c)
{
    std::map<std::string, std::size_t, std::less<>> ids;
    std::map<std::string, std::size_t, std::less<>> keys;
    auto const place = [&](std::size_t i) { return i < c.app_places.size() ? c.app_places[i] : c.apps_origin; };
    for (std::size_t i = 0; i < c.values.apps.size(); ++i) {
        auto const& app = c.values.apps[i];
        if (auto const [first, fresh] = ids.emplace(app.name, i); !fresh)
            c.problems.push_back({place(i), "the app at " + place(first->second) + " has the id '" + app.name + "' too",
                                  "give each app an id of its own"});
        for (auto const& key : app.keys) {
            if (auto const [first, fresh] = keys.emplace(key.key, i); !fresh)
                c.problems.push_back({place(i), "the key '" + key.key + "' is already used at " + place(first->second),
                                      "give each app keys of its own"});
        }
    }
}

std::string show_apps(configuration const& c)
{
    std::string out;
    for (std::size_t i = 0; i < c.values.apps.size(); ++i) {
        auto app = c.values.apps[i];  // a copy: the table hands out writable places
        out.append("\n[[apps]]  # ").append(i < c.app_places.size() ? c.app_places[i] : c.apps_origin);
        out.append("\nid = ").append(toml_text(app.name)).append("\nkeys = [\n");
        for (auto const& key : app.keys)
            out.append("  { key = ").append(toml_text(key.key)).append(", secret = \"(hidden)\" },\n");
        out.append("]\n");
        std::string_view section;
        for (auto const& row : app_rows()) {
            auto const dot = row.key.find('.');
            auto const here = dot == std::string_view::npos ? std::string_view{} : row.key.substr(0, dot);
            if (here != section)
                out.append("[apps.").append(section = here).append("]\n");
            out.append(dot == std::string_view::npos ? row.key : row.key.substr(dot + 1))
                .append(" = ")
                .append(field_text(row.rules(), row.field(app)))
                .append("\n");
        }
        for (auto const& hook : app.webhooks)
            show_webhook(hook, out);
    }
    return out;
}

std::string apps_reference()
{
    std::string out = "| Setting of an app | Type | Default | Range | Meaning |\n|---|---|---|---|---|\n";
    for (auto const& row : app_rows()) {
        app defaults;
        auto const field = row.field(defaults);
        out.append("| `")
            .append(row.key)
            .append("` | ")
            .append(cell(field_type(row.rules(), field)))
            .append(" | `")
            .append(field_text(row.rules(), field))
            .append("` | ")
            .append(field_range(row.rules(), field))
            .append(" | ")
            .append(row.description)
            .append(" |\n");
    }
    return out;
}

}  // namespace fulmar::broker
