#include "tests/ledger/journal.hpp"

#include <stdexcept>

namespace fulmar::ledger {

journal::journal(std::filesystem::path const& file) : file_(std::fopen(file.c_str(), "w"))
{
    if (!file_)
        throw std::runtime_error("cannot create the journal " + file.string());
}

void journal::header(std::uint32_t run, std::uint8_t qos, std::vector<stream_id> const& streams)
{
    std::fprintf(file_.get(), "H %u %u", run, qos);
    for (auto const& s : streams)
        std::fprintf(file_.get(), " %u:%u", s.publisher, s.topic);
    std::fputc('\n', file_.get());
}

void journal::refused(std::uint32_t topic, std::uint64_t sequence, std::uint8_t reason)
{
    std::fprintf(file_.get(), "R %u %llu %u\n", topic, static_cast<unsigned long long>(sequence), reason);
}

void journal::received(stream_id stream, std::uint64_t sequence, bool dup)
{
    std::fprintf(file_.get(), "M %u %u %llu %d\n", stream.publisher, stream.topic,
                 static_cast<unsigned long long>(sequence), dup ? 1 : 0);
}

void journal::corrupt(std::string_view payload)
{
    std::fputs("X ", file_.get());
    for (char const c : payload.substr(0, 64))
        std::fprintf(file_.get(), "%02x", static_cast<unsigned char>(c));
    std::fputc('\n', file_.get());
}

void journal::violation(std::string_view what)
{
    std::fprintf(file_.get(), "V %.*s\n", static_cast<int>(what.size()), what.data());
}

void journal::line(char kind, std::uint32_t topic, std::uint64_t sequence)
{
    std::fprintf(file_.get(), "%c %u %llu\n", kind, topic, static_cast<unsigned long long>(sequence));
}

void journal::note(std::string_view text)
{
    std::fprintf(file_.get(), "%.*s\n", static_cast<int>(text.size()), text.data());
}

}  // namespace fulmar::ledger
