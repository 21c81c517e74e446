// Reads the journals back into the books that the checker compares (checker.hpp).

#include "tests/ledger/checker.hpp"

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace fulmar::ledger {

namespace {

// The files <prefix>N.log of a directory, by N.
std::map<std::uint32_t, std::filesystem::path> numbered(std::filesystem::path const& directory,
                                                        std::string const& prefix)
{
    std::map<std::uint32_t, std::filesystem::path> found;
    for (auto const& entry : std::filesystem::directory_iterator(directory)) {
        auto const name = entry.path().filename().string();
        if (name.starts_with(prefix) && name.ends_with(".log"))
            found[static_cast<std::uint32_t>(std::stoul(name.substr(prefix.size())))] = entry.path();
    }
    return found;
}

[[noreturn]] void refuse(std::filesystem::path const& file, std::string const& line)
{
    throw std::runtime_error(file.string() + " holds a line that no journal writes: " + line);
}

std::vector<stream_id> read_streams(std::istream& in)
{
    std::vector<stream_id> streams;
    stream_id s;
    for (char colon = 0; in >> s.publisher >> colon >> s.topic;)
        streams.push_back(s);
    return streams;
}

void set_fate(publisher_book& book, std::istream& in, fate f)
{
    std::uint32_t topic = 0;
    std::uint64_t sequence = 0;
    in >> topic >> sequence;
    auto& fates = book.topics[topic];
    if (sequence == 0) {
        in.setstate(std::ios::failbit);
        return;
    }
    if (fates.size() < sequence)
        fates.resize(sequence, fate::never_sent);
    fates[sequence - 1] = f;
}

void read_publisher_line(publisher_book& book, char kind, std::istream& in)
{
    unsigned qos = 0;
    std::string text;
    switch (kind) {
    case 'H':
        in >> book.run >> qos;
        book.qos = static_cast<std::uint8_t>(qos);
        break;
    case 'S': set_fate(book, in, fate::unknown); break;
    case 'A': set_fate(book, in, fate::acknowledged); break;
    case 'R': set_fate(book, in, fate::refused); break;
    case 'C':
    case 'D': break;
    case 'F': ++book.forgotten; break;
    case 'V':
        std::getline(in, text);
        book.violations.push_back(text);
        in.clear();
        break;
    default: in.setstate(std::ios::failbit);
    }
}

void read_session_line(session_book& book, char kind, std::istream& in)
{
    unsigned qos = 0;
    std::string text;
    delivery d;
    switch (kind) {
    case 'H':
        in >> book.run >> qos;
        book.qos = static_cast<std::uint8_t>(qos);
        book.expects = read_streams(in);
        in.clear();
        break;
    case 'M':
        in >> d.stream.publisher >> d.stream.topic >> d.sequence >> d.dup;
        book.deliveries.push_back(d);
        break;
    case 'C': ++book.connections; break;
    case 'D': break;
    case 'X': ++book.corrupt; break;
    case 'F': ++book.forgotten; break;
    case 'V':
        std::getline(in, text);
        book.violations.push_back(text);
        in.clear();
        break;
    default: in.setstate(std::ios::failbit);
    }
}

template <class Book, class ReadLine>
void read_file(std::filesystem::path const& path, Book& book, ReadLine read_line)
{
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        std::istringstream in(line);
        char kind = 0;
        in >> kind;
        read_line(book, kind, in);
        if (in.fail())
            refuse(path, line);
    }
}

}  // namespace

std::vector<publisher_book> read_publishers(std::filesystem::path const& directory)
{
    std::vector<publisher_book> books;
    for (auto const& [number, path] : numbered(directory, "publisher-")) {
        publisher_book book;
        book.publisher = number;
        read_file(path, book, read_publisher_line);
        books.push_back(std::move(book));
    }
    return books;
}

std::vector<session_book> read_sessions(std::filesystem::path const& directory)
{
    std::vector<session_book> books;
    for (auto const& [number, path] : numbered(directory, "session-")) {
        session_book book;
        book.session = number;
        read_file(path, book, read_session_line);
        books.push_back(std::move(book));
    }
    return books;
}

}  // namespace fulmar::ledger
