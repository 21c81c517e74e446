// One verified request to the HTTP API, from the check of its signature until its answer.
//
// Owner:    shared by whatever the request waits for.
// Threads:  shard-owned.
#pragma once

#include "frontends/pusher/api_answer.hpp"
#include "frontends/pusher/api_shard.hpp"
#include "frontends/pusher/query.hpp"

#include <functional>
#include <memory>

namespace fulmar::pusher {

class api_request
{
public:
    api_request(http_api& api, api_shard& here, broker::app_snapshot apps, broker::app const& app,
                net::http_request&& request, net::http_responder responder);
    ~api_request();
    api_request(api_request const&) = delete;
    api_request& operator=(api_request const&) = delete;

    [[nodiscard]] http_api& api() noexcept { return api_; }
    [[nodiscard]] api_shard& here() noexcept { return here_; }
    [[nodiscard]] broker::app const& app() const noexcept { return app_; }
    [[nodiscard]] net::http_request const& message() const noexcept { return request_; }
    query parameters;  // as verified

    void succeed(std::string body, broker::counter api_metrics::*counted, unsigned status = 200);
    void refuse(unsigned status, std::string_view why, unsigned retry_after_s = 0);

private:
    http_api& api_;
    api_shard& here_;
    broker::app_snapshot const apps_;  // keeps app_ alive
    broker::app const& app_;
    net::http_request const request_;
    net::http_responder const responder_;
};

using api_request_ptr = std::shared_ptr<api_request>;

// Counts a refusal and puts it into words.
[[nodiscard]] net::http_response counted_error(api_metrics& metrics, unsigned status, std::string_view why,
                                               unsigned retry_after_s = 0);

// --- what is done with a verified request (handle_*.cpp) -----------------------------------------------------------
void post_event(api_request_ptr const& request);
void post_batch(api_request_ptr const& request);
void post_event_deprecated(api_request_ptr const& request);
void get_channels(api_request_ptr const& request);
void get_channel(api_request_ptr const& request);
void get_users(api_request_ptr const& request);
void get_stats_deprecated(api_request_ptr const& request);
void post_termination(api_request_ptr const& request);

}  // namespace fulmar::pusher
