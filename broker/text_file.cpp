#include "broker/text_file.hpp"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace fulmar::broker {

result<std::string> read_text_file(std::string const& path, std::size_t bytes_max)
{
    auto const file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_code{errno, boost::system::system_category()};
    std::string text;
    error_code error;
    char block[16 * 1024];
    while (text.size() <= bytes_max) {
        auto const count = read(file, block, sizeof block);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            error = {errno, boost::system::system_category()};
        if (count <= 0)
            break;
        text.append(block, static_cast<std::size_t>(count));
    }
    close(file);
    if (!error && text.size() > bytes_max)
        error = make_error_code(errc::message_too_large);
    if (error)
        return error;
    return text;
}

}  // namespace fulmar::broker
