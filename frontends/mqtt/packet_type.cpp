#include "frontends/mqtt/packet_type.hpp"

#include <array>

namespace fulmar::mqtt {

std::string_view to_string(packet_type type) noexcept
{
    static constexpr std::array<std::string_view, 16> names{
        "reserved",  "CONNECT", "CONNACK",     "PUBLISH",  "PUBACK",  "PUBREC",   "PUBREL",     "PUBCOMP",
        "SUBSCRIBE", "SUBACK",  "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"};
    return names[static_cast<std::size_t>(type) & 0x0FU];
}

std::string_view to_string(protocol_version version) noexcept
{
    switch (version) {
    case protocol_version::v3_1: return "3.1";
    case protocol_version::v3_1_1: return "3.1.1";
    case protocol_version::v5: return "5";
    }
    return "unknown";
}

}  // namespace fulmar::mqtt
