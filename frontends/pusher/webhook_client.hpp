// Port: one POST to somewhere outside, and what came of it.
//
// Owner:    webhook_sender. The implementation (webhook_client.cpp) is an adapter of net::http_client.
// Threads:  the sender's own.
// Limits:   answer_wait_s for everything from looking up the name to the end of the answer; of the answer only the status
//           counts, and at most answer_bytes_max of it are read. Redirections are not followed.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace fulmar::pusher {

inline constexpr unsigned webhook_answer_wait_s = 10;
inline constexpr std::size_t webhook_answer_bytes_max = 64 * 1024;

struct webhook_request
{
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
};

struct webhook_answer
{
    unsigned status = 0;  // 0: none
    std::string problem;  // then: why
    [[nodiscard]] bool delivered() const noexcept { return status >= 200 && status < 300; }
};

class webhook_client
{
public:
    virtual ~webhook_client() = default;
    // `done` is called once, later, unless the client is destroyed first.
    virtual void post(webhook_request request, std::function<void(webhook_answer)> done) = 0;
};

// Certificates are verified against the authorities of the system (SSL_CERT_FILE names others).
[[nodiscard]] std::unique_ptr<webhook_client> make_webhook_client(boost::asio::io_context& io);

}  // namespace fulmar::pusher
