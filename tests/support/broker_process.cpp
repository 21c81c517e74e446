#include "tests/support/broker_process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace fulmar::test {

namespace {

using namespace std::chrono_literals;

std::string program()
{
    if (char const* const named = std::getenv("FULMAR_BIN"))
        return named;
#ifdef FULMAR_DEFAULT_BIN
    return FULMAR_DEFAULT_BIN;
#else
    throw std::runtime_error("FULMAR_BIN must name the fulmar program");
#endif
}

std::string read_file(std::filesystem::path const& path)
{
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// A socket of `type` bound to the port; negative if somebody has it.
int bind_to(std::uint16_t port, int type)
{
    int const fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(fd, reinterpret_cast<sockaddr const*>(&at), sizeof at) == 0)
        return fd;
    ::close(fd);
    return -1;
}

bool claim(std::uint16_t port)
{
    int const claimed = bind_to(port, SOCK_DGRAM);
    if (claimed < 0)
        return false;
    int const probe = bind_to(port, SOCK_STREAM);
    ::close(probe < 0 ? claimed : probe);
    return probe >= 0;
}

// A port that the kernel never gives to an outgoing connection. It stays ours over a restart: the UDP port of the same
// number is held until this process ends, and every test asks for that one first. From a place of this process's own, so
// that tests that run side by side seldom meet.
std::uint16_t free_port()
{
    static int given = 0;
    int first_ephemeral = 32'768;
    std::ifstream{"/proc/sys/net/ipv4/ip_local_port_range"} >> first_ephemeral;
    auto const least = std::min(10'000, first_ephemeral - 2'000);
    for (int attempt = 0; attempt < 1'000; ++attempt) {
        auto const place = (std::int64_t{::getpid()} * 97 + given++) % (first_ephemeral - least);
        auto const port = static_cast<std::uint16_t>(least + place);
        if (claim(port))
            return port;
    }
    throw std::runtime_error("no free port");
}

// Starts `command`; `log` (may be empty) receives its output. The child dies with this process.
pid_t spawn(std::vector<std::string> const& command, std::filesystem::path const& log)
{
    std::vector<char*> argv;
    for (auto const& word : command)
        argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    // FULMAR_... variables are settings of the broker; those of the tests are not for it.
    std::vector<char*> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        if (!std::string_view{*entry}.starts_with("FULMAR_"))
            environment.push_back(*entry);
    }
    environment.push_back(nullptr);
    auto const output = log.empty() ? std::filesystem::path{"/dev/null"} : log;
    pid_t const child = ::fork();
    if (child != 0)
        return child;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    int const fd = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(fd, STDOUT_FILENO);
    ::dup2(fd, STDERR_FILENO);
    ::execvpe(argv[0], argv.data(), environment.data());
    ::_exit(127);
}

}  // namespace

bool wait_until(std::function<bool()> const& condition, std::chrono::milliseconds limit)
{
    auto const deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

scratch_directory::scratch_directory()
{
    auto name = (std::filesystem::temp_directory_path() / "fulmar-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
        throw std::runtime_error("cannot make a directory for the test");
    path_ = name;
}

scratch_directory::~scratch_directory()
{
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

broker_process::broker_process(settings with) : settings_(std::move(with))
{
    if (char const* const shards = std::getenv("FULMAR_TEST_SHARDS"))
        settings_.emplace("node.shards", shards);
    for (char const* const listener : {"mqtt", "http", "grpc", "admin"})
        wanted_ports_[listener] = free_port();
    start();
}

broker_process::~broker_process()
{
    kill();
    if (::testing::Test::HasFailure())
        std::cerr << "---- broker log\n" << log() << "----\n";
}

std::filesystem::path broker_process::ports_file() const
{
    return directory_.path() / ("ports-" + std::to_string(starts_) + ".json");
}

std::vector<std::string> broker_process::arguments() const
{
    std::vector<std::string> command{program(), "serve", "--data-dir", (directory_.path() / "data").string()};
    for (auto const& [listener, port] : wanted_ports_) {
        command.push_back("--" + listener + "-port");
        command.push_back(std::to_string(port));
    }
    command.push_back("--ports-file");
    command.push_back(ports_file().string());
    for (auto const& [key, value] : settings_) {
        command.push_back("--set");
        command.push_back(key + "=" + value);
    }
    return command;
}

// {"mqtt":1883,...}
bool broker_process::read_ports()
{
    if (!std::filesystem::exists(ports_file()))
        return false;
    auto text = read_file(ports_file());
    if (text.find('}') == std::string::npos)
        return false;
    for (char& c : text) {
        if (std::string_view{"{}\":,"}.find(c) != std::string_view::npos)
            c = ' ';
    }
    std::istringstream in(text);
    std::string listener;
    for (std::uint16_t port = 0; in >> listener >> port;)
        ports_[listener] = port;
    return true;
}

void broker_process::start()
{
    ++starts_;
    ports_.clear();
    process_ = spawn(arguments(), directory_.path() / "broker.log");
    bool ended = false;
    bool const listening = wait_until([&] {
        ended = ::waitpid(process_, nullptr, WNOHANG) == process_;
        return ended || read_ports();
    });
    if (ended)
        process_ = -1;
    if (ended || !listening) {
        kill();
        throw std::runtime_error("the broker does not start:\n" + log());
    }
}

void broker_process::kill()
{
    if (process_ <= 0)
        return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
}

int broker_process::terminate()
{
    ::kill(process_, SIGTERM);
    return wait_exit();
}

int broker_process::wait_exit()
{
    int status = 0;
    if (!wait_until([&] { return ::waitpid(process_, &status, WNOHANG) == process_; })) {
        kill();
        return -1;
    }
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string broker_process::uri(std::string const& scheme, std::string const& listener, std::string const& path) const
{
    return scheme + "://127.0.0.1:" + std::to_string(port(listener)) + path;
}

std::string broker_process::log() const { return read_file(directory_.path() / "broker.log"); }

void run_program(std::vector<std::string> const& command)
{
    pid_t const child = spawn(command, {});
    int status = 0;
    ::waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        throw std::runtime_error(command.front() + " failed");
}

test_certificates::test_certificates(std::filesystem::path const& directory)
    : ca(directory / "ca.pem"),
      server_cert(directory / "server.pem"),
      server_key(directory / "server.key"),
      client_cert(directory / "client.pem"),
      client_key(directory / "client.key")
{
    auto const ca_key = (directory / "ca.key").string();
    auto const names = (directory / "names.cnf").string();
    std::ofstream{names} << "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
    auto const request = [&](std::string const& name, std::string const& key, std::string const& certificate) {
        auto const csr = certificate + ".csr";
        run_program({"openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                     key, "-out", csr, "-subj", "/CN=" + name});
        run_program({"openssl", "x509", "-req", "-in", csr, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days",
                     "30", "-extfile", names, "-out", certificate});
    };
    run_program({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-keyout", ca_key, "-out", ca, "-days", "30", "-subj", "/CN=fulmar test authority"});
    request("localhost", server_key, server_cert);
    request("device-1", client_key, client_cert);
}

}  // namespace fulmar::test
