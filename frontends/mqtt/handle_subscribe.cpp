// SUBSCRIBE and UNSUBSCRIBE: refusals are decided here, everything else by the session; one code per filter, in order
// (§3.8 - §3.11).
#include "broker/topic.hpp"
#include "frontends/mqtt/protocol_state.hpp"

#include <algorithm>

namespace fulmar::mqtt {

namespace {

bool valid_filter(std::string_view filter)
{
    auto const shared = broker::parse_shared(filter);
    return broker::valid_topic_filter(shared ? shared->filter : filter) && (!shared || !shared->filter.empty());
}

reason_code code_of(broker::subscribe_outcome const& outcome)
{
    if (outcome.error)
        return reason_for(outcome.error, packet_type::suback);
    return static_cast<reason_code>(outcome.granted);
}

}  // namespace

void protocol::on_subscribe(subscribe_packet const& p)
{
    if (auto const missing = unsupported(p); is_error(missing)) {
        home().metrics().protocol_errors.add();
        return close_with(missing, "SUBSCRIBE asks for what CONNACK said is not available");
    }
    std::vector<reason_code> codes;
    std::vector<broker::subscription> wanted;
    codes.reserve(p.subscriptions.size());
    wanted.reserve(p.subscriptions.size());
    for (auto const& asked : p.subscriptions) {
        codes.push_back(judge(asked));
        if (is_error(codes.back()))
            continue;
        auto options = asked.options;
        options.level = std::min(options.level, static_cast<qos>(context_.settings.max_qos));
        wanted.push_back({std::string{asked.filter}, options, 0});
    }
    if (wanted.empty()) {
        auto& out = scratch();
        if (encode_suback(p.id, codes, peer_, out))
            transmit(out);
        return;
    }
    if (wanted.size() < codes.size())
        more().partial.push_back({p.id, packet_type::suback, std::move(codes)});
    request_opened();
    session_->subscribe(p.id, std::move(wanted));
}

// A feature that is switched off: the whole packet is a protocol error [MQTT 5.0 §3.2.2.3.11 - 13].
reason_code protocol::unsupported(subscribe_packet const& p) const
{
    auto const& settings = context_.settings;
    if (!v5())
        return reason_code::success;  // answered per filter by judge
    if (p.identifier != 0 && !settings.subscription_identifiers_available)
        return reason_code::subscription_identifiers_not_supported;
    for (auto const& asked : p.subscriptions) {
        if (!settings.shared_subscriptions_available && broker::parse_shared(asked.filter))
            return reason_code::shared_subscriptions_not_supported;
        if (!settings.wildcards_available && broker::has_wildcard(asked.filter))
            return reason_code::wildcard_subscriptions_not_supported;
    }
    return reason_code::success;
}

reason_code protocol::judge(requested_subscription const& wanted) const
{
    auto const& settings = context_.settings;
    auto const shared = broker::parse_shared(wanted.filter);
    if (!valid_filter(wanted.filter))
        return reason_code::topic_filter_invalid;
    if (shared && !settings.shared_subscriptions_available)
        return reason_code::shared_subscriptions_not_supported;
    if (broker::has_wildcard(wanted.filter) && !settings.wildcards_available)
        return reason_code::wildcard_subscriptions_not_supported;
    auto const* const allowed = session_->allowed();
    if (allowed == nullptr || !allowed->may_subscribe(shared ? shared->filter : wanted.filter))
        return reason_code::not_authorized;
    return reason_code::success;
}

void protocol::on_subscribed(packet_id id, std::span<broker::subscribe_outcome const> outcomes)
{
    auto codes = take_refusals(id, packet_type::suback);
    if (codes.empty())
        codes.resize(outcomes.size(), reason_code::success);
    auto next = outcomes.begin();
    for (auto& code : codes)
        if (!is_error(code) && next != outcomes.end())
            code = code_of(*next++);
    auto& out = scratch();
    if (!encode_suback(id, codes, peer_, out))
        return close_with(reason_code::packet_too_large, "SUBACK exceeds the client's Maximum Packet Size");
    transmit(out);
    request_answered();
}

void protocol::on_unsubscribe(unsubscribe_packet const& p)
{
    std::vector<reason_code> codes;
    std::vector<std::string> filters;
    for (auto const filter : p.filters) {
        codes.push_back(valid_filter(filter) ? reason_code::success : reason_code::topic_filter_invalid);
        if (!is_error(codes.back()))
            filters.emplace_back(filter);
    }
    if (filters.empty()) {
        auto& out = scratch();
        if (encode_unsuback(p.id, codes, peer_, out))
            transmit(out);
        return;
    }
    if (filters.size() < codes.size())
        more().partial.push_back({p.id, packet_type::unsuback, std::move(codes)});
    request_opened();
    session_->unsubscribe(p.id, std::move(filters));
}

void protocol::on_unsubscribed(packet_id id, std::span<bool const> existed)
{
    auto codes = take_refusals(id, packet_type::unsuback);
    if (codes.empty())
        codes.resize(existed.size(), reason_code::success);
    auto next = existed.begin();
    for (auto& code : codes)
        if (!is_error(code) && next != existed.end())
            code = *next++ ? reason_code::success : reason_code::no_subscription_existed;
    auto& out = scratch();
    if (!encode_unsuback(id, codes, peer_, out))
        return close_with(reason_code::packet_too_large, "UNSUBACK exceeds the client's Maximum Packet Size");
    transmit(out);
    request_answered();
}

std::vector<reason_code> protocol::take_refusals(packet_id id, packet_type type)
{
    if (!extras_)
        return {};
    auto& waiting = extras_->partial;
    auto const found = std::find_if(waiting.begin(), waiting.end(),
                                    [&](partial_answer const& one) { return one.id == id && one.answer == type; });
    if (found == waiting.end())
        return {};
    auto codes = std::move(found->codes);
    waiting.erase(found);
    return codes;
}

// A client that asks faster than it can be answered is not read from for a while.
void protocol::request_opened()
{
    if (++requests_open_ >= requests_open_max)
        pause(requests_waiting_);
}

void protocol::request_answered()
{
    if (--requests_open_ < requests_open_max / 2)
        ease(requests_waiting_);
}

}  // namespace fulmar::mqtt
