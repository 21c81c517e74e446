#include "storage/wal_files.hpp"
#include "tests/unit/storage/fault_file_system.hpp"
#include "tests/unit/storage/store_fixture.hpp"

namespace fulmar::storage {
namespace {

class wal_files_test : public testing::Test
{
protected:
    using file_ptr = std::unique_ptr<rocksdb::FSWritableFile>;

    rocksdb::IOStatus create(std::string const& name, file_ptr& file)
    {
        return env->GetFileSystem()->NewWritableFile(path(name), {}, &file, nullptr);
    }
    file_ptr create(std::string const& name)
    {
        file_ptr file;
        EXPECT_TRUE(create(name, file).ok());
        return file;
    }
    static rocksdb::IOStatus append(file_ptr const& file) { return file->Append("some bytes", {}, nullptr); }
    [[nodiscard]] std::string path(std::string const& name) const { return (folder.path() / name).string(); }
    [[nodiscard]] bool safe(std::string const& name) const { return files->safe(path(name)); }

    temporary_folder folder;
    std::shared_ptr<fault_file_system> files = std::make_shared<fault_file_system>();
    std::unique_ptr<rocksdb::Env> underneath = rocksdb::NewCompositeEnv(files);
    std::unique_ptr<rocksdb::Env> env = order_wal_files(*underneath);
};

TEST_F(wal_files_test, the_one_before_is_safe_when_the_next_is_written)
{
    auto const first = create("000001.log");
    EXPECT_TRUE(append(first).ok());
    EXPECT_TRUE(append(first).ok());
    auto const second = create("000002.log");
    EXPECT_FALSE(safe("000001.log")) << "nothing was written to the next yet";
    EXPECT_TRUE(append(second).ok());
    EXPECT_TRUE(safe("000001.log"));
    EXPECT_FALSE(safe("000002.log"));
    auto const third = create("000003.log");
    EXPECT_TRUE(append(third).ok());
    EXPECT_TRUE(safe("000002.log"));
}

TEST_F(wal_files_test, one_that_cannot_be_synced_ends_the_next)
{
    auto const first = create("000001.log");
    EXPECT_TRUE(append(first).ok());
    auto const second = create("000002.log");
    files->fail_syncs(true);
    EXPECT_FALSE(append(second).ok());
}

TEST_F(wal_files_test, one_that_was_synced_is_not_synced_again)
{
    auto const first = create("000001.log");
    EXPECT_TRUE(append(first).ok());
    EXPECT_TRUE(first->Sync({}, nullptr).ok());
    auto const second = create("000002.log");
    files->fail_syncs(true);
    EXPECT_TRUE(append(second).ok());
}

TEST_F(wal_files_test, one_that_was_closed_is_left_alone)
{
    auto first = create("000001.log");
    EXPECT_TRUE(append(first).ok());
    EXPECT_TRUE(first->Close({}, nullptr).ok());
    first.reset();
    EXPECT_TRUE(append(create("000002.log")).ok());
    EXPECT_FALSE(safe("000001.log"));
}

TEST_F(wal_files_test, other_files_are_left_alone)
{
    auto const log = create("000001.log");
    EXPECT_TRUE(append(log).ok());
    EXPECT_TRUE(append(create("000002.sst")).ok());
    EXPECT_FALSE(safe("000001.log"));
}

TEST_F(wal_files_test, one_that_cannot_be_created_fails_when_it_is_written)
{
    file_ptr file;
    files->lose_power();
    EXPECT_FALSE(create("000001.log", file).ok()) << "the first fails at once";
    std::mt19937 random{1};
    files->restore_power(random);
    auto const first = create("000002.log");
    EXPECT_TRUE(append(first).ok());
    files->lose_power();
    EXPECT_TRUE(create("000003.log", file).ok());
    EXPECT_FALSE(append(file).ok());
    EXPECT_FALSE(file->Sync({}, nullptr).ok());
    EXPECT_TRUE(file->Close({}, nullptr).ok());
    EXPECT_FALSE(create("000004.sst", file).ok()) << "nothing else is put off";
}

}  // namespace
}  // namespace fulmar::storage
