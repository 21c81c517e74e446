// A sorted sequence of 32-bit references, ordered by what they refer to.
//
// Chunks of up to chunk_max references under one sorted directory: as compact as an array, and an insertion moves one
// chunk, not everything. The caller compares.
//
// Owner:    the structure it orders, by value.
// Threads:  none of its own.
// Cost:     O(log n) comparisons; about 6 bytes per reference.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace fulmar::broker {

class ordered_refs
{
public:
    using ref = std::uint32_t;

    struct position
    {
        std::size_t chunk = 0;
        std::size_t index = 0;
    };

    // The first reference for which `before(ref)` is false; `before` is true for a prefix of the sequence.
    template <class Before>
    [[nodiscard]] position seek(Before&& before) const
    {
        auto const chunk =
            std::partition_point(chunks_.begin(), chunks_.end(), [&](auto const& refs) { return before(refs.back()); });
        if (chunk == chunks_.end())
            return {chunks_.size(), 0};
        auto const found = std::partition_point(chunk->begin(), chunk->end(), before);
        return {static_cast<std::size_t>(chunk - chunks_.begin()), static_cast<std::size_t>(found - chunk->begin())};
    }

    [[nodiscard]] bool at_end(position at) const noexcept { return at.chunk >= chunks_.size(); }
    [[nodiscard]] ref operator[](position at) const noexcept { return chunks_[at.chunk][at.index]; }

    [[nodiscard]] position next(position at) const noexcept
    {
        if (at.index + 1 < chunks_[at.chunk].size())
            return {at.chunk, at.index + 1};
        return {at.chunk + 1, 0};
    }

    void insert(position at, ref value)
    {
        if (at_end(at)) {
            if (chunks_.empty())
                chunks_.emplace_back();
            at = {chunks_.size() - 1, chunks_.back().size()};
        }
        if (chunks_[at.chunk].size() == chunk_max)
            at = split(at);
        auto& refs = chunks_[at.chunk];
        if (refs.size() == refs.capacity())
            refs.reserve(std::min(chunk_max, refs.size() + std::max<std::size_t>(refs.size() / 4, 4)));
        refs.insert(refs.begin() + static_cast<std::ptrdiff_t>(at.index), value);
    }

    void erase(position at)
    {
        auto& refs = chunks_[at.chunk];
        refs.erase(refs.begin() + static_cast<std::ptrdiff_t>(at.index));
        if (refs.empty())
            chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(at.chunk));
        else if (refs.size() < chunk_max / 4)
            join(at.chunk);
    }

private:
    static constexpr std::size_t chunk_max = 512;

    // In ascending insertion the full chunk stays full.
    position split(position at)
    {
        auto const last = at.chunk + 1 == chunks_.size() && at.index == chunk_max;
        auto const keep = last ? chunk_max : chunk_max / 2;
        std::vector<ref> upper(chunks_[at.chunk].begin() + static_cast<std::ptrdiff_t>(keep), chunks_[at.chunk].end());
        chunks_[at.chunk].resize(keep);
        chunks_[at.chunk].shrink_to_fit();
        chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(at.chunk) + 1, std::move(upper));
        return at.index > keep || last ? position{at.chunk + 1, at.index - keep} : at;
    }

    void join(std::size_t chunk)
    {
        auto const left = chunk > 0 ? chunk - 1 : chunk;
        if (left + 1 >= chunks_.size() || chunks_[left].size() + chunks_[left + 1].size() > chunk_max / 2)
            return;
        chunks_[left].insert(chunks_[left].end(), chunks_[left + 1].begin(), chunks_[left + 1].end());
        chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(left) + 1);
    }

    std::vector<std::vector<ref>> chunks_;  // none is empty
};

}  // namespace fulmar::broker
