#include "frontends/net/conformance.hpp"

#include "frontends/net/http_router.hpp"

namespace fulmar::net {

namespace {

constexpr std::size_t conformance_bytes_max = 64 * 1024 * 1024;

class echo final : public message_protocol
{
public:
    explicit echo(message_wire& connection) : wire_(connection) {}

    void on_message(websocket_opcode kind, std::string_view payload) override
    {
        wire_.send_message(kind, payload);  // the connection stops reading while too much waits
    }
    void on_deadline() override {}
    void on_closed(bool) override {}

private:
    message_wire& wire_;
};

}  // namespace

void add_conformance_routes(http_router& routes)
{
    websocket_route route;
    route.settings.message_bytes_max = conformance_bytes_max;
    route.settings.compress_above = 0;
    route.allowed_origins = {"*"};
    route.messages = [](message_wire& inner, http_request const&, std::string_view) {
        return std::make_unique<echo>(inner);
    };
    routes.upgrade("/echo", std::move(route));
    for (auto const* path : {"/echo", "/conformance"}) {
        routes.get(path, [](http_request const& request) {
            return http_response{200, "text/plain; charset=utf-8", {}, "GET " + request.target + "\n"};
        });
        routes.post(
            path,
            [](http_request const& request) {
                auto const type = request.header("Content-Type");
                return http_response{
                    200, type.empty() ? "application/octet-stream" : std::string{type}, {}, request.body};
            },
            conformance_bytes_max);
    }
}

}  // namespace fulmar::net
