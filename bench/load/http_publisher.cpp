#include "bench/load/http_conversations.hpp"
#include "bench/load/http_wire.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <ctime>

namespace fulmar::load {

std::string authorization_lines(broker_address const& address)
{
    if (!address.token.empty())
        return "Authorization: Bearer " + address.token + "\r\n";
    if (!address.user.empty())
        return "Authorization: Basic " + base64_encoded(address.user + ":" + address.password) + "\r\n";
    return {};
}

void http_publisher::on_connected(client& c)
{
    c.http = std::make_unique<http_progress>();
    c.connack().receive_maximum = address_.pipeline;
    if (fixed_.empty())
        fixed_ = " HTTP/1.1\r\nHost: " + address_.host + ":" + std::to_string(address_.port) + "\r\n" +
                 (address_.speaks == protocol::rest ? authorization_lines(address_) : std::string{}) +
                 "Content-Length: ";
    all_.become_ready(c);
}

void http_publisher::post(client& c, std::string_view target, std::string_view type, std::string_view body,
                          std::uint16_t id)
{
    c.http->asked.push_back(id);
    auto& out = all_.out(c);
    out.append("POST ").append(target).append(fixed_).append(std::to_string(body.size()));
    out.append("\r\nContent-Type: ").append(type).append("\r\n\r\n").append(body);
}

void http_publisher::on_bytes(client& c, std::string_view& bytes)
{
    while (c.open() && !bytes.empty()) {
        auto const reply = read_http_reply(bytes);
        if (reply.bytes == 0)
            return;
        if (reply.bytes == malformed || c.http->asked.empty())
            return all_.drop(c, "an answer that is no HTTP/1.1 or that nobody asked for");
        if (reply.status < 200 || reply.status > 299)
            return all_.drop(c, "publish refused with status " + std::to_string(reply.status) + ": " +
                                    std::string{reply.body.substr(0, 200)});
        bytes.remove_prefix(reply.bytes);
        auto const id = c.http->asked.front();
        c.http->asked.pop_front();
        c.events->on_published(c, id);
    }
}

void rest_conversation::publish(client& c, std::string_view topic, std::string_view payload, std::uint8_t qos,
                                std::uint16_t id)
{
    if (target_.empty() || topic != topic_ || qos != qos_) {
        topic_ = topic;
        qos_ = qos;
        target_ = path_for(address_, "/v1/publish?topic={topic}&qos={qos}", topic, qos);
    }
    post(c, target_, "text/plain", payload, id);
}

namespace {

std::string hex(unsigned char const* bytes, std::size_t size)
{
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (std::size_t i = 0; i < size; ++i)
        out.append({digits[bytes[i] >> 4], digits[bytes[i] & 15]});
    return out;
}

std::string md5(std::string_view text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_Digest(text.data(), text.size(), digest, &size, EVP_md5(), nullptr);
    return hex(digest, size);
}

}  // namespace

std::string hmac_sha256(std::string_view key, std::string_view text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<unsigned char const*>(text.data()),
         text.size(), digest, &size);
    return hex(digest, size);
}

std::string signed_pusher_target(broker_address const& address, std::string_view body, std::int64_t unix_s)
{
    auto const path = "/apps/" + address.app_id + "/events";
    auto const query = "auth_key=" + address.key + "&auth_timestamp=" + std::to_string(unix_s) +
                       "&auth_version=1.0&body_md5=" + md5(body);
    auto const signature = hmac_sha256(address.secret, "POST\n" + path + "\n" + query);
    return path + "?" + query + "&auth_signature=" + signature;
}

void pusher_http_conversation::publish(client& c, std::string_view topic, std::string_view payload, std::uint8_t,
                                       std::uint16_t id)
{
    body_.assign(R"({"name":"m","channels":[")");
    for (auto const each : topic)
        body_.push_back(each == '/' ? '.' : each);
    body_.append(R"("],"data":")").append(payload).append("\"}");
    target_ = signed_pusher_target(address_, body_, std::time(nullptr));
    post(c, target_, "application/json", body_, id);
}

}  // namespace fulmar::load
