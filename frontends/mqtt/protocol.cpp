#include "frontends/mqtt/protocol.hpp"

#include "broker/session_table.hpp"
#include "frontends/mqtt/protocol_state.hpp"
#include "frontends/mqtt/publish_variant.hpp"

namespace fulmar::mqtt {

namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

// What a shared frame may have beyond the payload and properties that the largest accepted packet carries: a full
// topic name where the publisher sent an alias, and headers.
constexpr std::size_t shared_frame_slack = 70'000;

template <class... Handlers>
struct overloaded : Handlers...
{
    using Handlers::operator()...;
};
template <class... Handlers>
overloaded(Handlers...) -> overloaded<Handlers...>;

reason_code reason_of(broker::session_end why)
{
    switch (why) {
    case broker::session_end::taken_over: return reason_code::session_taken_over;
    case broker::session_end::slow_consumer: return reason_code::quota_exceeded;
    case broker::session_end::kicked: return reason_code::administrative_action;
    case broker::session_end::not_authorized: return reason_code::not_authorized;
    case broker::session_end::shutting_down: return reason_code::server_shutting_down;
    case broker::session_end::store_failed: break;
    }
    return reason_code::unspecified_error;
}

}  // namespace

protocol::protocol(frontend_context const& context, net::wire& wire) : context_{context}, wire_{wire}
{
    wire_.set_deadline(milliseconds{context_.settings.connect_timeout_ms});
}

protocol::~protocol() { on_closed(false); }

// --- bytes in ------------------------------------------------------------------------------------

std::size_t protocol::on_bytes(std::span<char const> in)
{
    check_rules();
    std::size_t used = 0;
    while (used < in.size() && stage_ != stage::closed && !publishes_waiting_ && !requests_waiting_) {
        auto const step = take_packet(in.subspan(used));
        if (step == 0)
            break;
        used += step;
    }
    if (used > 0)
        heard_ = home().now();
    return stage_ == stage::closed ? in.size() : used;
}

// Handles the first packet of `in` and returns its size; 0: it is not complete.
std::size_t protocol::take_packet(std::span<char const> in)
{
    switch (stage_) {
    case stage::awaiting_connect: return take_connect(in);
    case stage::connecting: return 0;
    case stage::exchanging: return take_exchange(in);
    case stage::closed: return in.size();
    case stage::connected: break;
    }
    auto found = decode(in, peer_.version, {context_.settings.maximum_packet_size});
    if (found.status == decode_status::needs_more)
        return 0;
    if (found.status == decode_status::malformed) {
        on_malformed(found.error);
        return in.size();
    }
    home().metrics().packets_in.add();
    on_packet(found.content);
    return found.consumed;
}

void protocol::on_packet(packet& p)
{
    std::visit(overloaded{
                   [](std::monostate) {},
                   [](connect_packet const&) {},  // the decoder calls a second CONNECT malformed
                   [this](publish_packet const& what) { on_publish(what); },
                   [this](ack_packet const& what) { on_acknowledge(what); },
                   [this](subscribe_packet const& what) { on_subscribe(what); },
                   [this](unsubscribe_packet const& what) { on_unsubscribe(what); },
                   [this](pingreq_packet const&) {
                       auto& out = scratch();
                       encode_pingresp(out);
                       transmit(out);
                   },
                   [this](disconnect_packet const& what) { on_disconnect(what); },
                   [this](auth_packet const& what) { on_auth(what); },
               },
               p);
}

void protocol::on_malformed(decode_error const& error)
{
    home().metrics().protocol_errors.add();
    close_with(error.reason, error.text());
}

// The access rules were reloaded: what this client may do is asked again, before its next packet is looked at.
void protocol::check_rules()
{
    auto const generation = context_.rules_generation.load(std::memory_order_relaxed);
    if (generation == rules_seen_ || stage_ != stage::connected)
        return;
    rules_seen_ = generation;
    auto allowed = context_.authenticator.current_permissions(session_->user(), session_->client_id());
    if (!allowed)
        return close_with(reason_code::not_authorized, "the credentials are no longer valid");
    session_->set_permissions(std::move(allowed));
}

// --- the end of the connection -------------------------------------------------------------------

void protocol::close_with(reason_code reason, std::string_view what)
{
    auto& out = scratch();
    bool const redirected = reason == reason_code::use_another_server || reason == reason_code::server_moved;
    explanation const why{.reason_string = what};
    if (stage_ == stage::connected &&
        encode_disconnect(reason, peer_, out, why,
                          redirected ? context_.settings.server_reference : std::string_view{}))
        transmit(out);
    leave_session(true, std::nullopt);
    shut(what);
}

void protocol::shut(std::string_view what)
{
    stage_ = stage::closed;
    handshake_.reset();
    extras_.reset();
    if (!what.empty())
        report(what);
    wire_.close();
}

