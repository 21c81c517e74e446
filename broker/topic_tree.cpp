#include "broker/topic_tree.hpp"

#include "broker/byte_pool.hpp"
#include "broker/errors.hpp"
#include "broker/fast_hash.hpp"
#include "broker/probe_table.hpp"
#include "broker/topic.hpp"

#include <array>
#include <cstring>

namespace fulmar::broker {

namespace {

using ref = byte_pool::ref;

// A filter without wildcards. Its bytes follow.
struct exact_record
{
    std::uint32_t value;
    std::uint16_t length;

    [[nodiscard]] static std::size_t bytes(std::size_t length) noexcept { return header + length; }
    [[nodiscard]] std::string_view text() const noexcept
    {
        return {reinterpret_cast<char const*>(this) + header, length};
    }
    static constexpr std::size_t header = 6;
};

// One level of the filters with wildcards. The level's bytes follow. '+' is a child like others, found without hashing;
// '#' is no node but a second value of its parent.
struct trie_node
{
    ref parent;
    ref plus;                  // child '+', or 0
    std::uint32_t literals;    // number of other children
    std::uint32_t value;       // of the filter that ends here, if has_value
    std::uint32_t hash_value;  // of the filter that ends with '#' below here, if has_hash_value
    std::uint16_t length;
    bool has_value;
    bool has_hash_value;

    [[nodiscard]] static std::size_t bytes(std::size_t length) noexcept { return sizeof(trie_node) + length; }
    [[nodiscard]] std::string_view text() const noexcept
    {
        return {reinterpret_cast<char const*>(this) + sizeof(trie_node), length};
    }
};

bool contains_wildcard(std::string_view filter) noexcept { return filter.find_first_of("+#") != filter.npos; }

// Cuts the first level off `rest`; false after the last one.
bool next_level(std::string_view& rest, bool& more, std::string_view& level) noexcept
{
    if (!more)
        return false;
    auto const slash = rest.find('/');
    more = slash != rest.npos;
    level = rest.substr(0, slash);
    rest = more ? rest.substr(level.size() + 1) : std::string_view{};
    return true;
}

}  // namespace

struct topic_tree::impl
{
    byte_pool pool;
    probe_table exact;  // -> exact_record
    probe_table edges;  // (parent, level) -> trie_node
    ref root = 0;
    std::size_t count = 0;
    std::uint64_t const seed = random_seed();

    exact_record* record(ref at) noexcept { return reinterpret_cast<exact_record*>(pool.at(at)); }
    exact_record const* record(ref at) const noexcept { return reinterpret_cast<exact_record const*>(pool.at(at)); }
    trie_node* node(ref at) noexcept { return reinterpret_cast<trie_node*>(pool.at(at)); }
    trie_node const* node(ref at) const noexcept { return reinterpret_cast<trie_node const*>(pool.at(at)); }

    [[nodiscard]] ref find_exact(std::string_view filter, std::uint64_t hash) const
    {
        return exact.find(hash, [&](ref at) { return record(at)->text() == filter; });
    }

    [[nodiscard]] static std::uint64_t edge_hash(ref parent, std::uint64_t level_hash) noexcept
    {
        return hash_together(parent, level_hash);
    }

    [[nodiscard]] ref find_child(ref parent, std::string_view level, std::uint64_t level_hash) const
    {
        return edges.find(edge_hash(parent, level_hash), [&](ref at) {
            auto const* const child = node(at);
            return child->parent == parent && child->text() == level;
        });
    }

    ref new_node(ref parent, std::string_view level)
    {
        auto const at = pool.allocate(trie_node::bytes(level.size()));
        *node(at) = {parent, 0, 0, 0, 0, static_cast<std::uint16_t>(level.size()), false, false};
        if (!level.empty())
            std::memcpy(pool.at(at) + sizeof(trie_node), level.data(), level.size());
        return at;
    }

