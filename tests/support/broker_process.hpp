// A real fulmar process for tests: started on free ports, killed, restarted, and ended whatever happens to the test.
//
// The program is $FULMAR_BIN, else the one of this build. $FULMAR_TEST_SHARDS sets the number of shards.
//
// Owner:    the test.
// Threads:  one.
#pragma once

#include <sys/types.h>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace fulmar::test {

inline constexpr std::chrono::seconds patience{60};

// Polls `condition`; false if it did not come true in time.
[[nodiscard]] bool wait_until(std::function<bool()> const& condition, std::chrono::milliseconds limit = patience);

// A directory that is removed at the end.
class scratch_directory
{
public:
    scratch_directory();
    ~scratch_directory();
    scratch_directory(scratch_directory const&) = delete;
    scratch_directory& operator=(scratch_directory const&) = delete;

    [[nodiscard]] std::filesystem::path const& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

class broker_process
{
public:
    // "section.key" and value, given as --set.
    using settings = std::map<std::string, std::string>;

    // Starts it and waits until it listens; throws std::runtime_error with its log if it does not.
    explicit broker_process(settings with = {});
    // Kills it; prints its log if the current test has failed.
    ~broker_process();
    broker_process(broker_process const&) = delete;
    broker_process& operator=(broker_process const&) = delete;

    void kill();                    // kill -9
    [[nodiscard]] int terminate();  // SIGTERM; the exit code, or -1 if it had to be killed
    void start();                   // again, on the same data and the same mqtt, http and admin ports
    void restart()
    {
        kill();
        start();
    }

    [[nodiscard]] std::uint16_t port(std::string const& listener) const { return ports_.at(listener); }
    [[nodiscard]] std::string uri(std::string const& scheme, std::string const& listener,
                                  std::string const& path = {}) const;
    [[nodiscard]] std::string log() const;
    [[nodiscard]] std::filesystem::path const& directory() const noexcept { return directory_.path(); }

private:
    [[nodiscard]] std::vector<std::string> arguments() const;
    [[nodiscard]] std::filesystem::path ports_file() const;
    [[nodiscard]] bool read_ports();
    [[nodiscard]] int wait_exit();

    scratch_directory directory_;
    settings settings_;
    std::map<std::string, std::uint16_t> wanted_ports_;
    std::map<std::string, std::uint16_t> ports_;
    int starts_ = 0;
    pid_t process_ = -1;
};

// Runs a program to its end; throws std::runtime_error if it fails.
void run_program(std::vector<std::string> const& command);

// A certificate authority with a server certificate for 127.0.0.1 and localhost and one client certificate.
struct test_certificates
{
    explicit test_certificates(std::filesystem::path const& directory);

    std::string ca, server_cert, server_key, client_cert, client_key;
};

}  // namespace fulmar::test
