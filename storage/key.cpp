#include "storage/key.hpp"

#include <algorithm>

namespace fulmar::storage::key {

using namespace broker;

namespace {

template <class Integer>
void put(char* at, Integer value) noexcept
{
    for (std::size_t i = sizeof(Integer); i-- > 0;) {
        at[i] = static_cast<char>(value & 0xFF);
        value = static_cast<Integer>(value >> 8U);
    }
}

template <class Integer>
Integer get(char const* at) noexcept
{
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(Integer); ++i)
        value = value << 8U | static_cast<unsigned char>(at[i]);
    return static_cast<Integer>(value);
}

constexpr std::uint16_t partition = 0;  // one on a single node

}  // namespace

fixed<10> log(log_sequence sequence) noexcept
{
    fixed<10> out;
    put(out.bytes.data(), partition);
    put(out.bytes.data() + 2, sequence);
    return out;
}

std::optional<log_sequence> parse_log(std::string_view key) noexcept
{
    if (key.size() != 10 || get<std::uint16_t>(key.data()) != partition)
        return std::nullopt;
    return get<log_sequence>(key.data() + 2);
}

fixed<16> index(filter_hash filter, log_sequence sequence) noexcept
{
    fixed<16> out;
    put(out.bytes.data(), static_cast<std::uint64_t>(filter));
    put(out.bytes.data() + 8, sequence);
    return out;
}

std::optional<index_entry> parse_index(std::string_view key) noexcept
{
    if (key.size() != 16)
        return std::nullopt;
    return index_entry{filter_hash{get<std::uint64_t>(key.data())}, get<log_sequence>(key.data() + 8)};
}

fixed<4> size(std::size_t record_bytes) noexcept
{
    fixed<4> out;
    put(out.bytes.data(), static_cast<std::uint32_t>(std::min<std::size_t>(record_bytes, 0xFFFF'FFFF)));
    return out;
}

std::uint32_t parse_size(std::string_view value) noexcept
{
    return value.size() == 4 ? get<std::uint32_t>(value.data()) : 0;
}

fixed<8> session(session_id id) noexcept { return number(static_cast<std::uint64_t>(id)); }

std::optional<session_id> parse_session(std::string_view key) noexcept
{
    if (key.size() < 8)
        return std::nullopt;
    return session_id{get<std::uint64_t>(key.data())};
}

std::string subscription(session_id id, std::string_view filter)
{
    std::string out{session(id).view()};
    return out.append(filter);
}

std::string_view subscription_filter(std::string_view key) noexcept
{
    return key.size() < 8 ? std::string_view{} : key.substr(8);
}

fixed<11> inflight(inflight_entry const& entry) noexcept
{
    fixed<11> out;
    put(out.bytes.data(), static_cast<std::uint64_t>(entry.session));
    out.bytes[8] = entry.incoming ? 1 : 0;
    put(out.bytes.data() + 9, entry.packet);
    return out;
}

std::optional<inflight_entry> parse_inflight(std::string_view key) noexcept
{
    if (key.size() != 11)
        return std::nullopt;
    return inflight_entry{session_id{get<std::uint64_t>(key.data())}, key[8] != 0, get<packet_id>(key.data() + 9)};
}

std::string retained(app_id app, std::string_view topic)
{
    std::string out(4, '\0');
    put(out.data(), static_cast<std::uint32_t>(app));
    return out.append(topic);
}

fixed<8> group(filter_hash group) noexcept { return number(static_cast<std::uint64_t>(group)); }

std::optional<filter_hash> parse_group(std::string_view key) noexcept
{
    auto const value = parse_number(key);
    return value ? std::optional{filter_hash{*value}} : std::nullopt;
}

std::optional<std::uint64_t> parse_outbox(std::string_view key) noexcept { return parse_number(key); }

std::string checkpoint(log_sequence sequence) { return std::string{checkpoint_prefix}.append(number(sequence).view()); }

std::string lost(filter_hash filter)
{
    return std::string{lost_prefix}.append(number(static_cast<std::uint64_t>(filter)).view());
}

std::optional<std::uint64_t> parse_suffix(std::string_view key, std::string_view prefix) noexcept
{
    return key.starts_with(prefix) ? parse_number(key.substr(prefix.size())) : std::nullopt;
}

fixed<8> number(std::uint64_t value) noexcept
{
    fixed<8> out;
    put(out.bytes.data(), value);
    return out;
}

std::optional<std::uint64_t> parse_number(std::string_view value) noexcept
{
    if (value.size() != 8)
        return std::nullopt;
    return get<std::uint64_t>(value.data());
}

std::string after_prefix(std::string_view prefix)
{
    std::string out{prefix};
    while (!out.empty() && static_cast<unsigned char>(out.back()) == 0xFF)
        out.pop_back();
    if (!out.empty())
        out.back() = static_cast<char>(out.back() + 1);
    return out;
}

}  // namespace fulmar::storage::key
