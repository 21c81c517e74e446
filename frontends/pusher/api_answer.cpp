#include "frontends/pusher/api_answer.hpp"

#include "frontends/pusher/channel_name.hpp"
#include "frontends/pusher/event.hpp"

#include "broker/topic.hpp"

namespace fulmar::pusher {

net::http_response json_answer(std::string body, unsigned status)
{
    return {status, "application/json", {}, std::move(body)};
}

net::http_response error_answer(unsigned status, std::string_view why, unsigned retry_after_s)
{
    std::string body = "{\"error\":";
    append_json_string(body, broker::valid_utf8(why) ? why : "the request is malformed");
    body += "}";
    auto answer = json_answer(std::move(body), status);
    if (retry_after_s != 0)
        answer.headers.push_back({"Retry-After", std::to_string(retry_after_s)});
    return answer;
}

void append_attributes(std::string& out, channel_state const& channel, channel_attributes const& wanted)
{
    auto const kind = classify(channel.name);
    std::string_view between;
    out += "{";
    if (wanted.user_count && kind.access == channel_access::presence) {
        out.append("\"user_count\":").append(std::to_string(channel.user_count));
        between = ",";
    }
    if (wanted.subscription_count) {
        out.append(between).append("\"subscription_count\":").append(std::to_string(channel.subscription_count));
        between = ",";
    }
    if (wanted.cache && kind.cache) {
        out.append(between).append("\"cache\":");
        if (channel.cached) {
            out += "{\"data\":";
            append_json_string(out, broker::valid_utf8(channel.cached->payload()) ? channel.cached->payload() : "");
            out.append(",\"ttl\":").append(std::to_string(channel.cached_ttl_s)).append("}");
        } else {
            out += "null";
        }
    }
    out += "}";
}

}  // namespace fulmar::pusher
