#include "broker/config_check.hpp"

#include "broker/config_apps.hpp"
#include "broker/config_history.hpp"
#include "broker/web_address.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

namespace fulmar::broker {
namespace {

int address_family(std::string const& address) noexcept
{
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    if (inet_pton(AF_INET, address.c_str(), bytes.data()) == 1)
        return AF_INET;
    return inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1 ? AF_INET6 : AF_UNSPEC;
}

struct named_listener
{
    std::string_view name;
    listener_settings const* listener;
    bool tls;
};

std::array<named_listener, 7> all_listeners(settings const& s)
{
    return {{{"mqtt", &s.listeners.mqtt, false},
             {"mqtts", &s.listeners.mqtts, true},
             {"http", &s.listeners.http, false},
             {"https", &s.listeners.https, true},
             {"grpc", &s.listeners.grpc, false},
             {"grpcs", &s.listeners.grpcs, true},
             {"admin", &s.listeners.admin, false}}};
}

class checker
{
public:
    explicit checker(configuration& c) : c_{c}, s_{c.values} {}

    void run()
    {
        for (auto const& l : all_listeners(s_)) {
            if (l.listener->enabled)
                check_listener(l);
        }
        check_ports();
        check_tls();
        check_files();
        check_names();
        for (auto const& network : s_.proxy_protocol.trusted) {
            if (!valid_network(network))
                problem("proxy_protocol.trusted", "'" + network + "' is neither an address nor a network",
                        "write \"192.168.1.7\" or \"10.0.0.0/8\"");
        }
        check_origins("mqtt.allowed_origins", s_.mqtt.allowed_origins);
        check_origins("http.allowed_origins", s_.http.allowed_origins);
        check_jwt();
        check_history(c_);
    }

private:
    void problem(std::string_view key, std::string what, std::string remedy)
    {
        c_.problems.push_back({c_.origin(key), std::string{key} + ": " + std::move(what), std::move(remedy)});
    }

    static std::string key_of(named_listener const& l, std::string_view what)
    {
        return "listeners." + std::string{l.name} + "." + std::string{what};
    }

    void check_listener(named_listener const& l)
    {
        auto const& address = l.listener->address;
        if (address != "localhost" && address_family(address) == AF_UNSPEC)
            return problem(key_of(l, "address"), "'" + address + "' is not an IP address",
                           "write an address such as 127.0.0.1, 0.0.0.0 or ::, or localhost");
        if (!is_loopback(address))
            check_exposure(l);
        if (l.tls && (s_.tls.cert.empty() || s_.tls.key.empty()))
            problem(key_of(l, "enabled"), "needs a certificate", "set tls.cert and tls.key, or disable this listener");
    }

    // Others can reach this listener: it must be decided who may use it.
    void check_exposure(named_listener const& l)
    {
        auto const what = "binds to " + l.listener->address + ", which others can reach, ";
        if (l.name == "admin") {
            if (!s_.admin.allow_remote)
                problem(key_of(l, "address"), what + "and the admin listener asks for no credentials",
                        "bind it to 127.0.0.1, or protect the port and set admin.allow_remote = true");
            return;
        }
        bool const certificates = l.tls && s_.tls.client_certificates == client_certificates::required;
        if (s_.access.password_file.empty() && !certificates && s_.mqtt.allow_anonymous != anonymous_policy::everybody)
            problem(key_of(l, "address"), what + "but no credentials are configured",
                    "set access.password_file (fulmar user add), or tls.client_certificates = \"required\" on a TLS "
                    "listener, "
                    "or mqtt.allow_anonymous = true to let everybody in");
    }

    void check_ports()
    {
        auto const listeners = all_listeners(s_);
        for (std::size_t i = 0; i < listeners.size(); ++i) {
            for (std::size_t j = i + 1; j < listeners.size(); ++j) {
                auto const& a = *listeners[i].listener;
                auto const& b = *listeners[j].listener;
                if (a.enabled && b.enabled && a.port != 0 && a.port == b.port && overlap(a.address, b.address))
                    problem(key_of(listeners[j], "port"),
                            "port " + std::to_string(b.port) + " is also that of listeners." +
                                std::string{listeners[i].name},
                            "give each listener a port of its own");
            }
        }
    }

    static bool overlap(std::string const& a, std::string const& b)
    {
        auto const any = [](std::string const& address) { return address == "0.0.0.0" || address == "::"; };
        return a == b || any(a) || any(b) || (is_loopback(a) && is_loopback(b));
    }

    void check_tls()
    {
        auto const& t = s_.tls;
        if (t.cert.empty() != t.key.empty())
            problem(t.cert.empty() ? "tls.key" : "tls.cert", "one of tls.cert and tls.key is missing", "set both");
        if (t.client_certificates != client_certificates::no && t.client_ca.empty())
            problem("tls.client_certificates", "clients cannot be verified without authorities", "set tls.client_ca");
        if (t.client_certificates == client_certificates::no && !t.client_ca.empty())
            c_.warnings.push_back({c_.origin("tls.client_ca"), "tls.client_ca has no effect",
                                   "set tls.client_certificates = \"optional\" or \"required\""});
        bool const tls_listener =
            s_.listeners.mqtts.enabled || s_.listeners.https.enabled || s_.listeners.grpcs.enabled;
        if (!t.cert.empty() && !tls_listener)
            c_.warnings.push_back(
                {c_.origin("tls.cert"), "tls.cert has no effect",
                 "set listeners.mqtts.enabled, listeners.https.enabled or listeners.grpcs.enabled = true"});
    }

