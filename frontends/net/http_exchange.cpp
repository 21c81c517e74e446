#include "frontends/net/http_exchange.hpp"

#include "frontends/net/http_problem.hpp"
#include "frontends/net/http_router.hpp"

namespace fulmar::net {

http_exchange::~http_exchange()
{
    if (open())
        answer(problem_response(500, "the request was not answered"));
}

void http_exchange::answer(http_response const& response)
{
    if (auto* const connection = std::exchange(connection_, nullptr))
        connection->complete(response);
}

void http_exchange::stream(http_response const& head, http_stream_factory const& make)
{
    if (auto* const connection = std::exchange(connection_, nullptr))
        connection->hand_over(head, make);
}

void http_responder::stream(http_response head, http_stream_factory const& make) const
{
    exchange_->stream(head, make);
}

void http_responder::send(http_response response) const { exchange_->answer(response); }

bool http_responder::gone() const noexcept { return !exchange_->open(); }

}  // namespace fulmar::net
