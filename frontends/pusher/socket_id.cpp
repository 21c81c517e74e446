#include "frontends/pusher/socket_id.hpp"

#include "broker/topic.hpp"

#include <charconv>

namespace fulmar::pusher {

namespace {

constexpr std::size_t digits_max = 40;  // on each side of the point; longer ones are nobody's

[[nodiscard]] bool all_digits(std::string_view text) noexcept
{
    return !text.empty() && text.size() <= digits_max && text.find_first_not_of("0123456789") == std::string_view::npos;
}

[[nodiscard]] bool parse(std::string_view text, std::uint32_t& value) noexcept
{
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

std::string to_socket_id(connection_id id)
{
    auto const bits = static_cast<std::uint64_t>(id);
    return std::to_string(bits >> 32).append(1, '.').append(std::to_string(bits & 0xFFFF'FFFFU));
}

bool valid_socket_id(std::string_view text) noexcept
{
    auto const point = text.find('.');
    return point != std::string_view::npos && all_digits(text.substr(0, point)) && all_digits(text.substr(point + 1));
}

std::uint64_t publisher_hash(std::string_view socket_id) noexcept
{
    auto const point = socket_id.find('.');
    std::uint32_t high = 0;
    std::uint32_t low = 0;
    if (point != std::string_view::npos && parse(socket_id.substr(0, point), high) &&
        parse(socket_id.substr(point + 1), low) && (high != 0 || low != 0))
        return (std::uint64_t{high} << 32) | low;
    auto const hash = broker::stable_hash(socket_id);
    return hash == 0 ? 1 : hash;
}

}  // namespace fulmar::pusher