    ref child_for(ref parent, std::string_view level)
    {
        if (level == "+") {
            if (node(parent)->plus == 0) {
                auto const made = new_node(parent, level);
                node(parent)->plus = made;
            }
            return node(parent)->plus;
        }
        auto const level_hash = fast_hash(level, seed);
        if (auto const found = find_child(parent, level, level_hash))
            return found;
        auto const made = new_node(parent, level);
        edges.insert(edge_hash(parent, level_hash), made);
        ++node(parent)->literals;
        return made;
    }

    struct place
    {
        ref at = 0;         // 0: not in the trie
        bool hash = false;  // the value of '#' below `at`
    };

    [[nodiscard]] place find_place(std::string_view filter) const
    {
        place found{root, false};
        bool more = true;
        std::string_view level;
        while (found.at != 0 && next_level(filter, more, level)) {
            if (level == "#")
                found.hash = true;
            else if (level == "+")
                found.at = node(found.at)->plus;
            else
                found.at = find_child(found.at, level, fast_hash(level, seed));
        }
        return found;
    }

    void insert_wildcard(std::string_view filter, std::uint32_t value)
    {
        if (root == 0)
            root = new_node(0, {});
        auto at = root;
        auto more = true;
        std::size_t depth = 0;
        std::string_view level;
        while (next_level(filter, more, level)) {
            FULMAR_ASSERT(++depth <= topic_levels_max);
            if (level == "#") {
                count += !node(at)->has_hash_value;
                node(at)->has_hash_value = true;
                node(at)->hash_value = value;
                return;
            }
            at = child_for(at, level);
        }
        count += !node(at)->has_value;
        node(at)->has_value = true;
        node(at)->value = value;
    }

    // Removes nodes that say nothing any more, upwards.
    void prune(ref at)
    {
        while (at != root) {
            auto const& leaf = *node(at);
            if (leaf.has_value || leaf.has_hash_value || leaf.plus != 0 || leaf.literals != 0)
                return;
            auto const parent = leaf.parent;
            auto const bytes = trie_node::bytes(leaf.length);
            if (node(parent)->plus == at) {
                node(parent)->plus = 0;
            } else {
                edges.erase(edge_hash(parent, fast_hash(leaf.text(), seed)), at);
                --node(parent)->literals;
            }
            pool.release(at, bytes);
            at = parent;
        }
    }

    bool erase_wildcard(std::string_view filter)
    {
        auto const found = find_place(filter);
        if (found.at == 0)
            return false;
        auto& flag = found.hash ? node(found.at)->has_hash_value : node(found.at)->has_value;
        if (!flag)
            return false;
        flag = false;
        --count;
        prune(found.at);
        return true;
    }

    void match_wildcards(std::string_view topic, std::vector<std::uint32_t>& out) const;
};

namespace {

// The levels of a topic, cut and hashed when a branch of the trie first reaches them.
class level_cursor
{
public:
    level_cursor(std::string_view topic, std::uint64_t seed) noexcept : rest_{topic}, seed_{seed} {}

