#include "tests/unit/bench/load/scripted_peer.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <array>

namespace fulmar::load {

namespace {

constexpr std::int64_t patience_ns = 5'000'000'000;
constexpr std::int64_t short_turn_ns = 2'000'000;

}  // namespace

void scripted_peer::listen()
{
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_, any, size) != 0 || ::listen(listener_, 8) != 0 || getsockname(listener_, any, &size) != 0)
        ADD_FAILURE() << "the scripted peer cannot listen";
    port_ = ntohs(address.sin_port);
}

scripted_peer::~scripted_peer()
{
    if (socket_ >= 0)
        close(socket_);
    close(listener_);
}

void scripted_peer::take()
{
    all_->turn(monotonic_ns() + short_turn_ns);
    if (socket_ < 0) {
        socket_ = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        int const on = 1;
        if (socket_ >= 0)
            setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    std::array<char, 4096> bytes;
    auto const got = socket_ < 0 ? -1 : recv(socket_, bytes.data(), bytes.size(), 0);
    if (got > 0)
        heard_.append(bytes.data(), static_cast<std::size_t>(got));
}

std::string scripted_peer::hears(std::string_view end)
{
    for (auto const until = monotonic_ns() + patience_ns; monotonic_ns() < until; take()) {
        auto const at = heard_.find(end);
        if (at == heard_.npos)
            continue;
        auto said = heard_.substr(0, at + end.size());
        heard_.erase(0, said.size());
        return said;
    }
    ADD_FAILURE() << "did not hear '" << end << "' but '" << heard_ << "'";
    return {};
}

std::string scripted_peer::hears_frame()
{
    for (auto const until = monotonic_ns() + patience_ns; monotonic_ns() < until; take()) {
        auto const byte = [this](std::size_t i) { return static_cast<unsigned char>(heard_[i]); };
        if (heard_.size() < 2)
            continue;
        std::size_t length = byte(1) & 0x7FU;
        auto const header = length == 126 ? 4U : 2U;
        if (length == 126 && heard_.size() >= 4)
            length = static_cast<std::size_t>(byte(2) << 8 | byte(3));
        if (heard_.size() < header + 4 + length)
            continue;
        std::string text;
        for (std::size_t i = 0; i < length; ++i)
            text.push_back(static_cast<char>(byte(header + 4 + i) ^ byte(header + i % 4)));
        heard_.erase(0, header + 4 + length);
        return text;
    }
    ADD_FAILURE() << "heard no frame";
    return {};
}

void scripted_peer::says(std::string_view bytes)
{
    for (auto const each : bytes) {
        ASSERT_EQ(send(socket_, &each, 1, MSG_NOSIGNAL), 1);
        all_->turn(monotonic_ns() + short_turn_ns);
    }
}

void scripted_peer::says_frame(std::string_view text)
{
    std::string frame{"\x81"};
    if (text.size() < 126) {
        frame.push_back(static_cast<char>(text.size()));
    } else {
        frame.append(
            {static_cast<char>(126), static_cast<char>(text.size() >> 8), static_cast<char>(text.size() & 0xFF)});
    }
    says(frame.append(text));
}

}  // namespace fulmar::load
