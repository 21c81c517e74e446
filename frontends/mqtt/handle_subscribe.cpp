// SUBSCRIBE and UNSUBSCRIBE: refusals are decided here, everything else by the session; one code per filter, in order
// (§3.8 - §3.11).
#include "broker/topic.hpp"
#include "frontends/mqtt/protocol_state.hpp"
#include "frontends/net/http_query.hpp"
#include "frontends/net/message_json.hpp"

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

// What the user properties of a SUBSCRIBE ask of the past. `since` goes before `history`, as everywhere.
struct asked_history
{
    std::optional<broker::starting_point> past;
    std::string_view problem;  // why not; then nothing of the packet is subscribed
};

constexpr std::string_view asked_shared = "a shared subscription has no history";

asked_history read_history(user_properties const& from, broker::wall_ms now)
{
    using kind = broker::starting_point::kind;
    asked_history asked;
    std::optional<broker::starting_point> newest;
    for (auto const& property : from) {
        auto const since = property.name == "since";
        if (!since && property.name != "history")
            continue;
        if (since ? asked.past.has_value() : newest.has_value())
            return {{}, "history and since may each be given once"};
        if (since) {
            asked.past = net::parse_since(property.value, now);
            if (!asked.past)
                return {{}, "since is neither a position nor a time"};
            continue;
        }
        auto const count = net::parse_number(property.value, broker::history_newest_max);
        if (!count)
            return {{}, "history is no count of at most 1000"};
        newest.emplace();
        if (*count > 0)
            *newest = {kind::newest, 0, 0, static_cast<std::size_t>(*count)};
    }
    if (!asked.past)
        asked.past = newest;
    return asked;
}

// One user property for each filter of the packet, if history was asked for.
std::vector<broker::user_property> history_granted(std::span<reason_code const> codes,
                                                   std::span<broker::subscribe_outcome const> outcomes)
{
    using history = broker::subscribe_outcome::history;
    std::vector<broker::user_property> out;
    if (std::all_of(outcomes.begin(), outcomes.end(), [](auto const& each) { return each.past == history::not_asked; }))
        return out;
    auto next = outcomes.begin();
    for (auto const code : codes) {
        std::string value = "none";
        if (next != outcomes.end() && !is_error(code)) {  // what the protocol refused has no outcome
            if (!next->error && next->past >= history::from)
                value = (next->past == history::from_gap ? "gap " : "") + net::cursor_text(next->after);
            ++next;
        }
        out.push_back({"history", std::move(value)});
    }
    return out;
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
    auto const history = read_history(p.user, home().wall());
    auto problem = history.problem;
    for (auto const& asked : p.subscriptions) {
        codes.push_back(history.problem.empty() ? judge(asked) : reason_code::implementation_specific_error);
        if (history.past && !is_error(codes.back()) && broker::parse_shared(asked.filter)) {
            codes.back() = reason_code::implementation_specific_error;
            problem = asked_shared;
        }
        if (is_error(codes.back()))
            continue;
        auto options = asked.options;
        options.level = std::min(options.level, static_cast<qos>(context_.settings.max_qos));
        wanted.push_back({std::string{asked.filter}, options, 0});
    }
    if (wanted.empty()) {
        auto& out = scratch();
        if (encode_suback(p.id, codes, peer_, out, {.reason_string = problem}))
            transmit(out);
        return;
    }
    if (wanted.size() < codes.size())
        more().partial.push_back({p.id, packet_type::suback, std::move(codes), problem});
    request_opened();
    session_->subscribe(p.id, std::move(wanted), history.past);
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
    auto const refused = take_refusals(id, packet_type::suback);
    auto codes = refused.codes;
    if (codes.empty())
        codes.resize(outcomes.size(), reason_code::success);
    auto const history = history_granted(codes, outcomes);
    auto next = outcomes.begin();
    for (auto& code : codes)
        if (!is_error(code) && next != outcomes.end())
            code = code_of(*next++);
    auto& out = scratch();
    if (!encode_suback(id, codes, peer_, out, {.reason_string = refused.why, .user = history}))
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
        more().partial.push_back({p.id, packet_type::unsuback, std::move(codes), {}});
    request_opened();
    session_->unsubscribe(p.id, std::move(filters));
}

void protocol::on_unsubscribed(packet_id id, std::span<bool const> existed)
{
    auto codes = take_refusals(id, packet_type::unsuback).codes;
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

partial_answer protocol::take_refusals(packet_id id, packet_type type)
{
    if (!extras_)
        return {};
    auto& waiting = extras_->partial;
    auto const found = std::find_if(waiting.begin(), waiting.end(),
                                    [&](partial_answer const& one) { return one.id == id && one.answer == type; });
    if (found == waiting.end())
        return {};
    auto answer = std::move(*found);
    waiting.erase(found);
    return answer;
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
