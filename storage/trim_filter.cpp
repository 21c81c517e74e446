#include "storage/trim_filter.hpp"

#include "storage/key.hpp"

namespace fulmar::storage {

using namespace broker;

namespace {

std::optional<log_sequence> log_position_of(std::string_view key) { return key::parse_log(key); }

std::optional<log_sequence> index_position_of(std::string_view key)
{
    auto const entry = key::parse_index(key);
    return entry ? std::optional{entry->sequence} : std::nullopt;
}

using position_of = std::optional<log_sequence> (*)(std::string_view key);

class trim_filter final : public rocksdb::CompactionFilter
{
public:
    trim_filter(position_of position, log_sequence low_water) : position_{position}, low_water_{low_water} {}

    bool Filter(int, rocksdb::Slice const& key, rocksdb::Slice const&, std::string*, bool*) const override
    {
        auto const position = position_({key.data(), key.size()});
        return position && *position <= low_water_;
    }
    char const* Name() const override { return "fulmar.trim"; }

private:
    position_of position_;
    log_sequence low_water_;
};

class trim_filter_factory final : public rocksdb::CompactionFilterFactory
{
public:
    trim_filter_factory(position_of position, shared_low_water low_water)
        : position_{position}, low_water_{std::move(low_water)}
    {
    }

    bool ShouldFilterTableFileCreation(rocksdb::TableFileCreationReason reason) const override
    {
        return reason == rocksdb::TableFileCreationReason::kCompaction || reason == rocksdb::TableFileCreationReason::kFlush;
    }
    std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(rocksdb::CompactionFilter::Context const&) override
    {
        return std::make_unique<trim_filter>(position_, low_water_->load());
    }
    char const* Name() const override { return "fulmar.trim"; }

private:
    position_of position_;
    shared_low_water low_water_;
};

}  // namespace

std::shared_ptr<rocksdb::CompactionFilterFactory> make_log_trim_filter(shared_low_water low_water)
{
    return std::make_shared<trim_filter_factory>(log_position_of, std::move(low_water));
}

std::shared_ptr<rocksdb::CompactionFilterFactory> make_index_trim_filter(shared_low_water low_water)
{
    return std::make_shared<trim_filter_factory>(index_position_of, std::move(low_water));
}

}  // namespace fulmar::storage
