#include "frontends/auth/password_file.hpp"

#include "broker/text_file.hpp"
#include "broker/topic.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fulmar::auth {
namespace {

broker::error_code last_error() { return {errno, boost::system::system_category()}; }

broker::error_code write_synced(std::string const& path, std::string_view text)
{
    auto const file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return last_error();
    broker::error_code error;
    while (!text.empty() && !error) {
        auto const written = write(file, text.data(), text.size());
        if (written < 0 && errno != EINTR)
            error = last_error();
        text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
    }
    if (!error && (fchmod(file, 0600) != 0 || fsync(file) != 0))
        error = last_error();
    close(file);
    return error;
}

}  // namespace

bool valid_user_name(std::string_view name) noexcept
{
    auto const forbidden = [](unsigned char c) { return c < 0x20 || c == 0x7F || c == ':'; };
    return !name.empty() && name.size() <= 255 && name.front() != '#' && broker::valid_utf8(name) &&
           std::none_of(name.begin(), name.end(), forbidden);
}

bool readable_by_others(std::string const& path) noexcept
{
    struct stat found = {};
    return stat(path.c_str(), &found) == 0 && (found.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) != 0;
}

bool password_file::load(std::string const& path, std::string& problem)
{
    auto const text = broker::read_text_file(path, password_file_bytes_max);
    if (text)
        return parse(*text, path, problem);
    problem = path + (text.error() == broker::errc::message_too_large ? ": is larger than 64 MiB"
                                                                      : ": cannot be read: " + text.error().message());
    return false;
}

bool password_file::parse(std::string_view text, std::string const& name, std::string& problem)
{
    std::map<std::string, password_hash, std::less<>> users;
    auto const fail = [&](std::size_t line, std::string_view what) {
        problem = name + ":" + std::to_string(line) + ": " + std::string{what};
        return false;
    };
    for (std::size_t number = 1; !text.empty(); ++number) {
        auto const end = std::min(text.find('\n'), text.size());
        auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        if (line.empty() || line.front() == '#')
            continue;
        auto const colon = line.find(':');
        if (colon == std::string_view::npos)
            return fail(number, "expected user:hash; add users with: fulmar user add NAME");
        auto const user = line.substr(0, colon);
        if (!valid_user_name(user))
            return fail(number, "the user name is empty, longer than 255 bytes or contains control characters");
        auto const hash = parse_password_hash(line.substr(colon + 1));
        if (!hash)
            return fail(number, "the password hash is not SCRAM-SHA-256; set it with: fulmar user passwd NAME");
        if (!users.emplace(user, *hash).second)
            return fail(number, "this user is already named above");
    }
    users_ = std::move(users);
    return true;
}

broker::error_code password_file::save(std::string const& path) const
{
    std::string text = "# Users of Fulmar. Change with: fulmar user add|passwd|del NAME\n";
    for (auto const& [user, hash] : users_)
        text.append(user).append(":").append(hash.text()).append("\n");
    auto const fresh = path + ".new";
    if (auto const error = write_synced(fresh, text))
        return error;
    return rename(fresh.c_str(), path.c_str()) == 0 ? broker::error_code{} : last_error();
}

password_hash const* password_file::find(std::string_view user) const
{
    auto const found = users_.find(user);
    return found == users_.end() ? nullptr : &found->second;
}

broker::error_code password_file::set(std::string_view user, password_hash hash)
{
    if (!valid_user_name(user))
        return make_error_code(broker::errc::bad_credentials);
    users_.insert_or_assign(std::string{user}, std::move(hash));
    return {};
}

bool password_file::erase(std::string_view user)
{
    auto const found = users_.find(user);
    if (found == users_.end())
        return false;
    users_.erase(found);
    return true;
}

}  // namespace fulmar::auth
