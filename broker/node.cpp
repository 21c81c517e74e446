#include "broker/node.hpp"

#include "broker/log.hpp"
#include "broker/node_http.hpp"
#include "broker/node_pusher.hpp"
#include "broker/reader_sessions.hpp"
#include "broker/router.hpp"
#include "broker/server.hpp"
#include "broker/session_directory.hpp"
#include "broker/session_table.hpp"
#include "broker/topic.hpp"
#include "frontends/admin/admin_frontend.hpp"
#include "frontends/admin/sys_topics.hpp"
#include "frontends/auth/file_authenticator.hpp"
#include "frontends/grpc/grpc_frontend.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <filesystem>
#include <mutex>

namespace fulmar {

using namespace std::chrono_literals;

namespace {

[[nodiscard]] storage::store_settings store_settings_of(broker::settings const& s)
{
    storage::store_settings made;
    made.path = std::filesystem::path{s.node.data_dir} / "store";
    made.durability =
        s.storage.durability == broker::durability::fsync ? storage::durability::fsync : storage::durability::os;
    made.retention_age_s =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(s.storage.retention_age).count());
    made.retention_bytes = s.storage.retention_bytes;
    made.block_cache_bytes = s.storage.block_cache_bytes;
    made.write_buffer_bytes = s.storage.write_buffer_bytes;
    made.message_cache_bytes = s.storage.message_cache_bytes;
    made.wal_bytes_max = s.storage.wal_bytes_max;
    made.min_free_bytes = s.storage.min_free_bytes;
    made.readers = s.storage.readers;
    made.history_ms = broker::history_hold_ms(s.history);
    made.maintenance_interval_ms = static_cast<std::uint32_t>(s.storage.maintenance_interval.count());
    return made;
}

[[noreturn]] void fail(exit_code code, std::string what)
{
    throw start_failure{static_cast<int>(code), std::move(what)};
}

}  // namespace

node::node(broker::settings const& values) : settings_{values}, quota_{values.limits.connections_max} {}

node::~node()
{
    if (grpc_)
        grpc_->stop(0ms);
    stop_threads();
    if (store_)
        store_->close();  // the shards are its listeners
    sys_.reset();
    fronts_.clear();
    grpc_.reset();
    http_.reset();
    if (pusher_)
        pusher_->release();
    if (context_)
        context_->shards.clear();
}

void node::build()
{
    open_store();
    build_shards();
    build_apps();
    restore();
    build_services();
    settle();
}

void node::open_store()
{
    std::error_code ignored;
    std::filesystem::create_directories(settings_.node.data_dir, ignored);
    try {
        store_ = storage::open_store(store_settings_of(settings_), clock_);
    } catch (std::exception const& problem) {
        fail(exit_code::store, problem.what());
    }
}

void node::build_shards()
{
    auto const wanted =
        settings_.node.shards != 0 ? settings_.node.shards : std::max(1U, std::thread::hardware_concurrency());
    context_ = std::make_unique<broker::node_context>(settings_.limits, clock_, *store_, retained_);
    context_->node_name = settings_.node.name;
    context_->shard_count = std::min<std::size_t>(wanted, broker::shards_max);
    for (std::size_t i = 0; i < context_->shard_count; ++i)
        context_->shards.push_back(std::make_unique<broker::shard>(static_cast<broker::shard_id>(i), *context_));
}

void node::build_apps()
{
    std::string problem;
    auto apps = number_configured_apps(settings_, problem);
    if (!apps)
        fail(exit_code::configuration, problem);
    apps_ = std::make_unique<broker::apps_in_force>(std::move(apps));
    pusher_ = std::make_unique<pusher_services>(*context_, *apps_, settings_);
    auto const history = history_rules_of(settings_, *apps_->current());
    for (auto& shard : context_->shards)
        shard->routes().keep_history(history);
}

void node::restore()
{
    auto& shards = context_->shards;
    auto const shard_of = [&](std::uint64_t hash) -> broker::shard& { return *shards[hash % shards.size()]; };
    broker::recovery_sink sink;
    sink.retained = [this](broker::message_ptr m) { retained_.set(std::move(m)); };
    sink.group = [&](broker::recovered_group&& group) {
        shard_of(static_cast<std::uint64_t>(group.group)).sessions().restore_group(std::move(group));
    };
    sink.session = [&](broker::recovered_session&& stored) {
        if (pusher_->owns(stored.record))
            return pusher_->restore(std::move(stored));
        if (broker::reader_sessions::restore(*context_, stored))
            return;
        auto const key = broker::make_key(stored.record.app, stored.record.client_id);
        shard_of(broker::stable_hash(key)).sessions().restore(std::move(stored));
    };
    sink.outbox = [&](broker::put_outbox_op&& row) { pusher_->restore(std::move(row)); };
    try {
        store_->recover(sink);
    } catch (std::exception const& problem) {
        fail(exit_code::store, problem.what());
    }
    settle();
}

