#include "tests/ledger/checker.hpp"

#include <algorithm>
#include <ostream>

namespace fulmar::ledger {

namespace {

constexpr std::size_t examples_max = 20;

struct sent_stream
{
    std::vector<fate> const* fates = nullptr;
    std::uint8_t qos = 1;
};

using sent_streams = std::map<stream_id, sent_stream>;

// What one session has been given of one stream so far.
struct stream_progress
{
    std::vector<bool> seen;  // [sequence - 1]
    std::uint64_t highest = 0;
};

void example(verdict& v, std::string text)
{
    if (v.examples.size() < examples_max)
        v.examples.push_back(std::move(text));
}

std::string describe(session_book const& s, stream_id stream, std::uint64_t sequence)
{
    return "session " + std::to_string(s.session) + ", publisher " + std::to_string(stream.publisher) + ", topic " +
           std::to_string(stream.topic) + ", message " + std::to_string(sequence);
}

void count_publisher(verdict& v, publisher_book const& book)
{
    for (auto const& [topic, fates] : book.topics) {
        v.sent += fates.size();
        for (auto const f : fates) {
            v.acknowledged += f == fate::acknowledged ? 1 : 0;
            v.refused += f == fate::refused ? 1 : 0;
            v.unknown += f == fate::unknown ? 1 : 0;
        }
    }
    v.sessions_forgotten += book.forgotten;
    v.protocol_violations += book.violations.size();
    for (auto const& what : book.violations)
        example(v, "publisher " + std::to_string(book.publisher) + ": " + what);
    if (book.forgotten != 0)
        example(v, "publisher " + std::to_string(book.publisher) + ": the broker forgot its session");
}

void follow(verdict& v, session_book const& session, sent_streams const& sent, delivery const& d,
            stream_progress& progress)
{
    auto const& source = sent.at(d.stream);
    if (d.sequence == 0 || d.sequence > source.fates->size() || (*source.fates)[d.sequence - 1] == fate::never_sent) {
        ++v.unexpected;
        example(v, "never sent: " + describe(session, d.stream, d.sequence));
        return;
    }
    if (progress.seen.size() < source.fates->size())
        progress.seen.resize(source.fates->size());
    if (progress.seen[d.sequence - 1]) {
        bool const exactly_once = source.qos == 2 && session.qos == 2;
        ++(exactly_once ? v.duplicates_exactly_once : v.duplicates);
        if (exactly_once)
            example(v, "delivered again at QoS 2: " + describe(session, d.stream, d.sequence));
        return;
    }
    progress.seen[d.sequence - 1] = true;
    if (d.sequence < progress.highest) {
        ++v.out_of_order;
        example(v, "came after " + std::to_string(progress.highest) + ": " + describe(session, d.stream, d.sequence));
    }
    progress.highest = std::max(progress.highest, d.sequence);
}

void find_losses(verdict& v, session_book const& session, stream_id stream, sent_stream const& source,
                 stream_progress const& progress)
{
    auto const first = std::find(progress.seen.begin(), progress.seen.end(), true);
    auto const lowest = static_cast<std::uint64_t>(first - progress.seen.begin()) + 1;
    for (std::uint64_t sequence = 1; sequence <= source.fates->size(); ++sequence) {
        bool const seen = sequence <= progress.seen.size() && progress.seen[sequence - 1];
        if (seen || (*source.fates)[sequence - 1] != fate::acknowledged)
            continue;
        char const* where = "middle";
        if (progress.highest == 0) {
            ++v.lost_everything;
            where = "nothing of the stream came";
        } else if (sequence < lowest) {
            ++v.lost_prefix;
            where = "prefix";
        } else if (sequence > progress.highest) {
            ++v.lost_postfix;
            where = "postfix";
        } else {
            ++v.lost_middle;
        }
        example(v, "lost (" + std::string(where) + "): " + describe(session, stream, sequence));
    }
}

void check_session(verdict& v, session_book const& session, sent_streams const& sent)
{
    std::map<stream_id, stream_progress> progress;
    for (auto const& d : session.deliveries) {
        ++v.deliveries;
        bool const wanted =
            std::find(session.expects.begin(), session.expects.end(), d.stream) != session.expects.end();
        if (!wanted || !sent.contains(d.stream)) {
            ++v.unexpected;
            example(v, "not subscribed to: " + describe(session, d.stream, d.sequence));
            continue;
        }
        follow(v, session, sent, d, progress[d.stream]);
    }
    for (auto const& stream : session.expects) {
        if (auto const source = sent.find(stream); source != sent.end())
            find_losses(v, session, stream, source->second, progress[stream]);
    }
    v.corrupt += session.corrupt;
    v.sessions_forgotten += session.forgotten;
    v.protocol_violations += session.violations.size();
    auto const name = "session " + std::to_string(session.session);
    if (session.corrupt != 0)
        example(v, name + ": " + std::to_string(session.corrupt) + " corrupt payloads");
    if (session.forgotten != 0)
        example(v, name + ": forgotten by the broker " + std::to_string(session.forgotten) + " times");
    for (auto const& what : session.violations)
        example(v, name + ": " + what);
}

std::string json_quoted(std::string const& text)
{
    std::string out = "\"";
    for (char const c : text) {
        if (c == '"' || c == '\\')
            out.push_back('\\');
        out.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    }
    return out + "\"";
}

}  // namespace

verdict check(std::vector<publisher_book> const& publishers, std::vector<session_book> const& sessions)
{
    verdict v;
    sent_streams sent;
    for (auto const& book : publishers) {
        count_publisher(v, book);
        for (auto const& [topic, fates] : book.topics)
            sent[stream_id{book.publisher, topic}] = sent_stream{&fates, book.qos};
    }
    for (auto const& session : sessions)
        check_session(v, session, sent);
    return v;
}

void write_json(std::ostream& out, verdict const& v)
{
    out << "{\"clean\":" << (v.clean() ? "true" : "false") << ",\"sent\":" << v.sent
        << ",\"acknowledged\":" << v.acknowledged << ",\"refused\":" << v.refused << ",\"unknown\":" << v.unknown
        << ",\"deliveries\":" << v.deliveries << ",\"lost\":" << v.lost() << ",\"lost_prefix\":" << v.lost_prefix
        << ",\"lost_middle\":" << v.lost_middle << ",\"lost_postfix\":" << v.lost_postfix
        << ",\"lost_everything\":" << v.lost_everything << ",\"unexpected\":" << v.unexpected
        << ",\"corrupt\":" << v.corrupt << ",\"out_of_order\":" << v.out_of_order << ",\"duplicates\":" << v.duplicates
        << ",\"duplicates_exactly_once\":" << v.duplicates_exactly_once
        << ",\"sessions_forgotten\":" << v.sessions_forgotten << ",\"protocol_violations\":" << v.protocol_violations
        << ",\"examples\":[";
    for (std::size_t i = 0; i < v.examples.size(); ++i)
        out << (i == 0 ? "" : ",") << json_quoted(v.examples[i]);
    out << "]}";
}

}  // namespace fulmar::ledger
