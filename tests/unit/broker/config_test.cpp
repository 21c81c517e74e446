#include "broker/config.hpp"

#include "broker/config_check.hpp"
#include "broker/config_value.hpp"
#include "broker/development_app.hpp"

#include <filesystem>
#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fulmar::broker {
namespace {

using testing::HasSubstr;

configuration from_text(std::string text)
{
    config_source source;
    source.file = "test.toml";
    source.text = std::move(text);
    return load_configuration(source);
}

configuration with_flag(std::string const& key, std::string const& value)
{
    config_source source;
    source.flags.push_back({"--set " + key, key, value});
    return load_configuration(source);
}

std::string only_problem(configuration const& c)
{
    return c.problems.size() == 1 ? c.problems[0].text()
                                  : "there are " + std::to_string(c.problems.size()) + " problems";
}

class temporary_directory
{
public:
    temporary_directory()
    {
        auto pattern = (std::filesystem::temp_directory_path() / "fulmar-config-XXXXXX").string();
        path_ = mkdtemp(pattern.data());
    }
    ~temporary_directory() { std::filesystem::remove_all(path_); }
    [[nodiscard]] std::string file(std::string const& name, std::string const& text = "") const
    {
        auto const whole = path_ + "/" + name;
        std::ofstream{whole} << text;
        return whole;
    }
    [[nodiscard]] std::string const& path() const { return path_; }

private:
    std::string path_;
};

TEST(config, without_any_source_the_defaults_are_usable_and_bind_to_loopback_only)
{
    auto const c = load_configuration({});
    EXPECT_TRUE(c.usable());
    EXPECT_TRUE(is_loopback(c.values.listeners.mqtt.address));
    EXPECT_TRUE(is_loopback(c.values.listeners.http.address));
    EXPECT_TRUE(is_loopback(c.values.listeners.admin.address));
    EXPECT_EQ(effective_anonymous(c.values), anonymous_policy::loopback);
    EXPECT_EQ(c.values.storage.durability, durability::fsync);
}

TEST(config, every_default_is_within_the_range_of_its_own_row)
{
    for (auto const& row : setting_rows()) {
        settings scratch;
        auto const text = setting_text(row, settings{});
        std::string bare;
        for (auto const c : text) {
            if (c != '"' && c != '[' && c != ']')
                bare += c;
        }
        auto const fault = assign_setting(row, text_value{bare}, scratch);
        EXPECT_FALSE(fault) << row.key << " " << (fault ? fault->what : "");
        EXPECT_EQ(setting_text(row, scratch), text) << row.key;
    }
}

TEST(config, keys_and_environment_names_are_unique_and_every_row_is_described)
{
    std::set<std::string> names;
    for (auto const& row : setting_rows()) {
        EXPECT_TRUE(names.insert(std::string{row.key}).second) << row.key;
        EXPECT_TRUE(names.insert(row.environment_name()).second) << row.key;
        EXPECT_FALSE(row.description.empty()) << row.key;
    }
    for (auto const& flag : setting_flags())
        EXPECT_NE(find_setting(flag.key), nullptr) << flag.key;
}

// How many fields an aggregate has: the longest list of initialisers that it accepts.
struct anything
{
    template <class T>
    operator T() const;
};

template <class Aggregate, class... Fields>
constexpr std::size_t field_count(Fields... fields)
{
    if constexpr (requires { Aggregate{fields..., anything{}}; })
        return field_count<Aggregate>(fields..., anything{});
    else
        return sizeof...(Fields);
}

TEST(config, every_field_of_the_limits_can_be_set)
{
    std::set<void const*> places;
    settings changed;
    for (auto const& row : setting_rows()) {
        auto const* const at =
            std::visit([](auto* field) { return reinterpret_cast<char const*>(field); }, row.field(changed));
        auto const* const begin = reinterpret_cast<char const*>(&changed.limits);
        if (at >= begin && at < begin + sizeof(limits))
            places.insert(at);
    }
    EXPECT_EQ(places.size(), field_count<limits>()) << "a field of limits.hpp has no row in config_table.cpp";
}

TEST(config, a_file_is_read_with_sizes_and_times_as_numbers_or_strings)
{
    auto const c = from_text(
        "[mqtt]\nmaximum_packet_size = \"64KiB\"\nconnect_timeout = \"250ms\"\nkeep_alive_max = \"2m\"\n"
        "[limits]\noutbox_bytes = 65536\n[storage]\nretention_age = \"2d\"\ndurability = \"os\"\n"
        "[sys]\ninterval = 30\n");
    ASSERT_TRUE(c.usable()) << only_problem(c);
    EXPECT_EQ(c.values.mqtt.maximum_packet_size, 65536U);
    EXPECT_EQ(c.values.mqtt.connect_timeout, std::chrono::milliseconds{250});
    EXPECT_EQ(c.values.mqtt.keep_alive_max, 120U);
    EXPECT_EQ(c.values.limits.outbox_bytes, 65536U);
    EXPECT_EQ(c.values.storage.retention_age, std::chrono::hours{48});
    EXPECT_EQ(c.values.storage.durability, durability::os);
    EXPECT_EQ(c.values.sys.interval, std::chrono::seconds{30});
}

TEST(config, flags_win_over_the_environment_which_wins_over_the_file)
{
    config_source source;
    source.file = "test.toml";
    source.text = "[mqtt]\nmax_qos = 0\nreceive_maximum = 5\n[node]\nname = \"from-file\"\n";
    source.environment = {{"FULMAR_MQTT_MAX_QOS", "1"}, {"FULMAR_MQTT_RECEIVE_MAXIMUM", "6"}};
    source.flags = {{"--set mqtt.max_qos", "mqtt.max_qos", "2"}};
    auto const c = load_configuration(source);
    ASSERT_TRUE(c.usable()) << only_problem(c);
    EXPECT_EQ(c.values.mqtt.max_qos, 2U);
    EXPECT_EQ(c.origin("mqtt.max_qos"), "flag --set mqtt.max_qos");
    EXPECT_EQ(c.values.limits.receive_maximum, 6U);
    EXPECT_EQ(c.origin("mqtt.receive_maximum"), "environment FULMAR_MQTT_RECEIVE_MAXIMUM");
    EXPECT_EQ(c.origin("node.name"), "test.toml:5:1");
    EXPECT_EQ(c.origin("log.level"), "default");
}

TEST(config, an_unknown_setting_is_an_error_with_its_line_and_the_nearest_name)
{
    auto const c = from_text("[mqtt]\nmax_qos = 1\nmaximum_paket_size = 5\n");
    EXPECT_THAT(only_problem(c), HasSubstr("test.toml:3:1: unknown setting 'mqtt.maximum_paket_size'"));
    EXPECT_THAT(only_problem(c), HasSubstr("did you mean 'mqtt.maximum_packet_size'?"));
}

TEST(config, a_right_name_in_the_wrong_section_is_found)
{
    EXPECT_THAT(only_problem(from_text("[mqtt]\npassword_file = \"x\"\n")),
                HasSubstr("did you mean 'access.password_file'?"));
}

TEST(config, an_unknown_section_is_an_error_even_when_empty)
{
    EXPECT_THAT(only_problem(from_text("[mqqt]\n")), HasSubstr("unknown setting 'mqqt'"));
    EXPECT_TRUE(from_text("[mqtt]\n").usable());
}

TEST(config, wrong_types_name_what_is_there_and_what_to_write)
{
    EXPECT_THAT(only_problem(from_text("[mqtt]\nmax_qos = \"1\"\n")),
                HasSubstr("test.toml:2:1: mqtt.max_qos is '1'; write a whole number"));
    EXPECT_THAT(only_problem(from_text("[mqtt]\nretain_available = 1\n")),
                HasSubstr("is a whole number; write true or false"));
    EXPECT_THAT(only_problem(from_text("[node]\nname = 5\n")), HasSubstr("write a string in quotes"));
    EXPECT_THAT(only_problem(from_text("[proxy_protocol]\ntrusted = \"10.0.0.1\"\n")),
                HasSubstr("write a list of strings"));
    EXPECT_THAT(only_problem(from_text("[node]\nname = 2020-01-01\n")), HasSubstr("is a date or time"));
    EXPECT_THAT(only_problem(from_text("[mqtt]\nconnect_timeout = 1.5\n")), HasSubstr("is a fraction"));
    EXPECT_THAT(only_problem(from_text("mqtt = 5\n")), HasSubstr("is a section"));
    EXPECT_THAT(only_problem(from_text("[storage]\ndurability = \"fast\"\n")), HasSubstr("use one of fsync, os"));
}

TEST(config, values_outside_their_range_are_errors_that_name_the_range)
{
    EXPECT_THAT(only_problem(from_text("[mqtt]\nmax_qos = 3\n")),
                HasSubstr("out of range (3); use a value from 0 to 2"));
    EXPECT_THAT(only_problem(from_text("[mqtt]\nreceive_maximum = 0\n")), HasSubstr("from 1 to 65535"));
    EXPECT_THAT(only_problem(from_text("[mqtt]\nmaximum_packet_size = \"1TiB\"\n")), HasSubstr("out of range"));
    EXPECT_THAT(only_problem(from_text("[listeners.mqtt]\nport = 70000\n")), HasSubstr("from 0 to 65535"));
    EXPECT_THAT(only_problem(from_text("[listeners.mqtt]\nport = -1\n")), HasSubstr("negative"));
    EXPECT_THAT(only_problem(from_text("[sys]\ninterval = 9223372036854775807\n")), HasSubstr("sys.interval"));
}

TEST(config, all_mistakes_of_a_file_are_reported_at_once)
{
    EXPECT_EQ(from_text("[mqtt]\nmax_qos = 3\nx = 1\n[node]\nshards = 65\n").problems.size(), 3U);
}

TEST(config, text_that_is_not_toml_is_an_error_with_its_place)
{
    auto const c = from_text("[mqtt]\nmax_qos = = 1\n");
    EXPECT_THAT(only_problem(c), HasSubstr("test.toml:2:"));
    EXPECT_THAT(only_problem(c), HasSubstr("is not TOML"));
}

TEST(config, letters_beyond_ascii_are_allowed_in_strings_and_comments_only)
{
    EXPECT_TRUE(
        from_text("# gr\xC3\xBC\xC3\x9F\n[node]\nname = \"J\xC3\xBC \\\" rgen\" # \xC3\xBC\ndata_dir = '\xC3\xBC'\n")
            .usable());
    EXPECT_TRUE(from_text("[node]\nname = \"\"\"\xC3\xBC\"\"\"\n").usable());
    EXPECT_THAT(only_problem(from_text("[node]\n\xC3\xBC = 1\n")), HasSubstr("test.toml:2:1: is not TOML"));
    EXPECT_THAT(only_problem(from_text("[node]\nname = \"a\" \xC7\x9E\n")), HasSubstr("test.toml:2:12: is not TOML"));
    // Within a word, and where a long string would be a key: the parser reads on there.
    EXPECT_THAT(only_problem(from_text("[node]\nname = +5'\xC3\x9A'\n")), HasSubstr("test.toml:2:10: is not TOML"));
    EXPECT_THAT(only_problem(from_text("\"\"\"\nk\xCC\x9A = 1\n")), HasSubstr("is not TOML"));
    EXPECT_THAT(only_problem(from_text("[node]\nname = \"\xFF\"\n")), HasSubstr("not UTF-8"));
}

TEST(config, a_file_that_cannot_be_read_is_an_error)
{
    config_source source;
    source.file = "/nonexistent/fulmar.toml";
    EXPECT_THAT(only_problem(load_configuration(source)), HasSubstr("cannot be read"));
}

TEST(config, a_line_of_excessive_length_is_refused)
{
    std::string deep(100'000, '.');
    EXPECT_THAT(only_problem(from_text("a" + deep + " = 1\n")), HasSubstr("longer than 4096"));
}

TEST(config, flags_and_environment_are_read_as_their_setting_wants)
{
    EXPECT_FALSE(with_flag("mqtt.retain_available", "false").values.mqtt.retain_available);
    EXPECT_EQ(with_flag("listeners.mqtt.port", "0").values.listeners.mqtt.port, 0U);
    EXPECT_EQ(with_flag("limits.outbox_bytes", "8KiB").values.limits.outbox_bytes, 8192U);
    EXPECT_EQ(with_flag("mqtt.allow_anonymous", "true").values.mqtt.allow_anonymous, anonymous_policy::everybody);
    EXPECT_THAT(with_flag("proxy_protocol.trusted", "10.0.0.0/8,::1").values.proxy_protocol.trusted,
                testing::ElementsAre("10.0.0.0/8", "::1"));
    EXPECT_THAT(only_problem(with_flag("mqtt.maxqos", "1")), HasSubstr("flag --set mqtt.maxqos: unknown setting"));
    EXPECT_THAT(only_problem(with_flag("mqtt.max_qos", "two")), HasSubstr("write a whole number"));
}

TEST(config, an_environment_variable_that_names_nothing_is_a_warning_with_the_nearest_name)
{
    config_source source;
    source.environment = {{"FULMAR_MQTT_MAX_QOZ", "1"}};
    auto const c = load_configuration(source);
    EXPECT_TRUE(c.usable());
    ASSERT_EQ(c.warnings.size(), 1U);
    EXPECT_THAT(c.warnings[0].text(), HasSubstr("did you mean FULMAR_MQTT_MAX_QOS?"));
}

TEST(config, binding_beyond_loopback_without_credentials_is_refused)
{
    EXPECT_THAT(only_problem(with_flag("listeners.mqtt.address", "0.0.0.0")),
                HasSubstr("no credentials are configured"));
    EXPECT_THAT(only_problem(with_flag("listeners.http.address", "::")), HasSubstr("access.password_file"));
    EXPECT_THAT(only_problem(with_flag("listeners.admin.address", "192.0.2.1")), HasSubstr("admin.allow_remote"));
}

TEST(config, binding_beyond_loopback_is_allowed_with_a_password_file_or_explicitly_for_everybody)
{
    temporary_directory const dir;
    auto const users = dir.file("users");
    EXPECT_TRUE(
        from_text("[listeners.mqtt]\naddress = \"0.0.0.0\"\n[access]\npassword_file = \"" + users + "\"\n").usable());
    EXPECT_TRUE(from_text("[listeners.mqtt]\naddress = \"0.0.0.0\"\n[mqtt]\nallow_anonymous = true\n").usable());
    EXPECT_FALSE(
        from_text("[listeners.mqtt]\naddress = \"0.0.0.0\"\n[mqtt]\nallow_anonymous = \"loopback\"\n").usable());
}

TEST(config, required_client_certificates_open_a_tls_listener_but_not_a_plain_one)
{
    temporary_directory const dir;
    auto const pem = dir.file("x.pem");
    auto const tls = "[tls]\ncert = \"" + pem + "\"\nkey = \"" + pem + "\"\nclient_ca = \"" + pem +
                     "\"\nclient_certificates = \"required\"\n";
    EXPECT_TRUE(from_text(tls + "[listeners.mqtts]\nenabled = true\naddress = \"0.0.0.0\"\n").usable());
    EXPECT_FALSE(
        from_text(tls + "[listeners.mqtts]\nenabled = true\n[listeners.mqtt]\naddress = \"0.0.0.0\"\n").usable());
}

TEST(config, configured_credentials_end_anonymous_access_unless_it_is_asked_for)
{
    settings s;
    s.access.password_file = "users";
    EXPECT_EQ(effective_anonymous(s), anonymous_policy::nobody);
    s.mqtt.allow_anonymous = anonymous_policy::loopback;
    EXPECT_EQ(effective_anonymous(s), anonymous_policy::loopback);
}

TEST(config, settings_that_contradict_each_other_are_errors)
{
    EXPECT_THAT(only_problem(with_flag("listeners.mqtts.enabled", "true")), HasSubstr("needs a certificate"));
    EXPECT_THAT(only_problem(with_flag("listeners.http.port", "1883")), HasSubstr("is also that of listeners.mqtt"));
    EXPECT_THAT(only_problem(with_flag("tls.client_certificates", "required")), HasSubstr("set tls.client_ca"));
    EXPECT_THAT(only_problem(with_flag("access.acl_file", "/nonexistent/acl")), HasSubstr("cannot be read"));
    EXPECT_THAT(only_problem(with_flag("listeners.mqtt.address", "example.org")), HasSubstr("not an IP address"));
    EXPECT_THAT(only_problem(with_flag("proxy_protocol.trusted", "10.0.0.0/33")),
                HasSubstr("neither an address nor a network"));
    EXPECT_THAT(only_problem(with_flag("mqtt.allowed_origins", "example.org")), HasSubstr("not an origin"));
    EXPECT_TRUE(from_text("[listeners.http]\nenabled = false\nport = 1883\n").usable());
}

TEST(config, networks_are_addresses_with_an_optional_prefix_length)
{
    for (auto const* good : {"10.0.0.0/8", "::1", "2001:db8::/32", "192.0.2.7", "0.0.0.0/0"})
        EXPECT_TRUE(valid_network(good)) << good;
    for (auto const* bad : {"", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "::/129", "host", "10.0.0/8"})
        EXPECT_FALSE(valid_network(bad)) << bad;
}

TEST(config, apps_need_id_key_and_secret_and_are_unique)
{
    auto const c = from_text(
        "[[apps]]\nid = \"1\"\nkey = \"k\"\nsecret = \"s\"\n[[apps]]\nid = \"2\"\nkey = \"l\"\nsecret = \"s\"\n");
    ASSERT_TRUE(c.usable()) << only_problem(c);
    ASSERT_EQ(c.values.apps.size(), 2U);
    EXPECT_EQ(c.values.apps[1].keys.front().key, "l");
    EXPECT_THAT(only_problem(from_text("[[apps]]\nid = \"1\"\nkey = \"k\"\n")),
                HasSubstr("test.toml:1:1: this app is incomplete"));
    EXPECT_THAT(only_problem(from_text("[[apps]]\nname = \"1\"\n")), HasSubstr("unknown setting 'name'"));
    EXPECT_FALSE(from_text("[[apps]]\nid=\"1\"\nkey=\"k\"\nsecret=\"s\"\n[[apps]]\nid=\"1\"\nkey=\"l\"\nsecret=\"s\"\n")
                     .usable());
    EXPECT_FALSE(from_text("[apps]\nid = \"1\"\n").usable());
}

TEST(config, show_prints_every_value_with_its_origin_and_hides_secrets)
{
    auto const shown = show_configuration(
        from_text("[mqtt]\nconnect_timeout = \"5s\"\n[[apps]]\nid = \"1\"\nkey = \"k\"\nsecret = \"very-secret\"\n"));
    EXPECT_THAT(shown, HasSubstr("connect_timeout = \"5s\""));
    EXPECT_THAT(shown, HasSubstr("# test.toml:2:1"));
    EXPECT_THAT(shown, HasSubstr("# default"));
    EXPECT_THAT(shown, testing::Not(HasSubstr("very-secret")));
}

TEST(config, what_show_prints_can_be_read_back)
{
    auto const c = from_text(show_configuration(with_flag("mqtt.connect_timeout", "1500ms")));
    ASSERT_TRUE(c.usable()) << only_problem(c);
    EXPECT_EQ(c.values.mqtt.connect_timeout, std::chrono::milliseconds{1500});
}

TEST(config, the_table_of_the_operations_manual_is_the_table_of_the_settings)
{
    auto const root = std::filesystem::path{FULMAR_SOURCE_DIR};
    std::ifstream in{root / "docs" / "operations.md"};
    std::string const manual{std::istreambuf_iterator<char>{in}, {}};
    EXPECT_THAT(manual, HasSubstr(settings_reference()))
        << "replace the table by what `fulmar config reference` prints";
}

TEST(config, sizes_and_times_are_read_and_written_with_their_largest_unit)
{
    EXPECT_EQ(parse_size("1GiB"), 1ULL << 30);
    EXPECT_EQ(parse_size("10 MB"), 10'000'000U);
    EXPECT_EQ(parse_size("5"), 5U);
    EXPECT_FALSE(parse_size("5 apples"));
    EXPECT_FALSE(parse_size("-5"));
    EXPECT_FALSE(parse_size(""));
    EXPECT_FALSE(parse_size("99999999999999TiB"));
    EXPECT_EQ(parse_duration_ms("2h"), 7'200'000U);
    EXPECT_EQ(parse_duration_ms("10"), 10'000U);
    EXPECT_EQ(parse_duration_ms("15ms"), 15U);
    EXPECT_FALSE(parse_duration_ms("10 minutes"));
    EXPECT_EQ(size_text(65536), "64KiB");
    EXPECT_EQ(size_text(1000), "1000B");
    EXPECT_EQ(duration_text(90'000), "90s");
    EXPECT_EQ(duration_text(0), "0s");
}

TEST(development_app, is_generated_once_and_kept_for_its_owner_only)
{
    temporary_directory const dir;
    auto const first = development_app(dir.path() + "/data");
    ASSERT_TRUE(first);
    EXPECT_GE(first->keys.front().secret.size(), 32U);
    struct stat found = {};
    ASSERT_EQ(stat((dir.path() + "/data/development-app.toml").c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0600U);
    auto const second = development_app(dir.path() + "/data");
    ASSERT_TRUE(second);
    EXPECT_EQ(second->keys, first->keys);
    auto const other = development_app(dir.path() + "/other");
    ASSERT_TRUE(other);
    EXPECT_NE(other->keys, first->keys);
}

TEST(development_app, a_file_that_was_damaged_is_refused_instead_of_replaced)
{
    temporary_directory const dir;
    auto const file = dir.file("development-app.toml", "nonsense");
    EXPECT_FALSE(development_app(dir.path()));
    EXPECT_TRUE(std::filesystem::exists(file));
}

}  // namespace
}  // namespace fulmar::broker
