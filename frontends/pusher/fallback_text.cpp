#include "frontends/pusher/fallback_text.hpp"

#include "frontends/pusher/event.hpp"

#include <boost/json/basic_parser_impl.hpp>

namespace fulmar::pusher {

namespace {

namespace json = boost::json;

// Takes what the parser finds: strings within one array, and nothing else.
class string_list
{
public:
    using code = boost::system::error_code;

    // The parser asks for these; decode_sent has limits of its own.
    static constexpr std::size_t max_object_size = 1;
    static constexpr std::size_t max_array_size = sent_messages_max;
    static constexpr std::size_t max_key_size = 1;
    static constexpr std::size_t max_string_size = std::size_t{1} << 30U;

    string_list(std::size_t bytes_max, std::vector<std::string>& out) : bytes_max_{bytes_max}, out_{out} {}
    [[nodiscard]] std::string_view problem() const noexcept { return problem_; }

    bool on_document_begin(code&) { return true; }
    bool on_document_end(code&) { return true; }
    bool on_array_begin(code& ec) { return begun_++ == 0 || refuse("an array of strings is expected", ec); }
    bool on_array_end(std::size_t, code&) { return true; }
    bool on_string_part(json::string_view part, std::size_t, code& ec) { return add(part, ec); }
    bool on_string(json::string_view part, std::size_t, code& ec)
    {
        if (!add(part, ec))
            return false;
        fresh_ = true;
        return true;
    }
    bool on_object_begin(code& ec) { return only_strings(ec); }
    bool on_object_end(std::size_t, code& ec) { return only_strings(ec); }
    bool on_key_part(json::string_view, std::size_t, code& ec) { return only_strings(ec); }
    bool on_key(json::string_view, std::size_t, code& ec) { return only_strings(ec); }
    bool on_number_part(json::string_view, code& ec) { return only_strings(ec); }
    bool on_int64(std::int64_t, json::string_view, code& ec) { return only_strings(ec); }
    bool on_uint64(std::uint64_t, json::string_view, code& ec) { return only_strings(ec); }
    bool on_double(double, json::string_view, code& ec) { return only_strings(ec); }
    bool on_bool(bool, code& ec) { return only_strings(ec); }
    bool on_null(code& ec) { return only_strings(ec); }
    bool on_comment_part(json::string_view, code& ec) { return only_strings(ec); }
    bool on_comment(json::string_view, code& ec) { return only_strings(ec); }

private:
    bool only_strings(code& ec) { return refuse("an array of strings is expected", ec); }
    bool refuse(std::string_view why, code& ec)
    {
        problem_ = why;
        ec = json::error::extra_data;  // any: `problem_` says it
        return false;
    }
    bool add(json::string_view part, code& ec)
    {
        if (begun_ == 0)
            return only_strings(ec);
        if (std::exchange(fresh_, false)) {
            if (out_.size() == sent_messages_max)
                return refuse("too many messages", ec);
            out_.emplace_back();
        }
        auto& message = out_.back();
        if (part.size() > bytes_max_ - message.size())
            return refuse("a message is too large", ec);
        message.append(part.data(), part.size());
        return true;
    }

    std::size_t const bytes_max_;
    std::vector<std::string>& out_;
    std::string_view problem_;
    std::size_t begun_ = 0;
    bool fresh_ = true;  // what comes next begins a message
};

}  // namespace

std::string closed_frame(std::uint16_t code, std::string_view reason)
{
    auto frame = "c[" + std::to_string(code) + ",";
    append_json_string(frame, reason);
    return frame += "]\n";
}

std::size_t utf16_length(std::string_view text) noexcept
{
    std::size_t units = 0;
    for (auto const c : text) {
        auto const byte = static_cast<unsigned char>(c);
        units += ((byte & 0xC0U) != 0x80U ? 1U : 0U) + (byte >= 0xF0U ? 1U : 0U);
    }
    return units;
}

std::string_view text_of_frame(std::string_view frame) noexcept
{
    auto const byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(frame[i])); };
    auto size = byte(1);
    std::size_t begin = 2;
    if (size >= 126) {
        auto const end = begin + (size == 126 ? 2U : 8U);
        for (size = 0; begin < end; ++begin)
            size = size << 8U | byte(begin);
    }
    return frame.substr(begin, size);
}

std::string_view decode_sent(std::string_view body, std::size_t message_bytes_max, std::vector<std::string>& out)
{
    out.clear();
    json::parse_options options;
    options.max_depth = 1;
    json::basic_parser<string_list> parser{options, message_bytes_max, out};
    boost::system::error_code error;
    auto const used = parser.write_some(false, body.data(), body.size(), error);
    if (!parser.handler().problem().empty())
        return parser.handler().problem();
    return error || used != body.size() ? "the body is no JSON array of strings" : std::string_view{};
}

}  // namespace fulmar::pusher
