// The books: what a publisher was promised and what a session was given, one text line per event, in a file that the
// broker cannot touch.
//
// Publisher lines:  H run qos topics...   S topic seq (first sent)   A topic seq (acknowledged)
//                   R topic seq reason (refused)   F (the broker forgot the session)   V text (protocol violation)
// Session lines:    H run qos publisher:topic...   C (connected)   D (disconnected)
//                   M publisher topic seq dup (received)   X hex (corrupt)   F   V text
// Threads:  one.
#pragma once

#include "tests/ledger/payload.hpp"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::ledger {

class journal
{
public:
    // Creates the file; throws std::runtime_error if that is impossible.
    explicit journal(std::filesystem::path const& file);

    void header(std::uint32_t run, std::uint8_t qos, std::vector<stream_id> const& streams);
    void sent(std::uint32_t topic, std::uint64_t sequence) { line('S', topic, sequence); }
    void acknowledged(std::uint32_t topic, std::uint64_t sequence) { line('A', topic, sequence); }
    void refused(std::uint32_t topic, std::uint64_t sequence, std::uint8_t reason);
    void received(stream_id stream, std::uint64_t sequence, bool dup);
    void corrupt(std::string_view payload);
    void connected() { note("C"); }
    void disconnected() { note("D"); }
    void forgotten() { note("F"); }
    void violation(std::string_view what);
    void flush() { std::fflush(file_.get()); }

private:
    void line(char kind, std::uint32_t topic, std::uint64_t sequence);
    void note(std::string_view text);

    struct closer
    {
        void operator()(std::FILE* f) const { std::fclose(f); }
    };
    std::unique_ptr<std::FILE, closer> file_;
};

}  // namespace fulmar::ledger
