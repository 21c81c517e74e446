#include "storage/position_file.hpp"

#include "storage/crc32c.hpp"

#include <spdlog/fmt/fmt.h>

#include <fstream>
#include <string>

namespace fulmar::storage {
namespace {

std::filesystem::path file_in(std::filesystem::path const& folder) { return folder / "POSITION"; }

std::string text_of(noted_position const& at) { return fmt::format("{} {}", at.sequence, at.synced ? "fsync" : "os"); }

}  // namespace

std::optional<noted_position> read_position(std::filesystem::path const& folder)
{
    std::ifstream in{file_in(folder)};
    noted_position at;
    std::string how;
    std::uint32_t crc = 0;
    if (!(in >> at.sequence >> how >> crc))
        return std::nullopt;
    at.synced = how == "fsync";
    return crc == crc32c(text_of(at)) ? std::optional{at} : std::nullopt;
}

void write_position(std::filesystem::path const& folder, noted_position const& at)
{
    auto const next = folder / "POSITION.new";
    {
        std::ofstream out{next, std::ios::trunc};
        out << text_of(at) << ' ' << crc32c(text_of(at)) << '\n';
        if (!out.flush())
            return;
    }
    std::error_code ignored;
    std::filesystem::rename(next, file_in(folder), ignored);
}

void forget_position(std::filesystem::path const& folder)
{
    std::error_code ignored;
    std::filesystem::remove(file_in(folder), ignored);
}

}  // namespace fulmar::storage