    void check_files()
    {
        for (std::string_view const key :
             {"tls.cert", "tls.key", "tls.client_ca", "access.password_file", "access.acl_file"}) {
            auto const path = std::get<std::string*>(find_setting(key)->field(c_.values));
            if (path->empty())
                continue;
            auto const file = open(path->c_str(), O_RDONLY | O_CLOEXEC);
            if (file < 0)
                problem(key, "'" + *path + "' cannot be read: " + std::strerror(errno),
                        key == "access.password_file" ? "create it with: fulmar user add NAME"
                                                      : "check the name and the rights");
            else
                close(file);
        }
    }

    void check_names()
    {
        if (s_.node.name.empty() || s_.node.name.size() > 255)
            problem("node.name", "is empty or longer than 255 bytes", "give the node a short name");
        if (s_.node.data_dir.empty())
            problem("node.data_dir", "is empty", "name a directory");
        check_apps(c_);
    }

    void check_origins(std::string_view key, std::vector<std::string> const& origins)
    {
        for (auto const& origin : origins) {
            if (origin != "*" && origin.find("://") == std::string::npos)
                problem(key, "'" + origin + "' is not an origin", "write \"https://example.org\" or \"*\"");
            else if (origin != "*" && std::ranges::count(origin, '/') != 2)
                problem(key, "'" + origin + "' has a path", "write scheme, host and port only");
        }
    }

    void check_jwt()
    {
        auto const& jwt = s_.jwt;
        if (jwt.algorithm.empty()) {
            if (!jwt.key_file.empty() || !jwt.jwks_file.empty() || !jwt.jwks_url.empty())
                problem("jwt.algorithm", "is not chosen, so that no token is accepted",
                        "write HS256, RS256, ES256 or EdDSA");
            return;
        }
        constexpr std::array<std::string_view, 4> known{"HS256", "RS256", "ES256", "EdDSA"};
        if (std::ranges::find(known, jwt.algorithm) == known.end())
            problem("jwt.algorithm", "'" + jwt.algorithm + "' is not supported", "write HS256, RS256, ES256 or EdDSA");
        auto const sources =
            (jwt.key_file.empty() ? 0 : 1) + (jwt.jwks_file.empty() ? 0 : 1) + (jwt.jwks_url.empty() ? 0 : 1);
        if (sources != 1)
            problem(jwt.key_file.empty() ? "jwt.algorithm" : "jwt.key_file", "needs one source of keys",
                    "set one of jwt.key_file, jwt.jwks_file and jwt.jwks_url");
        if (!jwt.jwks_url.empty())
            check_jwks_url();
    }

    // Whoever can change what is fetched makes the tokens: not over a wire without TLS, and no secrets this way.
    void check_jwks_url()
    {
        auto const where = parse_web_address(s_.jwt.jwks_url);
        if (!where)
            problem("jwt.jwks_url", "'" + s_.jwt.jwks_url + "' is no web address",
                    "write \"https://id.example/.well-known/jwks.json\"");
        else if (!where->tls && !is_loopback(where->host))
            problem("jwt.jwks_url",
                    "'" + where->host + "' would be asked without TLS, where others can change the answer",
                    "write \"https://\"; \"http://\" is for addresses of this machine");
        if (s_.jwt.algorithm == "HS256")
            problem("jwt.jwks_url", "is for public keys, and HS256 has a secret",
                    "set jwt.key_file, or choose RS256, ES256 or EdDSA");
    }

    configuration& c_;
    settings const& s_;
};

}  // namespace

bool valid_network(std::string const& text) noexcept
{
    auto const slash = text.find('/');
    auto const family = address_family(text.substr(0, slash));
    if (family == AF_UNSPEC || slash == std::string::npos)
        return family != AF_UNSPEC;
    unsigned bits = 0;
    auto const* const end = text.data() + text.size();
    auto const [rest, error] = std::from_chars(text.data() + slash + 1, end, bits);
    return error == std::errc{} && rest == end && bits <= (family == AF_INET ? 32U : 128U);
}

bool is_loopback(std::string const& address) noexcept
{
    return address == "localhost" || address == "::1" ||
           (address_family(address) == AF_INET && address.starts_with("127."));
}

anonymous_policy effective_anonymous(settings const& s) noexcept
{
    if (s.mqtt.allow_anonymous != anonymous_policy::automatic)
        return s.mqtt.allow_anonymous;
    bool const credentials = !s.access.password_file.empty() || s.tls.client_certificates != client_certificates::no;
    return credentials ? anonymous_policy::nobody : anonymous_policy::loopback;
}

void check_configuration(configuration& c) { checker{c}.run(); }

}  // namespace fulmar::broker
