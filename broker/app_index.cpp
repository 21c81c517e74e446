#include "broker/app_index.hpp"

#include "broker/text_file.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fulmar::broker {
namespace {

constexpr std::size_t index_bytes_max = 64 * 1024 * 1024;

struct app_numbers
{
    std::map<std::string, std::uint32_t, std::less<>> of;
    std::uint32_t next = 0;
};

[[nodiscard]] bool read_line(std::string_view line, app_numbers& into)
{
    std::uint32_t number = 0;
    auto const [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
    auto const digits = static_cast<std::size_t>(end - line.data());
    if (error != std::errc{} || number >= app_numbers_max || digits + 1 >= line.size() || line[digits] != ' ')
        return false;
    into.next = std::max(into.next, number + 1);
    return into.of.emplace(line.substr(digits + 1), number).second;
}

[[nodiscard]] std::optional<app_numbers> parse(std::string_view text)
{
    app_numbers found;
    while (!text.empty()) {
        auto const end = text.find('\n');
        if (end == std::string_view::npos || !read_line(text.substr(0, end), found))
            return std::nullopt;
        text.remove_prefix(end + 1);
    }
    return found;
}

[[nodiscard]] bool synced(std::string const& path, int flags, std::string_view text)
{
    auto const file = open(path.c_str(), flags | O_CLOEXEC, 0600);
    if (file < 0)
        return false;
    auto good = true;
    while (good && !text.empty()) {
        auto const written = write(file, text.data(), text.size());
        good = written > 0;
        text.remove_prefix(good ? static_cast<std::size_t>(written) : 0);
    }
    good = good && fsync(file) == 0;
    return close(file) == 0 && good;
}

[[nodiscard]] bool write_whole(std::string const& directory, std::string const& path, std::string_view text)
{
    auto const unfinished = path + ".part";
    return synced(unfinished, O_WRONLY | O_CREAT | O_TRUNC, text) &&
           std::rename(unfinished.c_str(), path.c_str()) == 0 && synced(directory, O_RDONLY | O_DIRECTORY, {});
}

[[nodiscard]] std::string text_of(app_numbers const& numbers)
{
    std::string text;
    for (auto const& [name, number] : numbers.of)
        text.append(std::to_string(number)).append(" ").append(name).append("\n");
    return text;
}

}  // namespace

std::string number_apps(std::string const& data_dir, std::vector<app>& apps)
{
    auto const path = data_dir + "/apps";
    app_numbers numbers;
    struct stat found = {};
    if (stat(path.c_str(), &found) == 0) {
        auto const text = read_text_file(path, index_bytes_max);
        auto read = text ? parse(*text) : std::nullopt;
        if (!read)
            return path + " cannot be read or was altered, so that apps cannot be told apart; restore it from a backup";
        numbers = std::move(*read);
    }
    auto const known = numbers.of.size();
    for (auto const& each : apps) {
        if (numbers.of.emplace(each.name, numbers.next).second)
            ++numbers.next;
    }
    if (numbers.next > app_numbers_max)
        return "more than a million different apps were configured over time";
    if (numbers.of.size() != known) {
        std::error_code ignored;
        std::filesystem::create_directories(data_dir, ignored);
        if (!write_whole(data_dir, path, text_of(numbers)))
            return path + " cannot be written: " + std::strerror(errno);
    }
    for (auto& each : apps)
        each.id = app_id{numbers.of.find(each.name)->second};
    return {};
}

}  // namespace fulmar::broker
