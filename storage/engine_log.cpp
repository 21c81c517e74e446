#include "storage/engine_log.hpp"

#include "broker/log.hpp"

#include <array>
#include <cstdarg>
#include <cstdio>

namespace fulmar::storage {

namespace {

class engine_log final : public rocksdb::Logger
{
public:
    engine_log() : Logger{rocksdb::InfoLogLevel::WARN_LEVEL} {}

    using Logger::Logv;
    void Logv(char const* format, va_list arguments) override
    {
        write(warnings_, broker::log_level::debug, format, arguments);
    }
    void Logv(rocksdb::InfoLogLevel level, char const* format, va_list arguments) override
    {
        if (level < GetInfoLogLevel())
            return;
        if (level >= rocksdb::InfoLogLevel::ERROR_LEVEL && level != rocksdb::InfoLogLevel::HEADER_LEVEL)
            write(errors_, broker::log_level::warning, format, arguments);
        else if (level == rocksdb::InfoLogLevel::WARN_LEVEL)
            write(warnings_, broker::log_level::debug, format, arguments);
    }

private:
    static void write(broker::rate_limited_log& to, broker::log_level level, char const* format, va_list arguments)
    {
        if (!broker::log_enabled(level))
            return;
        std::array<char, engine_line_bytes_max> line{};
        std::vsnprintf(line.data(), line.size(), format, arguments);
        to(level, {{"text", std::string_view{line.data()}}});
    }

    broker::rate_limited_log errors_{"the storage engine reports an error", engine_lines_per_second};
    broker::rate_limited_log warnings_{"the storage engine warns", engine_lines_per_second};
};

}  // namespace

std::shared_ptr<rocksdb::Logger> make_engine_log() { return std::make_shared<engine_log>(); }

}  // namespace fulmar::storage
