// One page of what all shards hold: each keeps the first rows that it has, and the first of all of these are the page.
//
// Threads:  pure functions.
// Cost:     a heap of one page and a row for each shard, however many rows there are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <type_traits>
#include <utility>
#include <vector>

namespace fulmar::broker {

template <class Row>
struct listed
{
    std::vector<Row> rows;
    bool more = false;
};

// Is there room among the first `limit` + 1 rows for `key`, which `before` can compare with rows? `kept` is a heap, the last of
// them in front.
template <class Row, class Key, class Before>
[[nodiscard]] bool fits_page(std::vector<Row> const& kept, Key const& key, std::size_t limit, Before before)
{
    return kept.size() <= limit || before(key, kept.front());
}

// Keeps a row that fits.
template <class Row, class Before>
void keep_for_page(std::vector<Row>& kept, std::type_identity_t<Row> one, std::size_t limit, Before before)
{
    if (kept.size() > limit) {
        std::pop_heap(kept.begin(), kept.end(), before);
        kept.pop_back();
    }
    kept.push_back(std::move(one));
    std::push_heap(kept.begin(), kept.end(), before);
}

template <class Row, class Before>
[[nodiscard]] listed<Row> page_of(std::vector<std::vector<Row>>&& of_shards, std::size_t limit, Before before)
{
    listed<Row> out;
    for (auto& kept : of_shards)
        std::move(kept.begin(), kept.end(), std::back_inserter(out.rows));
    std::sort(out.rows.begin(), out.rows.end(), before);
    out.more = out.rows.size() > limit;
    out.rows.resize(std::min(out.rows.size(), limit));
    return out;
}

}  // namespace fulmar::broker
