// The calls of the REST interface, one row each, and a request on its way through one.
//
// Owner:    operations() is constant; a rest_call is shared by whoever still has to do with it.
// Threads:  a rest_call belongs to the shard of its connection.
#pragma once

#include "broker/authenticator.hpp"
#include "frontends/net/http_query.hpp"
#include "frontends/net/http_router.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace fulmar::rest {

class rest_frontend;

struct rest_call
{
    rest_call(rest_frontend& serving, net::http_request&& asked, net::http_responder const& answer_to)
        : owner{serving}, request{std::move(asked)}, to{answer_to}
    {
    }

    rest_frontend& owner;
    net::http_request request;
    net::http_responder to;
    net::http_query query;
    broker::identity who;
    std::string repeatable_as;  // the entry of the idempotency window that waits for the answer

    void answer(net::http_response response);
    void answer_json(unsigned status, std::string body);
    void fail(unsigned status, std::string_view detail);
    void fail(broker::error_code error);

    // A topic in the path ("{topic*}"); fails the call if it is no valid name.
    [[nodiscard]] bool read_topic(std::string& out);
    // A count in the query; fails the call if it is none.
    [[nodiscard]] bool read_limit(std::size_t& out, std::size_t maximum);
    [[nodiscard]] std::string parameter(std::string_view name) const;
};
using call_ptr = std::shared_ptr<rest_call>;

enum class audience : std::uint8_t { everybody, identified, administrators };

struct operation
{
    std::string_view method;
    std::string_view path;
    std::string_view id;
    audience who = audience::identified;
    void (*run)(call_ptr const& call) = nullptr;
    bool takes_body = false;
    std::string_view summary;
    std::string_view query;     // its parameters, "name:type:what it means" separated by '|'
    std::string_view request;   // JSON schema of the body; empty: none
    std::string_view statuses;  // beside 200 and those that every call may have: "404 507"
};

[[nodiscard]] std::span<operation const> operations() noexcept;

// The OpenAPI document, made of operations().
[[nodiscard]] std::string const& openapi_document();

// One function per row.
void get_openapi(call_ptr const& call);
void post_publish(call_ptr const& call);
void post_batch(call_ptr const& call);
void post_ticket(call_ptr const& call);
void list_topics(call_ptr const& call);
void get_topic(call_ptr const& call);
void get_history(call_ptr const& call);
void get_presence(call_ptr const& call);
void get_retained(call_ptr const& call);
void delete_retained(call_ptr const& call);
void list_sessions(call_ptr const& call);
void get_session(call_ptr const& call);
void delete_session(call_ptr const& call);
void list_connections(call_ptr const& call);
void get_connection(call_ptr const& call);
void delete_connection(call_ptr const& call);
void delete_connections(call_ptr const& call);

}  // namespace fulmar::rest
