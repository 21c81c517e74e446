#include "tests/support/core_broker.hpp"

#include "broker/reader_sessions.hpp"

#include <boost/asio/post.hpp>

namespace fulmar::test {

using namespace fulmar::broker;

core_broker::core::core(core_broker& owner, std::size_t shards, broker::limits const& with)
    : node{with, owner.clock, owner.store, retained}
{
    node.shard_count = shards;
    for (std::size_t i = 0; i < shards; ++i)
        node.shards.push_back(std::make_unique<broker::shard>(static_cast<shard_id>(i), node));
}

core_broker::core_broker(std::size_t shards, broker::limits const& with) : shards_{shards}, limits_{with} { start(); }

core_broker::~core_broker() { settle(); }

void core_broker::start()
{
    core_ = std::make_unique<core>(*this, shards_, limits_);
    recovery_sink sink;
    sink.retained = [this](message_ptr m) { core_->retained.set(std::move(m)); };
    sink.group = [this](recovered_group&& group) {
        shard(static_cast<std::uint64_t>(group.group) % shards_).sessions().restore_group(std::move(group));
    };
    sink.session = [this](recovered_session&& stored) {
        if (!reader_sessions::restore(core_->node, stored))
            shard(0).sessions().restore(std::move(stored));
    };
    store.recover(sink);
    settle();
}

void core_broker::settle()
{
    for (std::size_t done = 1; done != 0;) {
        done = 0;
        for (auto& s : core_->node.shards) {
            s->io().restart();
            done += s->io().poll();
        }
    }
}

void core_broker::advance(std::chrono::milliseconds by)
{
    clock.advance(by);
    for (auto& s : core_->node.shards)
        s->tick();
    settle();
}

void core_broker::kill_and_restart()
{
    store.restart();
    core_.reset();
    start();
}

std::uint64_t core_broker::dropped(drop_reason why)
{
    std::uint64_t sum = 0;
    for (auto& s : core_->node.shards)
        sum += s->metrics().dropped[static_cast<std::size_t>(why)].get();
    return sum;
}

message_ptr core_broker::make(std::string_view topic, std::string_view payload, int level, bool retain,
                              std::uint64_t publisher)
{
    message_fields fields;
    fields.topic = topic;
    fields.payload = payload;
    fields.level = static_cast<qos>(level);
    fields.retain = retain;
    fields.publisher = publisher;
    return message::make(std::move(fields));
}

void core_broker::publish(std::size_t on, message_ptr m)
{
    shard(on).routes().publish({std::move(m), {}, 0, {}, 0});
    settle();
}

core_client::core_client(core_broker& broker, std::size_t shard, std::string id)
    : broker_{broker}, shard_{shard}, id_{std::move(id)}
{
}

core_client::~core_client()
{
    if (session_ != nullptr)
        disconnect();
}

core_client& core_client::connect(connect_options options)
{
    claim_request request;
    request.client_id = id_;
    request.user = options.user;
    request.clean_start = options.clean;
    request.settings.receive_maximum = options.receive_maximum;
    request.settings.expiry_s = options.expiry_s;
    request.settings.will = options.will;
    ended.reset();
    auto& table = broker_.shard(shard_).sessions();
    table.claim(std::move(request), *this, [this, &table](result<claim_result> got) {
        if (!got) {
            refused = got.error();
            return;
        }
        session_ = got->resumed;
        present = got->present;
        table.begin(*session_);
    });
    broker_.settle();
    return *this;
}

core_client& core_client::subscribe(std::string filter, int level)
{
    subscription wanted;
    wanted.filter = std::move(filter);
    wanted.options.level = static_cast<qos>(level);
    granted.clear();
    session_->subscribe(++next_id_, {wanted});
    broker_.settle();
    return *this;
}

core_client& core_client::unsubscribe(std::string filter)
{
    session_->unsubscribe(++next_id_, {std::move(filter)});
    broker_.settle();
    return *this;
}

core_client& core_client::publish(std::string_view topic, std::string_view payload, int level)
{
    session_->publish(core_broker::make(topic, payload, level, false, session_->publisher_hash()),
                      level == 0 ? packet_id{0} : ++next_id_);
    broker_.settle();
    return *this;
}

void core_client::disconnect(bool publish_will)
{
    auto* const s = std::exchange(session_, nullptr);
    alive_ = std::make_shared<int>(0);
    unacknowledged_.clear();
    s->disconnect(publish_will, {});
    broker_.settle();
}

void core_client::acknowledge_everything()
{
    acknowledge_received();
    broker_.settle();
}

void core_client::acknowledge_received()
{
    for (auto const& [id, level] : std::exchange(unacknowledged_, {}))
        (void)session_->acknowledge(level == qos::at_least_once ? acknowledgement::puback : acknowledgement::pubrec, id,
                                    false);
}

void core_client::later(std::function<void()> work)
{
    boost::asio::post(broker_.shard(shard_).io(), [work = std::move(work), alive = std::weak_ptr<int>{alive_}] {
        if (!alive.expired())
            work();
    });
}

bool core_client::send_publish(outgoing const& p)
{
    received.push_back(std::string{p.retain ? "!" : ""} + (p.duplicate ? "+" : "") + std::string{p.message->topic()} +
                       "=" + std::string{p.message->payload()});
    ids.push_back(p.id);
    if (p.level == qos::at_most_once)
        return true;
    unacknowledged_.emplace_back(p.id, p.level);
    if (acknowledges)
        later([this] { acknowledge_received(); });
    return true;
}

void core_client::send_pubrel(packet_id id)
{
    answers.push_back("pubrel " + std::to_string(id));
    if (acknowledges)
        later([this, id] { (void)session_->acknowledge(acknowledgement::pubcomp, id, false); });
}

void core_client::on_published(packet_id id, qos level, publish_outcome const& outcome)
{
    answers.push_back((level == qos::at_least_once ? "puback " : "pubrec ") + std::to_string(id) +
                      (outcome.error ? " " + outcome.error.message() : ""));
}

void core_client::on_released(packet_id id, error_code error)
{
    answers.push_back("pubcomp " + std::to_string(id) + (error ? " " + error.message() : ""));
}

void core_client::on_subscribed(packet_id, std::span<subscribe_outcome const> outcomes)
{
    granted.assign(outcomes.begin(), outcomes.end());
}

void core_client::on_session_end(session_end why)
{
    session_ = nullptr;
    alive_ = std::make_shared<int>(0);
    unacknowledged_.clear();
    ended = why;
}

}  // namespace fulmar::test