    // False when the topic has no level number `index`. Asked for in order the first time.
    bool reach(std::size_t index) noexcept
    {
        while (known_ <= index && known_ < text_.size() && next_level(rest_, more_, text_[known_])) {
            hash_[known_] = fast_hash(text_[known_], seed_);
            ++known_;
        }
        return index < known_;
    }
    [[nodiscard]] std::string_view text(std::size_t index) const noexcept { return text_[index]; }
    [[nodiscard]] std::uint64_t hash(std::size_t index) const noexcept { return hash_[index]; }

private:
    std::string_view rest_;
    std::uint64_t seed_;
    bool more_ = true;
    std::size_t known_ = 0;
    // Not initialised: only the first known_ are read.
    union
    {
        std::array<std::string_view, topic_levels_max> text_;
    };
    std::array<std::uint64_t, topic_levels_max> hash_;
};

}  // namespace

void topic_tree::impl::match_wildcards(std::string_view topic, std::vector<std::uint32_t>& out) const
{
    struct branch
    {
        ref at;
        std::uint32_t depth;
    };
    // Every step takes one branch and leaves at most two, one level deeper: never more than levels + 1 wait.
    std::array<branch, topic_levels_max + 2> waiting;
    std::size_t waiting_count = 0;
    level_cursor levels{topic, seed};
    // Wildcards at the first level do not match topics that begin with '$' [MQTT-4.7.2-1].
    auto const reserved = topic.front() == '$';

    waiting[waiting_count++] = {root, 0};
    while (waiting_count > 0) {
        auto const [at, depth] = waiting[--waiting_count];
        auto const& here = *node(at);
        auto const wildcards_allowed = depth > 0 || !reserved;
        if (here.has_hash_value && wildcards_allowed)
            out.push_back(here.hash_value);
        if (!levels.reach(depth)) {
            if (here.has_value)
                out.push_back(here.value);
            continue;
        }
        if (here.plus != 0 && wildcards_allowed)
            waiting[waiting_count++] = {here.plus, depth + 1};
        if (here.literals != 0) {
            if (auto const child = find_child(at, levels.text(depth), levels.hash(depth)))
                waiting[waiting_count++] = {child, depth + 1};
        }
    }
}

topic_tree::topic_tree() : impl_{std::make_unique<impl>()} {}
topic_tree::topic_tree(topic_tree&&) noexcept = default;
topic_tree& topic_tree::operator=(topic_tree&&) noexcept = default;
topic_tree::~topic_tree() = default;

void topic_tree::insert(std::string_view filter, std::uint32_t value)
{
    auto& tree = *impl_;
    if (contains_wildcard(filter))
        return tree.insert_wildcard(filter, value);
    auto const hash = fast_hash(filter, tree.seed);
    if (auto const found = tree.find_exact(filter, hash)) {
        tree.record(found)->value = value;
        return;
    }
    auto const made = tree.pool.allocate(exact_record::bytes(filter.size()));
    tree.record(made)->value = value;
    tree.record(made)->length = static_cast<std::uint16_t>(filter.size());
    std::memcpy(tree.pool.at(made) + exact_record::header, filter.data(), filter.size());
    tree.exact.insert(hash, made);
    ++tree.count;
}

bool topic_tree::erase(std::string_view filter)
{
    auto& tree = *impl_;
    if (contains_wildcard(filter)) {
        if (!tree.erase_wildcard(filter))
            return false;
    } else {
        auto const hash = fast_hash(filter, tree.seed);
        auto const found = tree.find_exact(filter, hash);
        if (found == 0)
            return false;
        tree.exact.erase(hash, found);
        tree.pool.release(found, exact_record::bytes(filter.size()));
        --tree.count;
    }
    if (tree.count == 0) {
        tree.exact.reset();
        tree.edges.reset();
        tree.pool.reset();
        tree.root = 0;
    }
    return true;
}

std::optional<std::uint32_t> topic_tree::find(std::string_view filter) const
{
    auto const& tree = *impl_;
    if (!contains_wildcard(filter)) {
        auto const found = tree.find_exact(filter, fast_hash(filter, tree.seed));
        return found != 0 ? std::optional{tree.record(found)->value} : std::nullopt;
    }
    auto const found = tree.find_place(filter);
    if (found.at == 0)
        return std::nullopt;
    auto const& here = *tree.node(found.at);
    if (found.hash)
        return here.has_hash_value ? std::optional{here.hash_value} : std::nullopt;
    return here.has_value ? std::optional{here.value} : std::nullopt;
}

void topic_tree::match(std::string_view topic, std::vector<std::uint32_t>& out) const
{
    auto const& tree = *impl_;
    auto const hash = fast_hash(topic, tree.seed);
    if (tree.root != 0) {
        if (auto const probable = tree.exact.candidate(hash))
            __builtin_prefetch(tree.pool.at(probable));  // arrives while the trie is walked
        tree.match_wildcards(topic, out);
    }
    if (auto const found = tree.find_exact(topic, hash))
        out.push_back(tree.record(found)->value);
}

std::size_t topic_tree::size() const noexcept { return impl_->count; }

std::size_t topic_tree::memory_bytes() const noexcept
{
    return sizeof(impl) + impl_->pool.memory_bytes() + impl_->exact.memory_bytes() + impl_->edges.memory_bytes();
}

}  // namespace fulmar::broker
