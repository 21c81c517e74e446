#include "frontends/mqtt/publish_variant.hpp"

#include "frontends/mqtt/encoder.hpp"
#include "frontends/net/websocket_codec.hpp"

#include <array>

namespace fulmar::mqtt {

void publish_variant::encode(broker::message const& m, bool retain_flag, broker::wall_ms now,
                             std::vector<char>& out) const
{
    publish_fields fields{.message = m};
    fields.retain = retain_flag;
    fields.now = now;
    if (framing_ != net::wire::framing_kind::plain) {
        std::array<char, net::frame_header_bytes_max> header;
        auto const size = publish_size(fields, version_);
        auto const header_size = net::write_frame_header(header.data(), net::websocket_opcode::binary, size);
        out.insert(out.end(), header.data(), header.data() + header_size);
    }
    encode_publish(fields, version_, out);
}

}  // namespace fulmar::mqtt
