#include "frontends/net/http_answer_parser.hpp"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <optional>

namespace fulmar::net {

namespace {

namespace http = boost::beast::http;
using boost::beast::string_view;
using boost::system::error_code;

// Beast's machine without its containers: its virtual functions are all that this file needs.
class machine final : public http::basic_parser<false>
{
public:
    machine(std::size_t head_bytes_max, std::uint64_t body_bytes_max)
        : head_bytes_max_{head_bytes_max}, body_bytes_left_{body_bytes_max}
    {
        header_limit(static_cast<std::uint32_t>(head_bytes_max));
        body_limit(boost::none);  // counted here: the limit may change after the head
    }

    std::vector<http_field> fields;
    std::string body;
    unsigned status = 0;

    // Whatever is missing before or after a chunk is longer, and Beast asserts that the last one does not come in less.
    [[nodiscard]] bool needs_more_than(std::size_t bytes) const
    {
        return is_header_done() && chunked() && chunk_left_ == 0 && bytes < last_chunk_bytes;
    }
    void limit_body(std::uint64_t bytes_max) noexcept { body_bytes_left_ = bytes_max; }

protected:
    void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
    void on_response_impl(int code, string_view, int, error_code&) override { status = static_cast<unsigned>(code); }
    void on_field_impl(http::field, string_view name, string_view value, error_code& ec) override
    {
        // Beast measures what is before it, which it takes away line by line.
        field_bytes_ += name.size() + value.size() + 4;
        if (field_bytes_ > head_bytes_max_)
            ec = http::error::header_limit;
        else if (!is_header_done())
            fields.push_back({std::string{name}, std::string{value}});
    }
    void on_header_impl(error_code&) override { field_bytes_ = 0; }
    void on_body_init_impl(boost::optional<std::uint64_t> const& length, error_code& ec) override
    {
        if (length && *length > body_bytes_left_)
            ec = http::error::body_limit;
    }
    std::size_t on_body_impl(string_view bytes, error_code& ec) override { return take(bytes, ec); }
    void on_chunk_header_impl(std::uint64_t size, string_view extensions, error_code& ec) override
    {
        chunk_left_ = size;
        // Beast lets a quoted value run over the end of its line.
        if (extensions.find_first_of("\r\n") != string_view::npos)
            ec = http::error::bad_chunk_extension;
    }
    std::size_t on_chunk_body_impl(std::uint64_t, string_view bytes, error_code& ec) override
    {
        chunk_left_ -= bytes.size();
        return take(bytes, ec);
    }
    void on_finish_impl(error_code&) override {}

private:
    static constexpr std::size_t last_chunk_bytes = 5;  // "0\r\n\r\n"

    std::size_t take(string_view bytes, error_code& ec)
    {
        if (bytes.size() > body_bytes_left_) {
            ec = http::error::body_limit;
            return 0;
        }
        if (body_bytes_left_ != http_answer_parser::no_body_limit)
            body_bytes_left_ -= bytes.size();
        body.append(bytes.data(), bytes.size());
        return bytes.size();
    }

    std::size_t const head_bytes_max_;
    std::uint64_t body_bytes_left_;
    std::size_t field_bytes_ = 0;
    std::uint64_t chunk_left_ = 0;
};

[[nodiscard]] answer_fault fault_of(error_code const& error)
{
    if (!error || error == http::error::need_more)
        return answer_fault::none;
    if (error == http::error::header_limit || error == http::error::body_limit)
        return answer_fault::too_large;
    return error == http::error::partial_message ? answer_fault::cut_off : answer_fault::not_http;
}

}  // namespace

struct http_answer_parser::impl
{
    impl(std::size_t head_max, std::uint64_t body_max) : head_bytes_max{head_max}, body_bytes_max{body_max}
    {
        parser.emplace(head_max, body_max);
    }

    [[nodiscard]] bool interim() const
    {
        return parser->is_done() && parser->status / 100 == 1 && parser->status != 101;
    }

    std::size_t head_bytes_max;
    std::uint64_t body_bytes_max;
    std::optional<machine> parser;
    std::string unparsed;  // the beginning of a head, or of a line between chunks
    int interim_answers = 0;
    bool failed = false;
};

http_answer_parser::http_answer_parser(std::size_t head_bytes_max, std::uint64_t body_bytes_max)
    : impl_{std::make_unique<impl>(head_bytes_max, body_bytes_max)}
{
}

http_answer_parser::~http_answer_parser() = default;
http_answer_parser::http_answer_parser(http_answer_parser&&) noexcept = default;
http_answer_parser& http_answer_parser::operator=(http_answer_parser&&) noexcept = default;

answer_fault http_answer_parser::feed(std::string_view bytes)
{
    auto& my = *impl_;
    my.unparsed.append(bytes);
    std::string_view rest{my.unparsed};
    auto fault = answer_fault::none;
    bool enough = !my.failed;
    // One step at a time (a head, a chunk's line, its bytes), so that the outcome does not depend on how the bytes came.
    while (enough && !rest.empty() && !my.parser->is_done() && !my.parser->needs_more_than(rest.size())) {
        error_code error;
        rest.remove_prefix(my.parser->put(boost::asio::buffer(rest), error));
        fault = fault_of(error);
        // Beast itself would wait for ever for the end of a line between chunks.
        if (fault == answer_fault::none && error && rest.size() > my.head_bytes_max)
            fault = answer_fault::too_large;
        if (fault == answer_fault::none && my.interim()) {
            if (++my.interim_answers > interim_answers_max)
                fault = answer_fault::not_http;
            else
                my.parser.emplace(my.head_bytes_max, my.body_bytes_max);
        }
        enough = !error && fault == answer_fault::none;
    }
    my.unparsed.erase(0, my.unparsed.size() - rest.size());
    my.failed = my.failed || fault != answer_fault::none;
    return fault;
}

answer_fault http_answer_parser::finish()
{
    auto& my = *impl_;
    if (my.parser->is_done())
        return answer_fault::none;
    if (my.failed || !my.parser->got_some())
        return answer_fault::cut_off;
    error_code error;
    my.parser->put_eof(error);
    my.failed = static_cast<bool>(error);
    return fault_of(error);
}

bool http_answer_parser::head_done() const noexcept { return impl_->parser->is_header_done() && !impl_->interim(); }
bool http_answer_parser::done() const noexcept { return impl_->parser->is_done(); }
bool http_answer_parser::reusable() const noexcept
{
    return done() && !impl_->failed && impl_->unparsed.empty() && impl_->parser->keep_alive();
}
unsigned http_answer_parser::status() const noexcept { return impl_->parser->status; }
std::vector<http_field>& http_answer_parser::fields() noexcept { return impl_->parser->fields; }
std::string& http_answer_parser::body() noexcept { return impl_->parser->body; }
void http_answer_parser::limit_body(std::uint64_t bytes_max) noexcept { impl_->parser->limit_body(bytes_max); }

}  // namespace fulmar::net
