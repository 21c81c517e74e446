#include "frontends/grpc/grpc_connection.hpp"

#include "frontends/grpc/call_desk.hpp"

namespace fulmar::grpc {

grpc_connection::grpc_connection(net::wire& wire, call_desk& desk, call_server& server, connection_id id)
    : wire_{wire}, desk_{desk}, server_{server}, id_{id}
{
    desk_.add(id_, *this);
}

void grpc_connection::is_used_by(broker::identity const& who) { caller_ = {who.app, who.user}; }

bool grpc_connection::describe(net::client_description& out) const
{
    if (!caller_)
        return false;
    out.protocol = "grpc";
    out.transport = "http2";
    out.app = caller_->app;
    out.user = caller_->user;
    return true;
}

void grpc_connection::end_by_administrator()
{
    desk_.wind_up(id_, status_code::unavailable, "an administrator has ended the connection");
    wire_.set_deadline(farewell);
}

void grpc_connection::on_closed(bool /*clean*/)
{
    desk_.remove(id_);
    server_.forget(id_);
}

}  // namespace fulmar::grpc