void protocol::leave_session(bool publish_will, std::optional<std::uint32_t> expiry_s)
{
    if (auto* const left = std::exchange(session_, nullptr))
        left->disconnect(publish_will, expiry_s);
}

void protocol::on_closed(bool)
{
    if (handshake_ && handshake_->claim != 0)
        home().sessions().cancel(handshake_->claim);
    stage_ = stage::closed;
    leave_session(true, std::nullopt);
    handshake_.reset();
    extras_.reset();
}

void protocol::on_session_end(broker::session_end why)
{
    session_ = nullptr;
    auto reason = reason_of(why);
    auto const& settings = context_.settings;
    if (why == broker::session_end::shutting_down && settings.redirect != redirection::none)
        reason =
            settings.redirect == redirection::permanently ? reason_code::server_moved : reason_code::use_another_server;
    bool const expected = why == broker::session_end::taken_over || why == broker::session_end::shutting_down;
    auto& out = scratch();
    bool const redirected = reason == reason_code::use_another_server || reason == reason_code::server_moved;
    if (encode_disconnect(reason, peer_, out, {}, redirected ? settings.server_reference : std::string_view{}))
        transmit(out);
    shut(expected ? std::string_view{} : to_string(reason));
}

void protocol::report(std::string_view what) const
{
    if (context_.report)
        context_.report(wire_.remote(), what);
}

// --- deadlines -----------------------------------------------------------------------------------

void protocol::on_deadline()
{
    switch (stage_) {
    case stage::awaiting_connect: return shut("no CONNECT arrived in time");
    case stage::connecting:
        return refuse_connect(reason_code::server_unavailable, "CONNECT could not be decided in time");
    case stage::exchanging: return refuse_connect(reason_code::not_authorized, "authentication took too long");
    case stage::connected: return on_idle();
    case stage::closed: return;
    }
}

// One and a half Keep Alive without a packet [MQTT-3.1.2-22]. The deadline is not moved with every packet: it looks
// back.
void protocol::on_idle()
{
    if (keep_alive_s_ == 0)
        return;
    auto const allowed_for = milliseconds{keep_alive_s_ * 1500};
    bool const not_read = publishes_waiting_ || requests_waiting_;
    auto const silent_for = not_read ? milliseconds{0} : duration_cast<milliseconds>(home().now() - heard_);
    if (silent_for < allowed_for)
        return wire_.set_deadline(allowed_for - silent_for);
    home().metrics().keep_alive_timeouts.add();
    close_with(reason_code::keep_alive_timeout, "no packet within one and a half keep-alive intervals");
}

void protocol::arm_keep_alive(std::uint16_t keep_alive_s)
{
    keep_alive_s_ = keep_alive_s;
    heard_ = home().now();
    wire_.set_deadline(milliseconds{keep_alive_s_ * 1500});
}

// --- flow control --------------------------------------------------------------------------------

void protocol::on_drained()
{
    if (session_ != nullptr)
        session_->on_drained();
}

bool protocol::describe(net::client_description& out) const
{
    if (session_ == nullptr)
        return false;
    out.protocol = "mqtt";
    out.app = session_->app();
    out.user = session_->user();
    out.client_id = session_->client_id();
    return true;
}

void protocol::end_by_administrator()
{
    if (session_ != nullptr)
        home().sessions().condemn(*session_, broker::session_end::kicked);
}

void protocol::pause(bool& reason)
{
    if (std::exchange(reason, true))
        return;
    wire_.pause_reading();
}

void protocol::ease(bool& reason)
{
    if (!std::exchange(reason, false))
        return;
    heard_ = home().now();  // it could not be heard while it was not read from
    wire_.resume_reading();
}

protocol::extras& protocol::more()
{
    if (!extras_)
        extras_ = std::make_unique<extras>(context_.settings.topic_alias_maximum);
    return *extras_;
}

// --- bytes out -----------------------------------------------------------------------------------

void protocol::transmit(std::string_view head, std::string_view tail, std::shared_ptr<void const> keep)
{
    home().metrics().packets_out.add();
    wire_.send(head, tail, std::move(keep));
}

std::size_t protocol::backlog_bytes() const noexcept { return wire_.backlog_bytes(); }

broker::wire_variant const* protocol::shared_variant() const noexcept
{
    // A shared frame is not measured for each receiver.
    if (peer_.maximum_packet_size < std::size_t{context_.settings.maximum_packet_size} + shared_frame_slack)
        return nullptr;
    return &context_.variants.get(peer_.version, wire_.framing());
}

void protocol::take_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t first_frame)
{
    wire_.send_run(run, first_byte, first_frame);
}

}  // namespace fulmar::mqtt