// Lets the shards exchange the mail of the start on this thread, until none is left: a listener must not open before every
// shard knows what the restored sessions want.
void node::settle()
{
    std::size_t done = 1;
    while (done != 0) {
        done = 0;
        for (auto& shard : context_->shards) {
            shard->io().restart();
            done += shard->io().poll();
        }
    }
}

void node::start()
{
    http_->start();
    for (auto& shard : context_->shards) {
        shard->io().restart();
        threads_.emplace_back([&s = *shard] { s.run(); });
    }
    pusher_->start();
    admin_->set_ready();
}

void node::stop_threads()
{
    if (threads_.empty())
        return;
    for (auto& shard : context_->shards)
        shard->stop();
    for (auto& thread : threads_)
        thread.join();
    threads_.clear();
}

void node::on_every_shard(std::function<void(std::size_t)> work)
{
    std::mutex mutex;
    std::condition_variable ready;
    std::size_t missing = context_->shards.size();
    for (std::size_t i = 0; i < context_->shards.size(); ++i) {
        boost::asio::post(context_->shards[i]->io(), [&, i] {
            work(i);
            std::lock_guard const lock{mutex};
            if (--missing == 0)
                ready.notify_one();
        });
    }
    std::unique_lock lock{mutex};
    ready.wait(lock, [&] { return missing == 0; });
}

std::size_t node::open_connections()
{
    std::atomic<std::size_t> count{0};
    on_every_shard([&](std::size_t i) { count += fronts_[i].connections->count(); });
    return count;
}

// Those who come back at once are told one after the other.
void node::drain_pusher()
{
    auto const window = pusher_->drain_window();
    on_every_shard([&](std::size_t i) { pusher_->drain(*context_->shards[i], window); });
    auto const deadline = std::chrono::steady_clock::now() + window + 100ms;
    while (pusher_->open_connections() != 0 && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(5ms);
    // Those over HTTP are told through another shard, with the mail of the turn after this one.
    on_every_shard([](std::size_t) {});
    on_every_shard([](std::size_t) {});
}

// Streams are told to come back elsewhere; what they were already told stays true.
void node::drain_grpc()
{
    if (!grpc_)
        return;
    on_every_shard([&](std::size_t i) {
        grpc_->wind_up(static_cast<broker::shard_id>(i), make_error_code(broker::errc::shutting_down).message());
    });
    grpc_->stop(2s);
    on_every_shard([](std::size_t) {});  // the end of every call has arrived
}

void node::drain(std::chrono::milliseconds patience)
{
    auto const deadline = std::chrono::steady_clock::now() + patience;
    context_->draining = true;
    admin_->set_draining();
    on_every_shard([&](std::size_t i) {
        for (auto& listener : fronts_[i].listeners)
            listener->stop();
        context_->shards[i]->sessions().drain();
        http_->close_streams(static_cast<broker::shard_id>(i));
    });
    drain_grpc();
    drain_pusher();
    on_every_shard([&](std::size_t i) { fronts_[i].connections->close_all(); });
    while (open_connections() != 0 && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(5ms);
    on_every_shard([&](std::size_t i) { fronts_[i].connections->abort_all(); });
    on_every_shard([](std::size_t) {});  // what ending connections left to store is submitted at the end of that turn
    stop_threads();
    pusher_->stop();
    settle();
    store_->close();
}

void node::reload_apps(broker::settings const& fresh)
{
    std::string problem;
    auto apps = number_configured_apps(fresh, problem);
    if (!apps)
        return broker::log_error("apps not reloaded; the old ones stay in force", {{"problem", problem}});
    auto const count = apps->apps().size();
    apps_->replace(std::move(apps));
    broker::log_info("apps reloaded", {{"apps", count}});
}

void node::reload()
{
    std::string problems;
    if (settings_.run.reread) {
        if (auto const fresh = settings_.run.reread(problems)) {
            broker::set_log_level(fresh->log.level);
            reload_apps(*fresh);
        } else
            broker::log_error("configuration not reloaded", {{"problem", problems}});
    }
    if (auto const refused = http_->reload())
        broker::log_error("keys of tokens not reloaded; the old ones stay in force", {{"problem", *refused}});
    std::string problem;
    if (auto const refused = authenticator_->reload()) {
        broker::log_error("password and access rules not reloaded; the old ones stay in force",
                          {{"problem", *refused}});
    } else {
        broker::log_info("password and access rules reloaded");
    }
    ++mqtt_->rules_generation;
    // Who listens comes back and is asked again who it is and what it may.
    on_every_shard([this](std::size_t i) {
        http_->close_streams(static_cast<broker::shard_id>(i));
        if (grpc_)
            grpc_->wind_up(static_cast<broker::shard_id>(i), "credentials and rules were reloaded: call again");
    });
    if (tls_) {
        if (tls_->reload(problem))
            broker::log_error("certificates not reloaded; the old ones stay in use", {{"problem", problem}});
        else
            broker::log_info("certificates reloaded");
    }
}

}  // namespace fulmar
