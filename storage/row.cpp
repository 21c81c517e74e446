#include "storage/row.hpp"

#include <storage.pb.h>

namespace fulmar::storage {

using namespace broker;

namespace {

template <class Row>
std::optional<Row> parse(std::string_view bytes)
{
    Row row;
    if (!row.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
        return std::nullopt;
    return row;
}

std::optional<qos> qos_of(std::uint32_t value)
{
    return value <= 2 ? std::optional{static_cast<qos>(value)} : std::nullopt;
}

void put_properties(message_properties const& from, Properties& to)
{
    if (from.payload_format)
        to.set_payload_format(*from.payload_format);
    if (from.correlation_data)
        to.set_correlation_data(*from.correlation_data);
    to.set_content_type(from.content_type);
    to.set_response_topic(from.response_topic);
    for (auto const& [name, value] : from.user) {
        auto& added = *to.add_user();
        added.set_name(name);
        added.set_value(value);
    }
}

message_properties take_properties(Properties const& from)
{
    message_properties to;
    if (from.has_payload_format())
        to.payload_format = static_cast<std::uint8_t>(from.payload_format());
    if (from.has_correlation_data())
        to.correlation_data = from.correlation_data();
    to.content_type = from.content_type();
    to.response_topic = from.response_topic();
    for (auto const& added : from.user())
        to.user.push_back({added.name(), added.value()});
    return to;
}

void put_will(will_record const& from, Will& to)
{
    to.set_topic(from.topic);
    to.set_payload(from.payload);
    to.set_qos(static_cast<std::uint32_t>(from.level));
    to.set_retain(from.retain);
    to.set_delay_s(from.delay_s);
    if (from.expiry_s)
        to.set_expiry_s(*from.expiry_s);
    put_properties(from.properties, *to.mutable_properties());
}

std::optional<will_record> take_will(Will const& from)
{
    auto const level = qos_of(from.qos());
    if (!level)
        return std::nullopt;
    will_record to;
    to.topic = from.topic();
    to.payload = from.payload();
    to.level = *level;
    to.retain = from.retain();
    to.delay_s = from.delay_s();
    if (from.has_expiry_s())
        to.expiry_s = from.expiry_s();
    to.properties = take_properties(from.properties());
    return to;
}

}  // namespace

std::string encode_session(session_record const& record)
{
    Session row;
    row.set_app(static_cast<std::uint32_t>(record.app));
    row.set_client_id(record.client_id);
    row.set_user(record.user);
    row.set_expiry_s(record.expiry_s);
    row.set_disconnected_at(record.disconnected_at);
    row.set_will_due(record.will_due);
    if (record.will)
        put_will(*record.will, *row.mutable_will());
    return row.SerializeAsString();
}

std::optional<session_record> decode_session(session_id id, std::string_view bytes)
{
    auto const row = parse<Session>(bytes);
    if (!row)
        return std::nullopt;
    session_record record;
    record.id = id;
    record.app = app_id{row->app()};
    record.client_id = row->client_id();
    record.user = row->user();
    record.expiry_s = row->expiry_s();
    record.disconnected_at = row->disconnected_at();
    record.will_due = row->will_due();
    if (row->has_will()) {
        record.will = take_will(row->will());
        if (!record.will)
            return std::nullopt;
    }
    return record;
}

std::string encode_subscription(subscription const& what)
{
    Subscription row;
    row.set_qos(static_cast<std::uint32_t>(what.options.level));
    row.set_no_local(what.options.no_local);
    row.set_retain_as_published(what.options.retain_as_published);
    row.set_retain_handling(static_cast<std::uint32_t>(what.options.retained));
    row.set_identifier(what.options.identifier);
    row.set_begin(what.begin);
    return row.SerializeAsString();
}

std::optional<subscription> decode_subscription(std::string_view filter, std::string_view bytes)
{
    auto const row = parse<Subscription>(bytes);
    auto const level = row ? qos_of(row->qos()) : std::nullopt;
    if (!level || row->retain_handling() > 2)
        return std::nullopt;
    subscription what;
    what.filter = filter;
    what.options.level = *level;
    what.options.no_local = row->no_local();
    what.options.retain_as_published = row->retain_as_published();
    what.options.retained = static_cast<retain_handling>(row->retain_handling());
    what.options.identifier = row->identifier();
    what.begin = row->begin();
    return what;
}

std::string encode_inflight(inflight_record const& record)
{
    Inflight row;
    row.set_state(static_cast<std::uint32_t>(record.state));
    row.set_qos(static_cast<std::uint32_t>(record.level));
    row.set_sequence(record.sequence);
    row.set_shared_group(static_cast<std::uint64_t>(record.shared_group));
    return row.SerializeAsString();
}

std::optional<inflight_record> decode_inflight(packet_id id, std::string_view bytes)
{
    auto const row = parse<Inflight>(bytes);
    auto const level = row ? qos_of(row->qos()) : std::nullopt;
    if (!level || row->state() > static_cast<std::uint32_t>(inflight_state::completed))
        return std::nullopt;
    return inflight_record{id, static_cast<inflight_state>(row->state()), *level, row->sequence(),
                           filter_hash{row->shared_group()}};
}

std::string encode_group(std::string_view filter, log_sequence cursor)
{
    Group row;
    row.set_filter(filter.data(), filter.size());
    row.set_cursor(cursor);
    return row.SerializeAsString();
}

std::optional<recovered_group> decode_group(filter_hash group, std::string_view bytes)
{
    auto const row = parse<Group>(bytes);
    if (!row)
        return std::nullopt;
    return recovered_group{group, row->filter(), row->cursor()};
}

std::string encode_checkpoint(checkpoint const& at)
{
    Checkpoint row;
    row.set_committed_at(at.committed_at);
    row.set_record_bytes(at.record_bytes);
    return row.SerializeAsString();
}

std::optional<checkpoint> decode_checkpoint(log_sequence sequence, std::string_view bytes)
{
    auto const row = parse<Checkpoint>(bytes);
    if (!row)
        return std::nullopt;
    return checkpoint{sequence, row->committed_at(), row->record_bytes()};
}

std::string encode_losses(std::vector<loss> const& losses)
{
    Losses row;
    for (auto const& each : losses) {
        auto& added = *row.add_loss();
        added.set_after(each.after);
        added.set_upto(each.upto);
        added.set_messages(each.messages);
    }
    return row.SerializeAsString();
}

std::optional<std::vector<loss>> decode_losses(std::string_view bytes)
{
    auto const row = parse<Losses>(bytes);
    if (!row)
        return std::nullopt;
    std::vector<loss> losses;
    for (auto const& each : row->loss())
        losses.push_back({each.after(), each.upto(), each.messages()});
    return losses;
}

}  // namespace fulmar::storage
