// One non-blocking byte stream: a TCP socket, or TLS on one. A view: it owns nothing.
//
// Threads:  shard-owned.
// Cost:     plain: one system call per read and write, whatever the number of pieces.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace fulmar::net {

enum class io_status : std::uint8_t {
    done,         // all of it
    would_block,  // `bytes` of it (may be zero); go on when the socket is ready again
    ended,        // the peer ended its side
    failed,       // the connection is lost
};

struct io_result
{
    io_status status = io_status::done;
    std::size_t bytes = 0;
};

class tls_session;

// How much of what was written the peer's machine has acknowledged. Both numbers count from the same unknown place.
struct delivery_receipt
{
    std::optional<std::uint64_t> written;  // `acknowledged` of a later receipt, once that machine has it all; if known
    std::uint64_t acknowledged = 0;

    [[nodiscard]] bool complete() const noexcept { return written && acknowledged >= *written; }
};

class stream
{
public:
    explicit stream(int fd, tls_session* tls = nullptr) noexcept : fd_(fd), tls_(tls) {}

    // `done` says that something was read; fewer bytes than asked for mean that a plain socket is empty now.
    [[nodiscard]] io_result read(std::span<char> into);
    [[nodiscard]] io_result write(std::span<iovec const> pieces);
    // Something that counts as written still waits for the socket: write again, also without pieces, when it is ready.
    [[nodiscard]] bool holds_unsent() const noexcept;
    // Two system calls. Says nothing of what the socket has not taken yet.
    [[nodiscard]] delivery_receipt receipt() const noexcept;

private:
    int fd_;
    tls_session* tls_;
};

}  // namespace fulmar::net
