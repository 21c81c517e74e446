// The body type for Beast's parser. Only for the source files that include Beast.
#pragma once

#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/optional/optional.hpp>
#include <cstdint>
#include <string>

namespace fulmar::net {

// A body that grows with the bytes that arrive: http::string_body would reserve what Content-Length promises.
struct growing_body
{
    using value_type = std::string;

    class reader
    {
    public:
        template <bool IsRequest, class Fields>
        explicit reader(boost::beast::http::header<IsRequest, Fields>&, value_type& body) : body_(body)
        {
        }
        void init(boost::optional<std::uint64_t> const&, boost::system::error_code& ec) { ec = {}; }
        template <class Buffers>
        std::size_t put(Buffers const& buffers, boost::system::error_code& ec)
        {
            ec = {};
            std::size_t size = 0;
            for (auto const buffer : boost::beast::buffers_range_ref(buffers)) {
                body_.append(static_cast<char const*>(buffer.data()), buffer.size());
                size += buffer.size();
            }
            return size;
        }
        void finish(boost::system::error_code& ec) { ec = {}; }

    private:
        value_type& body_;
    };
};

}  // namespace fulmar::net
