// All apps of one reading of the configuration, found by key, by configured id and by app_id; and which reading is in force.
//
// Owner:    the node owns apps_in_force; whoever serves a request holds the snapshot it began with.
// Threads:  a registry is immutable. apps_in_force is safe from every thread; app_view belongs to one shard.
// Limits:   apps_max apps, app_keys_max keys each.
// Cost:     a look-up is one hash of the text; app_view::now is one load while nothing changed.
#pragma once

#include "broker/app.hpp"

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fulmar::broker {

inline constexpr std::size_t apps_max = 10'000;
inline constexpr std::size_t app_keys_max = 10;

class app_registry
{
public:
    // `apps` have their app_id already (app_index.hpp gives them); keys and names are unique.
    explicit app_registry(std::vector<app> apps);

    struct by_key
    {
        app const* owner = nullptr;  // null: nobody has this key
        app_key const* key = nullptr;
        explicit operator bool() const noexcept { return owner != nullptr; }
    };
    [[nodiscard]] by_key find_by_key(std::string_view key) const;
    [[nodiscard]] app const* find_by_id(std::string_view name) const;  // the configured id
    [[nodiscard]] app const* find(app_id id) const noexcept;

    [[nodiscard]] std::vector<app> const& apps() const noexcept { return apps_; }

private:
    std::vector<app> apps_;
    std::unordered_map<std::string_view, by_key> keys_;       // views into apps_
    std::unordered_map<std::string_view, app const*> names_;  // views into apps_
    std::unordered_map<std::uint32_t, app const*> ids_;
};

using app_snapshot = std::shared_ptr<app_registry const>;

// The registry that is in force, replaced as a whole when the configuration is read again.
class apps_in_force
{
public:
    explicit apps_in_force(app_snapshot first);

    [[nodiscard]] app_snapshot current() const;
    void replace(app_snapshot next);

    // Changes with every replace; cheap enough for every request.
    [[nodiscard]] std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }

private:
    mutable std::mutex mutex_;
    app_snapshot current_;
    std::atomic<std::uint64_t> generation_{1};
};

// One shard's look at the registry in force: takes the lock only after a change.
class app_view
{
public:
    explicit app_view(apps_in_force const& all) noexcept : all_{&all} {}

    // Valid until the next call on this view; copy the pointer to hold it for longer.
    [[nodiscard]] app_snapshot const& now()
    {
        if (auto const latest = all_->generation(); latest != seen_) {
            held_ = all_->current();
            seen_ = latest;
        }
        return held_;
    }

private:
    apps_in_force const* all_;
    app_snapshot held_;
    std::uint64_t seen_ = 0;
};

}  // namespace fulmar::broker
