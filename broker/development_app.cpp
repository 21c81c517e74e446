#include "broker/development_app.hpp"

#include "broker/config_apps.hpp"

#include <array>
#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fulmar::broker {
namespace {

error_code last_error() { return {errno, boost::system::system_category()}; }

result<std::string> random_hex(std::size_t bytes)
{
    std::array<unsigned char, 32> raw{};
    if (getrandom(raw.data(), bytes, 0) != static_cast<ssize_t>(bytes))
        return last_error();
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < bytes; ++i)
        (text += digits[raw[i] >> 4U]) += digits[raw[i] & 15U];
    return text;
}

error_code write_new_file(std::string const& path, std::string_view text)
{
    auto const file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return last_error();
    bool const written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(file) == 0;
    auto const error = written ? error_code{} : last_error();
    close(file);
    if (error)
        unlink(path.c_str());
    return error;
}

// Whoever tries it out needs no signature.
void allow_sessions(app& of)
{
    of.sessions.enabled = true;
    of.sessions.signed_ids = false;
}

result<app> read_app(std::string const& path)
{
    auto const read = read_config_file(path);
    configuration found;
    read_apps(read, found);
    if (read.problem || !found.usable() || found.values.apps.size() != 1)
        return make_error_code(errc::bad_credentials);
    found.values.apps.front().client_events = true;
    allow_sessions(found.values.apps.front());
    return std::move(found.values.apps.front());
}

}  // namespace

result<app> development_app(std::string const& data_dir)
{
    auto const path = data_dir + "/development-app.toml";
    struct stat found = {};
    if (stat(path.c_str(), &found) == 0)
        return read_app(path);
    std::error_code failed;
    std::filesystem::create_directories(data_dir, failed);
    if (failed)
        return error_code{failed.value(), boost::system::system_category()};
    auto key = random_hex(10);
    auto secret = random_hex(20);
    if (!key || !secret)
        return key ? secret.error() : key.error();
    app made;
    made.name = "1";  // libraries of servers want digits
    made.keys.push_back({*key, *secret});
    made.client_events = true;
    allow_sessions(made);
    auto const text =
        "# Generated for development. Configure [[apps]] to use your own, or delete this file to get another.\n"
        "[[apps]]\nid = \"" +
        made.name + "\"\nkey = \"" + *key + "\"\nsecret = \"" + *secret + "\"\n";
    if (auto const error = write_new_file(path, text))
        return error;
    return made;
}

}  // namespace fulmar::broker
