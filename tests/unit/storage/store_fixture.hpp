// A store in a folder of its own, a listener that remembers, and short ways to say operations.
#pragma once

#include "broker/topic.hpp"
#include "storage/rocks_store.hpp"
#include "tests/support/fake_clock.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>

#include <stdlib.h>

namespace fulmar::storage {

using namespace broker;

class temporary_folder
{
public:
    temporary_folder()
    {
        auto pattern = (std::filesystem::temp_directory_path() / "fulmar-storage-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~temporary_folder()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    temporary_folder(temporary_folder const&) = delete;
    temporary_folder& operator=(temporary_folder const&) = delete;
    [[nodiscard]] std::filesystem::path const& path() const { return path_; }

private:
    std::filesystem::path path_;
};

class recorder final : public store_listener
{
public:
    void on_committed(std::vector<store_result> results, committed_batch committed) override
    {
        std::lock_guard const lock{mutex_};
        for (auto const& each : results)
            results_[each.ticket] = each;
        if (committed)
            logged_.insert(logged_.end(), committed->begin(), committed->end());
        ++calls_;
        changed_.notify_all();
    }
    void on_page(queue_page page) override
    {
        std::lock_guard const lock{mutex_};
        pages_[page.ticket] = std::move(page);
        changed_.notify_all();
    }

    store_result result(std::uint64_t ticket)
    {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return results_.contains(ticket); });
        return results_[ticket];
    }
    queue_page page(std::uint64_t ticket)
    {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return pages_.contains(ticket); });
        return pages_[ticket];
    }
    std::vector<logged_message> logged()
    {
        std::lock_guard const lock{mutex_};
        return logged_;
    }
    int calls()
    {
        std::lock_guard const lock{mutex_};
        return calls_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::uint64_t, store_result> results_;
    std::map<std::uint64_t, queue_page> pages_;
    std::vector<logged_message> logged_;
    int calls_ = 0;
};

inline message_ptr make_message(std::string_view topic, std::string_view payload, wall_ms expires_at = 0)
{
    message_fields fields;
    fields.topic = topic;
    fields.payload = payload;
    fields.level = qos::at_least_once;
    fields.publisher = 42;
    fields.published_at = test::fake_clock::start_wall;
    fields.expires_at = expires_at;
    return message::make(std::move(fields));
}

inline filter_hash hash_of(std::string_view filter) { return hash_filter(default_app, filter); }

inline publish_op logged_publish(message_ptr m, std::vector<std::string> const& filters)
{
    publish_op op;
    op.message = std::move(m);
    for (auto const& filter : filters)
        op.filters.push_back(hash_of(filter));
    return op;
}

inline subscription durable_subscription(std::string filter, log_sequence begin = 0, qos level = qos::at_least_once)
{
    subscription what;
    what.filter = std::move(filter);
    what.options.level = level;
    what.begin = begin;
    return what;
}

inline session_record session_of(std::uint64_t id, std::string client_id)
{
    session_record record;
    record.id = session_id{id};
    record.client_id = std::move(client_id);
    record.expiry_s = 3600;
    return record;
}

struct recovered_rows
{
    std::map<std::uint64_t, recovered_session> sessions;
    std::vector<recovered_group> groups;
    std::map<std::string, message_ptr> retained;
};

class store_test : public ::testing::Test
{
protected:
    store_test()
    {
        settings.path = folder.path() / "store";
        settings.maintenance_interval_ms = 0;
        settings.write_buffer_bytes = 4 << 20;
        settings.block_cache_bytes = 1 << 20;
        hooks.space = [this] { return free_space; };
    }

    recovered_rows start()
    {
        store.reset();
        listener = std::make_unique<recorder>();
        store = open_store(settings, clock, hooks);
        recovered_rows rows;
        recovery_sink sink;
        sink.session = [&](recovered_session&& s) {
            rows.sessions.emplace(static_cast<std::uint64_t>(s.record.id), std::move(s));
        };
        sink.group = [&](recovered_group&& g) { rows.groups.push_back(std::move(g)); };
        sink.retained = [&](message_ptr m) { rows.retained.emplace(std::string{m->topic()}, m); };
        store->recover(sink);
        store->attach(0, *listener);
        return rows;
    }

    template <class... Ops>
    store_result commit(Ops... ops)
    {
        std::vector<store_op> all;
        (all.push_back({std::move(ops), 0}), ...);
        all.back().ticket = ++ticket;
        store->submit(0, std::move(all));
        return listener->result(ticket);
    }

    log_sequence publish(std::string const& topic, std::string_view payload, std::vector<std::string> const& filters)
    {
        auto const settled = commit(logged_publish(make_message(topic, payload), filters));
        EXPECT_FALSE(settled.error) << settled.error.message();
        return settled.sequence;
    }

    queue_page read(std::vector<queue_filter> filters, log_sequence after = 0, std::size_t messages_max = 256)
    {
        queue_read request;
        request.filters = std::move(filters);
        request.after = after;
        request.messages_max = messages_max;
        request.ticket = ++ticket;
        store->read(0, std::move(request));
        return listener->page(ticket);
    }

    static queue_filter filter(std::string text, log_sequence begin = 0)
    {
        return {default_app, std::move(text), begin};
    }

    static std::vector<std::string> payloads(queue_page const& page)
    {
        std::vector<std::string> out;
        for (auto const& each : page.messages)
            out.emplace_back(each.message->payload());
        return out;
    }

    // Trimming stays one round behind.
    void trim()
    {
        store->maintain();
        store->maintain();
    }

    temporary_folder folder;
    test::fake_clock clock;
    store_settings settings;
    std::optional<disk_space> free_space = disk_space{std::uint64_t{1} << 40, std::uint64_t{1} << 41};
    database_hooks hooks;
    std::unique_ptr<recorder> listener;
    std::unique_ptr<rocks_store> store;
    std::uint64_t ticket = 0;
};

}  // namespace fulmar::storage
