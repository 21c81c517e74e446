// Calls of every method with any bytes as messages, against the real core with the memory store.
//
// Input: steps of {operation, length (2 bytes, big-endian), bytes}: a call opens, says something, ends its side, has been
// written to, or is gone; time passes. As of gRPC, a message arrives only if it was ordered, and one write is under way at a
// time. Whatever the bytes are: no call writes before the write before was taken, or after it has finished.
#include "broker/presence_directory.hpp"
#include "frontends/grpc/call_desk.hpp"
#include "tests/unit/frontends/http_fixture.hpp"

#include <cstdint>
#include <cstdlib>
#include <map>

using namespace fulmar;

namespace {

constexpr std::size_t steps_max = 64;
constexpr std::size_t calls_max = 6;

void require(bool holds)
{
    if (!holds)
        std::abort();
}

struct some_presence final : broker::presence_directory
{
    void members(broker::shard&, broker::app_id, std::string channel,
                 std::function<void(broker::channel_members)> done) override
    {
        if (channel.starts_with("presence-"))
            return done(std::vector<broker::channel_member>{{"1", "{}", 1}});
        done(std::nullopt);
    }
};

// What gRPC's server knows of its calls.
class fake_server final : public grpc::order_taker
{
public:
    struct state
    {
        std::uint64_t ordered = 0;  // messages
        bool writing = false;
        bool finished = false;
        bool no_more = false;
    };

    void order(std::vector<grpc::call_order>&& orders) override
    {
        using kind = grpc::call_order::kind;
        for (auto& each : orders) {
            auto const found = calls.find(each.id);
            if (found == calls.end())
                continue;  // it has ended meanwhile
            auto& call = found->second;
            switch (each.what) {
            case kind::read: call.ordered += each.messages; break;
            case kind::write:
                require(!call.writing && !call.finished);
                call.writing = true;
                break;
            case kind::reply:
            case kind::finish: require(!call.finished); [[fallthrough]];
            case kind::cancel: call.finished = true; break;
            }
        }
    }

    std::map<grpc::call_id, state> calls;
};

struct bench : test::http_bench
{
    bench() : http_bench{1, {{{}, "h/#"}}}, around{access, presence, options()} {}

    [[nodiscard]] static grpc::grpc_options options()
    {
        grpc::grpc_options made;
        made.topics_max = 8;
        made.publish_window = 4;
        made.event_bytes_max = 1024;
        return made;
    }
    void tell(grpc::call_id id, grpc::call_event::kind what, std::string bytes = {},
              std::unique_ptr<grpc::call_opening> opening = {})
    {
        std::vector<grpc::call_event> events;
        events.push_back({what, id, std::move(bytes), std::move(opening)});
        desk.take(std::move(events));
        core.settle();
    }
    void open(unsigned which)
    {
        auto const all = grpc::methods();
        auto opening = std::make_unique<grpc::call_opening>();
        opening->method = which < all.size() ? std::string{all[which].path} : "/fulmar.v1.Broker/Other";
        opening->authority = "localhost";
        opening->authorization = "Basic a2V5OnNlY3JldA==";  // key:secret
        opening->from.peer_address = "127.0.0.1";
        opening->from.loopback = true;
        server.calls.emplace(++last, fake_server::state{});
        tell(last, grpc::call_event::kind::opened, {}, std::move(opening));
    }

    some_presence presence;
    grpc::call_surroundings around;
    fake_server server;
    grpc::call_desk desk{core.shard(0), around, server};
    grpc::call_id last = 0;
};

void step(bench& on, unsigned operation, std::string_view bytes)
{
    using kind = grpc::call_event::kind;
    auto const argument = operation / 8;
    if (operation % 8 < 2) {
        if (on.server.calls.size() < calls_max)
            on.open(argument % 16);
        return;
    }
    if (operation % 8 == 7) {
        on.core.advance(std::chrono::seconds{argument});
        return on.core.settle();
    }
    if (on.server.calls.empty())
        return;
    auto const at = std::next(on.server.calls.begin(), static_cast<std::ptrdiff_t>(argument % on.server.calls.size()));
    auto const id = at->first;
    auto& call = at->second;
    switch (operation % 8) {
    case 2:
    case 3:
        if (call.ordered == 0 || call.no_more || call.finished)
            return;
        --call.ordered;
        return on.tell(id, kind::message, std::string{bytes});
    case 4:
        if (std::exchange(call.no_more, true) || call.finished)
            return;
        return on.tell(id, kind::no_more);
    case 5:
        if (std::exchange(call.writing, false))
            on.tell(id, kind::written);
        return;
    default: on.server.calls.erase(at); return on.tell(id, kind::ended);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    std::string_view in{reinterpret_cast<char const*>(data), size};
    bench on;
    for (std::size_t steps = 0; steps < steps_max && in.size() >= 3; ++steps) {
        auto const wanted =
            static_cast<std::size_t>(static_cast<unsigned char>(in[1])) << 8U | static_cast<unsigned char>(in[2]);
        auto const bytes = in.substr(3, wanted);
        step(on, static_cast<unsigned char>(in[0]), bytes);
        in.remove_prefix(3 + bytes.size());
    }
    while (!on.server.calls.empty())
        step(on, 6, {});
    return 0;
}
