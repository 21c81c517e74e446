#include "frontends/cli/target.hpp"

#include "broker/development_app.hpp"
#include "broker/settings.hpp"
#include "frontends/net/http_access.hpp"

#include <filesystem>

namespace fulmar::cli {

namespace {

[[nodiscard]] bool on_this_machine(std::string_view host)
{
    return host == "localhost" || host == "::1" || host.starts_with("127.");
}

[[nodiscard]] std::string encoded(std::string_view text, std::string_view also)
{
    constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (auto const c : text) {
        if (plain.find(c) != std::string_view::npos || also.find(c) != std::string_view::npos) {
            out += c;
            continue;
        }
        auto const byte = static_cast<unsigned char>(c);
        ((out += '%') += digits[byte >> 4U]) += digits[byte & 15U];
    }
    return out;
}

[[nodiscard]] std::string basic(std::string const& name, std::string const& secret)
{
    std::string out = "Basic ";
    net::append_base64(out, name + ":" + secret);
    return out;
}

// The development app of a broker that was started here. It is never created here, and never sent elsewhere.
void use_development_app(std::string const& data_dir, target& out)
{
    std::error_code unreadable;
    auto const file = std::filesystem::path{data_dir} / "development-app.toml";
    if (!on_this_machine(out.address.host) || !std::filesystem::exists(file, unreadable))
        return;
    auto const app = broker::development_app(data_dir);
    if (!app || app->keys.empty())
        return;
    out.authorization = basic(app->keys.front().key, app->keys.front().secret);
    out.identity = "the development app in " + file.string();
}

[[nodiscard]] failure usage(std::string what) { return {exit_code::usage, std::move(what)}; }

}  // namespace

std::string encoded_path(std::string_view text) { return encoded(text, "/$@:"); }
std::string encoded_value(std::string_view text) { return encoded(text, ""); }

attempt<target> address_of(std::string url)
{
    if (url.find("://") == std::string::npos)
        url.insert(0, "http://");
    while (url.ends_with('/'))
        url.pop_back();
    auto address = broker::parse_web_address(url);
    if (!address || address->target.find('?') != std::string::npos)
        return usage("'" + url + "' is no address of a broker: write http://host:port or https://host:port");
    target out;
    out.base = address->target == "/" ? "" : address->target;
    out.address = std::move(*address);
    out.url = std::move(url);
    return out;
}

attempt<target> find_target(client_arguments const& arguments, environment const& variables)
{
    auto const either = [&](std::string const& flag, char const* name) {
        return flag.empty() ? variables(name) : flag;
    };
    auto url = either(arguments.url, "FULMAR_URL");
    auto found = address_of(url.empty() ? std::string{default_url} : std::move(url));
    if (!found)
        return found;
    auto out = std::move(*found);
    out.cacert = either(arguments.cacert, "FULMAR_CACERT");
    // A credential on the command line is meant: what the environment holds does not mix with it.
    auto const flags = !arguments.key.empty() || !arguments.secret.empty() || !arguments.token.empty();
    auto const key = flags && arguments.key.empty() ? "" : either(arguments.key, "FULMAR_KEY");
    auto const secret = !arguments.token.empty() ? arguments.secret : either(arguments.secret, "FULMAR_SECRET");
    auto const token = flags ? arguments.token : variables("FULMAR_TOKEN");
    if (!arguments.token.empty() && (!arguments.key.empty() || !arguments.secret.empty()))
        return usage("--token and --key are two identities: give one");
    if (!token.empty()) {
        if (token.find_first_of(" \t\r\n") != std::string::npos)
            return usage("the token has white space in it: it is not whole, or more than that");
        out.authorization = "Bearer " + token;
        out.identity = flags ? "the token of --token" : "the token in FULMAR_TOKEN";
    } else if (!key.empty()) {
        if (secret.empty())
            return usage("a key needs its secret: --secret, or FULMAR_SECRET (a user name needs its password there)");
        out.authorization = basic(key, secret);
        out.identity = "key '" + key + "' " + (arguments.key.empty() ? "in FULMAR_KEY" : "of --key");
    } else if (!arguments.secret.empty()) {
        return usage("a secret needs its key: --key, or FULMAR_KEY");
    } else {
        use_development_app(arguments.data_dir, out);
    }
    return out;
}

}  // namespace fulmar::cli
