// An HTTP server on a thread of its own that gives its answers in order, whatever it is asked.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace fulmar::net::test {

class answering_server
{
public:
    // What ends with this leaves its connection open and unread until the server goes.
    static constexpr auto silence = "(silence)";

    // One answer for each request; "" closes without one, and so does an answer whose end cannot be known otherwise.
    explicit answering_server(std::vector<std::string> answers) : answers_{std::move(answers)}
    {
        thread_ = std::thread{[this] { serve(); }};
    }
    ~answering_server()
    {
        boost::system::error_code ignored;
        {
            std::lock_guard const lock{mutex_};
            ending_ = true;
            if (current_ != nullptr)
                current_->shutdown(boost::asio::ip::tcp::socket::shutdown_both, ignored);
        }
        boost::asio::io_context io;
        boost::asio::ip::tcp::socket wake{io};
        wake.connect(acceptor_.local_endpoint(), ignored);
        thread_.join();
    }
    answering_server(answering_server const&) = delete;
    answering_server& operator=(answering_server const&) = delete;

    [[nodiscard]] std::string url(std::string const& path = "/") const
    {
        return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + path;
    }
    [[nodiscard]] int accepted() const
    {
        std::lock_guard const lock{mutex_};
        return accepted_;
    }
    [[nodiscard]] std::vector<std::string> requests() const
    {
        std::lock_guard const lock{mutex_};
        return requests_;
    }

private:
    using tcp = boost::asio::ip::tcp;

    void serve()
    {
        std::vector<std::unique_ptr<tcp::socket>> silent;
        for (;;) {
            auto peer = std::make_unique<tcp::socket>(io_);
            boost::system::error_code error;
            acceptor_.accept(*peer, error);
            {
                std::lock_guard const lock{mutex_};
                if (error || ending_)
                    return;
                ++accepted_;
                current_ = peer.get();
            }
            auto const keep = converse(*peer);
            std::lock_guard const lock{mutex_};
            current_ = nullptr;
            if (keep)
                silent.push_back(std::move(peer));
        }
    }

    // True: this connection falls silent.
    bool converse(tcp::socket& peer)
    {
        boost::system::error_code error;
        boost::asio::streambuf in;
        for (;;) {
            auto const size = boost::asio::read_until(peer, in, "\r\n\r\n", error);
            if (error)
                return false;
            auto const begin = boost::asio::buffers_begin(in.data());
            std::string answer;
            {
                std::lock_guard const lock{mutex_};
                requests_.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(size));
                if (next_ == answers_.size())
                    return false;
                answer = answers_[next_++];
            }
            in.consume(size);
            auto const silent = answer.ends_with(silence);
            if (silent)
                answer.resize(answer.size() - std::string_view{silence}.size());
            boost::asio::write(peer, boost::asio::buffer(answer), error);
            if (silent)
                return true;
            if (answer.empty() || answer.find("Content-Length") == std::string::npos)
                return false;
        }
    }

    std::vector<std::string> const answers_;
    boost::asio::io_context io_;
    tcp::acceptor acceptor_{io_, {boost::asio::ip::address_v4::loopback(), 0}};
    mutable std::mutex mutex_;
    std::size_t next_ = 0;
    int accepted_ = 0;
    std::vector<std::string> requests_;
    tcp::socket* current_ = nullptr;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace fulmar::net::test
