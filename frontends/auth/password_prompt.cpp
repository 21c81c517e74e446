#include "frontends/auth/password_prompt.hpp"

#include <cstdio>

#include <termios.h>
#include <unistd.h>

namespace fulmar::auth {
namespace {

constexpr std::size_t password_bytes_max = 1024;

// Switches the terminal's echo off while it lives.
class silence
{
public:
    silence()
    {
        if (tcgetattr(STDIN_FILENO, &before_) != 0)
            return;
        auto quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        active_ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
    }
    ~silence()
    {
        if (active_)
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }
    silence(silence const&) = delete;
    silence& operator=(silence const&) = delete;

private:
    termios before_{};
    bool active_ = false;
};

broker::result<std::string> read_line()
{
    std::string line;
    for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar()) {
        if (line.size() == password_bytes_max)
            return make_error_code(broker::errc::message_too_large);
        line += static_cast<char>(c);
    }
    if (line.ends_with('\r'))
        line.pop_back();
    if (line.empty())
        return make_error_code(broker::errc::bad_credentials);
    return line;
}

broker::result<std::string> ask_once(std::string const& prompt)
{
    std::fprintf(stderr, "%s: ", prompt.c_str());
    std::fflush(stderr);
    silence const no_echo;
    auto line = read_line();
    std::fputc('\n', stderr);
    return line;
}

}  // namespace

broker::result<std::string> ask_password(std::string const& prompt)
{
    if (isatty(STDIN_FILENO) == 0)
        return read_line();
    auto first = ask_once(prompt);
    if (!first)
        return first;
    auto second = ask_once("Again");
    if (!second || *first != *second)
        return make_error_code(broker::errc::bad_credentials);
    return first;
}

}  // namespace fulmar::auth
