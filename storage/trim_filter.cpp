#include "storage/trim_filter.hpp"

#include "storage/key.hpp"

namespace fulmar::storage {

using namespace broker;

namespace {

// The first key behind the low water in the stream of `key`, or empty if `key` is to be kept.
using next_kept = std::string (*)(std::string_view key, log_sequence low_water);

std::string next_kept_in_log(std::string_view key, log_sequence low_water)
{
    auto const sequence = key::parse_log(key);
    return sequence && *sequence <= low_water ? std::string{key::log(low_water + 1).view()} : std::string{};
}

std::string next_kept_in_index(std::string_view key, log_sequence low_water)
{
    auto const entry = key::parse_index(key);
    return entry && entry->sequence <= low_water ? std::string{key::index(entry->filter, low_water + 1).view()}
                                                 : std::string{};
}

class trim_filter final : public rocksdb::CompactionFilter
{
public:
    trim_filter(next_kept next, log_sequence low_water) : next_{next}, low_water_{low_water} {}

    // Skipping, unlike removing, leaves no tombstones. That an older file may still hold what was skipped does not
    // matter: nobody reads at or before the low water.
    Decision FilterV2(int, rocksdb::Slice const& key, ValueType, rocksdb::Slice const&, std::string*,
                      std::string* skip_until) const override
    {
        auto next = next_({key.data(), key.size()}, low_water_);
        if (next.empty())
            return Decision::kKeep;
        *skip_until = std::move(next);
        return Decision::kRemoveAndSkipUntil;
    }
    char const* Name() const override { return "fulmar.trim"; }

private:
    next_kept next_;
    log_sequence low_water_;
};

class trim_filter_factory final : public rocksdb::CompactionFilterFactory
{
public:
    trim_filter_factory(next_kept next, shared_low_water low_water) : next_{next}, low_water_{std::move(low_water)} {}

    bool ShouldFilterTableFileCreation(rocksdb::TableFileCreationReason reason) const override
    {
        return reason == rocksdb::TableFileCreationReason::kCompaction ||
               reason == rocksdb::TableFileCreationReason::kFlush;
    }
    std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
        rocksdb::CompactionFilter::Context const&) override
    {
        return std::make_unique<trim_filter>(next_, low_water_->load());
    }
    char const* Name() const override { return "fulmar.trim"; }

private:
    next_kept next_;
    shared_low_water low_water_;
};

}  // namespace

std::shared_ptr<rocksdb::CompactionFilterFactory> make_log_trim_filter(shared_low_water low_water)
{
    return std::make_shared<trim_filter_factory>(next_kept_in_log, std::move(low_water));
}

std::shared_ptr<rocksdb::CompactionFilterFactory> make_index_trim_filter(shared_low_water low_water)
{
    return std::make_shared<trim_filter_factory>(next_kept_in_index, std::move(low_water));
}

}  // namespace fulmar::storage
