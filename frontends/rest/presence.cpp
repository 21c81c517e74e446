// GET /v1/presence/{topic}: the members of a presence channel.
#include "frontends/net/http_problem.hpp"
#include "frontends/rest/rest_frontend.hpp"

namespace fulmar::rest {

namespace {

void append_member(std::string& out, broker::channel_member const& member)
{
    out += "{\"id\":";
    net::append_json_text(out, member.id);
    if (!member.info_json.empty())
        out.append(",\"info\":").append(member.info_json);
    out.append(",\"connections\":").append(std::to_string(member.connections)).append("}");
}

}  // namespace

void get_presence(call_ptr const& call)
{
    std::string topic;
    if (!call->read_topic(topic))
        return;
    if (!call->who.allowed->may_receive(topic))
        return call->fail(403, "not allowed to read '" + topic + "'");
    call->owner.presence().members(
        *call->request.home, call->who.app, topic, [call, topic](broker::channel_members const& members) {
            if (!members)
                return call->fail(404, "only presence channels have members: their names begin with presence-");
            std::string body = "{\"topic\":";
            net::append_json_text(body, topic);
            body.append(",\"count\":").append(std::to_string(members->size())).append(",\"members\":[");
            for (auto const& member : *members) {
                body += &member == members->data() ? "" : ",";
                append_member(body, member);
            }
            call->answer_json(200, body + "]}");
        });
}

}  // namespace fulmar::rest
