#include "frontends/cli/metrics_text.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

namespace fulmar::cli {

namespace {

void skip_blanks(std::string_view& text)
{
    while (text.starts_with(' ') || text.starts_with('\t'))
        text.remove_prefix(1);
}

// The text between quotes; nothing if it does not end.
std::optional<std::string> take_quoted(std::string_view& text)
{
    if (!text.starts_with('"'))
        return std::nullopt;
    std::string out;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '"') {
            text.remove_prefix(i + 1);
            return out;
        }
        if (text[i] == '\\' && i + 1 < text.size())
            out += text[++i] == 'n' ? '\n' : text[i];
        else
            out += text[i];
    }
    return std::nullopt;
}

// Behind "{"; false: they make no sense.
bool take_labels(std::string_view& text, metric_sample& out)
{
    while (true) {
        skip_blanks(text);
        if (text.starts_with('}')) {
            text.remove_prefix(1);
            return true;
        }
        auto const equals = text.find('=');
        if (equals == std::string_view::npos)
            return false;
        std::string name{text.substr(0, equals)};
        text.remove_prefix(equals + 1);
        auto value = take_quoted(text);
        if (!value)
            return false;
        out.labels.insert_or_assign(std::move(name), std::move(*value));
        skip_blanks(text);
        if (text.starts_with(','))
            text.remove_prefix(1);
    }
}

std::optional<double> read_value(std::string_view text)
{
    text = text.substr(0, text.find_first_of(" \t\r"));
    if (text == "+Inf")
        return std::numeric_limits<double>::infinity();
    double value = 0;
    auto const [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || rest != text.data() + text.size())
        return std::nullopt;
    return value;
}

}  // namespace

metrics_page metrics_page::parse(std::string_view text)
{
    metrics_page out;
    std::size_t count = 0;
    while (!text.empty() && count < samples_max) {
        auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        auto const end = line.find_first_of("{ \t");
        if (line.starts_with('#') || end == std::string_view::npos || end == 0)
            continue;
        auto const name = line.substr(0, end);
        line.remove_prefix(end);
        metric_sample sample;
        if (line.starts_with('{')) {
            line.remove_prefix(1);
            if (!take_labels(line, sample))
                continue;
        }
        skip_blanks(line);
        auto const value = read_value(line);
        if (!value)
            continue;
        sample.value = *value;
        out.samples_[std::string{name}].push_back(std::move(sample));
        ++count;
    }
    return out;
}

double metrics_page::sum(std::string_view name) const
{
    double out = 0;
    if (auto const found = samples_.find(name); found != samples_.end())
        for (auto const& each : found->second)
            out += each.value;
    return out;
}

double metrics_page::largest(std::string_view name) const
{
    double out = 0;
    if (auto const found = samples_.find(name); found != samples_.end())
        for (auto const& each : found->second)
            out = std::max(out, each.value);
    return out;
}

std::map<std::string, double> metrics_page::by(std::string_view name, std::string_view label) const
{
    std::map<std::string, double> out;
    if (auto const found = samples_.find(name); found != samples_.end())
        for (auto const& each : found->second)
            if (auto const value = each.labels.find(label); value != each.labels.end())
                out[value->second] += each.value;
    return out;
}

}  // namespace fulmar::cli
