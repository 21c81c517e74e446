#include "tests/support/fake_connection.hpp"

#include "tests/support/mqtt_test_broker.hpp"

namespace fulmar::test {

fake_connection::fake_connection(mqtt_test_broker& broker, std::size_t shard) : broker_{broker}, shard_{shard}
{
    broker_.connections.push_back(this);
    protocol_ = mqtt::make_protocol(broker_.context(), *this);
}

fake_connection::~fake_connection()
{
    lose();
    std::erase(broker_.connections, this);
}

broker::shard& fake_connection::home() noexcept { return broker_.shard(shard_); }

void fake_connection::feed(std::string_view bytes)
{
    tail_ += bytes;
    offered_ = false;
    work();
}

bool fake_connection::work()
{
    if (!protocol_)
        return false;
    bool const had_work = (!offered_ && paused_ == 0 && !tail_.empty()) || closing_;
    if (!closing_)
        deliver_to_protocol();
    if (closing_) {
        on_turn_end();
        home().withdraw(*this);
        protocol_->on_closed(false);
        protocol_.reset();
    }
    return had_work;
}

void fake_connection::deliver_to_protocol()
{
    if (offered_ || paused_ > 0 || tail_.empty())
        return;
    offered_ = true;
    auto const in = std::exchange(tail_, {});
    auto const used = protocol_->on_bytes({in.data(), in.size()});
    tail_ = in.substr(std::min(used, in.size()));
}

void fake_connection::lose()
{
    if (!protocol_)
        return;
    home().withdraw(*this);
    pieces_.clear();
    protocol_->on_closed(false);
    protocol_.reset();
}

void fake_connection::kill()
{
    if (protocol_)
        home().withdraw(*this);
    pieces_.clear();
    protocol_.reset();
}

void fake_connection::block()
{
    blocked_ = true;
    backlog_ = 0;
}

void fake_connection::unblock()
{
    blocked_ = false;
    if (protocol_)
        protocol_->on_drained();
}

void fake_connection::fire_deadline(broker::steady_time now)
{
    if (!protocol_ || closing_ || !deadline_ || *deadline_ > now)
        return;
    deadline_.reset();
    protocol_->on_deadline();
}

void fake_connection::on_turn_end()
{
    for (auto const& one : pieces_) {
        auto const before = received.size();
        if (one.run != nullptr)
            received.append(one.run->bytes.begin() + one.first_byte, one.run->bytes.end());
        else
            received += one.bytes;
        if (blocked_)
            backlog_ += received.size() - before;
    }
    pieces_.clear();
}

void fake_connection::send(std::string_view head, std::string_view tail, std::shared_ptr<void const>)
{
    pieces_.push_back({std::string{head}.append(tail), nullptr, 0});
    home().at_turn_end(*this);
}

void fake_connection::send_run(broker::frame_run const& run, std::uint32_t first_byte, std::uint32_t)
{
    pieces_.push_back({{}, &run, first_byte});
    home().at_turn_end(*this);
}

void fake_connection::close(std::uint16_t, std::string_view) { closing_ = true; }

void fake_connection::set_deadline(std::chrono::milliseconds after)
{
    deadline_ = after.count() == 0 ? std::optional<broker::steady_time>{} : broker_.clock.now() + after;
}

}  // namespace fulmar::test
