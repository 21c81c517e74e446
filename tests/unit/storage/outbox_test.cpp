#include "tests/unit/storage/store_fixture.hpp"

namespace fulmar::storage {
namespace {

class outbox_test : public store_test
{
protected:
    std::map<std::uint64_t, std::string> restart()
    {
        store.reset();
        listener = std::make_unique<recorder>();
        store = open_store(settings, clock, hooks);
        std::map<std::uint64_t, std::string> rows;
        recovery_sink sink;
        sink.outbox = [&](put_outbox_op&& row) { rows.emplace(row.id, std::move(row.row)); };
        store->recover(sink);
        store->attach(0, *listener);
        return rows;
    }
};

using rows = std::map<std::uint64_t, std::string>;

TEST_F(outbox_test, what_was_put_and_not_erased_is_there_after_a_restart)
{
    EXPECT_EQ(restart(), rows{});
    std::string const bytes{"\0\1 anything", 11};
    EXPECT_FALSE(commit(put_outbox_op{7, bytes}, put_outbox_op{8, "gone"}, put_outbox_op{9, "stays"}).error);
    EXPECT_FALSE(commit(erase_outbox_op{8}).error);
    EXPECT_EQ(restart(), (rows{{7, bytes}, {9, "stays"}}));
    EXPECT_FALSE(commit(erase_outbox_op{7}, erase_outbox_op{9}).error);
    EXPECT_EQ(restart(), rows{});
}

TEST_F(outbox_test, a_row_that_is_put_and_erased_in_one_turn_leaves_nothing)
{
    (void)restart();
    EXPECT_FALSE(commit(put_outbox_op{1, "x"}, erase_outbox_op{1}).error);
    EXPECT_EQ(restart(), rows{});
}

}  // namespace
}  // namespace fulmar::storage
