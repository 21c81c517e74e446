// One HTTP/1.1 connection to a broker, plain or TLS, used by one command: whole answers, and answers without an end.
//
// net::http_client, waited for.
//
// Owner:    a command, on its stack.
// Threads:  the main thread; every function waits until it is done, its time is over or a signal has come.
// Limits:   answer_bytes_max bytes of a whole answer; patience for its head, and again for its body.
// Cost:     a connection is kept and used again.
#pragma once

#include "frontends/cli/failure.hpp"
#include "frontends/cli/target.hpp"

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace fulmar::cli {

struct http_question
{
    std::string method = "GET";
    std::string path;  // with the query, percent-encoded
    std::string body = {};
    std::vector<std::pair<std::string, std::string>> fields = {};
};

struct http_answer
{
    unsigned status = 0;
    std::string body;
};

class http_client
{
public:
    static constexpr std::size_t answer_bytes_max = 64 * 1024 * 1024;
    static constexpr std::chrono::seconds patience{30};

    explicit http_client(target where);
    ~http_client();
    http_client(http_client const&) = delete;
    http_client& operator=(http_client const&) = delete;

    [[nodiscard]] target const& where() const noexcept;

    // From now on SIGINT and SIGTERM end what is waited for, and interrupted() says so.
    void catch_signals();
    [[nodiscard]] bool interrupted() const noexcept;
    // False: interrupted.
    [[nodiscard]] bool pause(std::chrono::milliseconds how_long);

    // A whole answer, whatever its status. Is asked again, once, if a connection that was used before has been closed:
    // requests that change something carry an Idempotency-Key.
    [[nodiscard]] attempt<http_answer> ask(http_question const& question);

    // Begins an answer without an end; its body is empty if the status is 200, and whole otherwise.
    [[nodiscard]] attempt<http_answer> open(http_question const& question);
    // Some of its bytes, waiting for them; 0: it has ended, or was interrupted. Fails if the connection is lost.
    [[nodiscard]] attempt<std::size_t> read(std::span<char> into);

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

// What an answer other than success means for the user.
[[nodiscard]] failure refusal_of(target const& where, http_answer const& answer);

}  // namespace fulmar::cli
