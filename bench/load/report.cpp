#include "bench/load/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace fulmar::load {

namespace {

std::string json_quoted(std::string_view text)
{
    std::string out{"\""};
    for (auto const c : text) {
        if (c == '"' || c == '\\')
            out.push_back('\\');
        out.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    }
    return out + "\"";
}

std::string formatted(double value)
{
    char text[40];
    auto const size = std::abs(value);
    std::snprintf(text, sizeof text, size >= 1000 ? "%.0f" : size >= 10 ? "%.2f" : "%.4g", value);
    return text;
}

// 1234567 -> 1,234,567
std::string grouped(std::uint64_t value)
{
    auto const digits = std::to_string(value);
    std::string out;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % 3 == 0)
            out.push_back(',');
        out.push_back(digits[i]);
    }
    return out;
}

std::string spaced(std::string_view name)
{
    std::string out{name};
    std::replace(out.begin(), out.end(), '_', ' ');
    return out;
}

constexpr struct
{
    double percent;
    char const* label;
} percentiles[] = {{50, "p50"}, {90, "p90"}, {99, "p99"}, {99.9, "p99.9"}, {99.99, "p99.99"}};

// Where a percentile stands on the axis of the plot: each nine takes the same room.
double nines(double percent) { return -std::log10(std::max(1 - percent / 100, 1e-6)); }

// Microseconds with a unit that leaves few digits.
std::string duration_text(double us)
{
    if (us < 1'000)
        return formatted(us) + " us";
    return us < 1e6 ? formatted(us / 1e3) + " ms" : formatted(us / 1e6) + " s";
}

std::string padded(std::string text, std::size_t width)
{
    if (text.size() < width)
        text.insert(0, width - text.size(), ' ');
    return text;
}

}  // namespace

report::report(std::string scenario) { text("scenario", scenario); }

void report::text(std::string_view name, std::string_view value)
{
    figures_.push_back({std::string{name}, json_quoted(value), std::string{value}, std::string{name}});
}

void report::count(std::string_view name, std::uint64_t value)
{
    figures_.push_back({std::string{name}, std::to_string(value), grouped(value), std::string{name}});
}

void report::number(std::string_view name, double value, std::string_view unit)
{
    if (!std::isfinite(value))
        return;
    if (name == "generator_cpu")
        generator_cpu_percent_ = value;
    auto const shown = std::abs(value) >= 1000 ? grouped(static_cast<std::uint64_t>(std::llround(std::abs(value))))
                                               : formatted(std::abs(value));
    auto json_name = std::string{name};
    if (!unit.empty() && unit != "%")
        json_name.append("_").append(unit == "/s" ? "per_s" : unit);
    auto const suffix = unit.empty() || unit == "/s" ? std::string{unit} : " " + std::string{unit};
    figures_.push_back(
        {std::move(json_name), formatted(value), (value < 0 ? "-" : "") + shown + suffix, std::string{name}});
}

void report::latency(std::string_view name, histogram const& values)
{
    if (values.total() == 0)
        return;
    latency_row row{std::string{name}, {}, values.total()};
    auto const add = [&](char const* label, std::size_t place, double us) {
        number(std::string{name} + "_" + label, us, "us");
        figures_.back().in_latency_table = true;
        row.us[place] = us;
    };
    for (std::size_t i = 0; i < std::size(percentiles); ++i)
        add(percentiles[i].label, i, static_cast<double>(values.percentile_ns(percentiles[i].percent)) / 1e3);
    add("max", points - 1, static_cast<double>(values.max_ns()) / 1e3);
    latencies_.push_back(std::move(row));

    plot_line line{std::string{name}, {}};
    for (auto x = 0.0; x <= 4.0001; x += 0.05) {
        auto const percent = 100 * (1 - std::pow(10, -x));
        line.points.emplace_back(x, std::max(static_cast<double>(values.percentile_ns(percent)) / 1e3, 1e-3));
    }
    percentiles_.push_back(std::move(line));
}

void report::over_time(std::string_view name, throughput const& values)
{
    if (values.points().size() >= 2)
        rates_.push_back({std::string{name}, values.points()});
}

void report::faults(order_faults const& faults)
{
    proven_ = true;
    count("missing", faults.missing);
    count("duplicates", faults.duplicates);
    count("reordered", faults.reordered);
    count("corrupt", faults.corrupt);
    if (faults.missing + faults.duplicates + faults.reordered + faults.corrupt != 0)
        fail("messages are missing, double, out of order or corrupt");
}

void report::fail(std::string_view why)
{
    failed_ = true;
    why_failed_ = why;
    text("failed", why);
}

std::string report::verdict() const
{
    std::string out;
    if (failed_)
        out = "FAILED: " + why_failed_;
    else if (proven_)
        out = "Every delivery was checked: nothing is missing, double, out of order or corrupt.";
    if (generator_cpu_percent_ > 90)
        out += std::string{out.empty() ? "" : "\n"} +
               "The load generator used a whole processor: it may have been the bottleneck, so throughput says little "
               "about the broker (its processor time per delivery still does).";
    return out;
}

std::string report::latency_table() const
{
    std::size_t width = 10;
    for (auto const& row : latencies_)
        width = std::max(width, row.name.size() + 2);
    std::string out{"\n  latency"};
    out.resize(std::max(width + 3, out.size()), ' ');
    for (auto const& point : percentiles)
        out += padded(point.label, 11);
    out += padded("max", 11) + padded("values", 14) + "\n";
    for (auto const& row : latencies_) {
        auto name = "  " + spaced(row.name);
        name.resize(width + 2, ' ');
        out += name;
        for (auto const us : row.us)
            out += padded(duration_text(us), 11);
        out += padded(grouped(row.values), 14) + "\n";
    }
    return out;
}

std::string report::table() const
{
    std::size_t width = 0;
    for (auto const& f : figures_)
        width = std::max(width, f.in_latency_table ? 0 : f.label.size());
    std::string out;
    for (auto const& f : figures_) {
        if (f.in_latency_table || f.label == "failed")
            continue;
        auto name = spaced(f.label);
        name.resize(width + 2, ' ');
        out.append("  ").append(name).append(f.shown).append("\n");
    }
    if (!latencies_.empty())
        out += latency_table();
    if (auto const said = verdict(); !said.empty())
        out += "\n" + said + "\n";
    return out;
}

std::string report::json() const
{
    std::string out{"{"};
    for (auto const& f : figures_)
        out.append(out.size() > 1 ? ", " : "").append(json_quoted(f.name)).append(": ").append(f.value);
    return out + "}\n";
}

std::string report::latency_html() const
{
    std::string out{"<table><tr><th>latency</th>"};
    for (auto const& point : percentiles)
        out += std::string{"<th>"} + point.label + "</th>";
    out += "<th>max</th></tr>\n";
    for (auto const& row : latencies_) {
        out += "<tr><td>" + html_escaped(spaced(row.name)) + "</td>";
        for (auto const us : row.us)
            out += "<td>" + duration_text(us) + "</td>";
        out += "</tr>\n";
    }
    out += "</table>\n";
    return out;
}

std::string report::html() const
{
    std::string out{R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>fulmar bench</title><style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 56em; padding: 0 1em; color: #1c2733; background: #fff; }
table { border-collapse: collapse; margin: 1em 0; } td, th { padding: .2em 1em .2em 0; text-align: left; vertical-align: top; }
td + td, th + th { text-align: right; font-variant-numeric: tabular-nums; } tr { border-bottom: 1px solid #e3e8ee; }
.ok { color: #1d6b37; } .bad { color: #a51d2d; font-weight: 600; } p { white-space: pre-line; }
svg { width: 100%; height: auto; margin: 1em 0; font: 12px system-ui, sans-serif; fill: currentColor; }
svg .grid { stroke: #dde3ea; } svg .title { font-size: 15px; font-weight: 600; }
</style></head><body>
<h1>fulmar bench: )"};
    out += html_escaped(figures_.front().shown) + "</h1>\n<p class='" + (failed_ ? "bad" : "ok") + "'>" +
           html_escaped(verdict()) + "</p>\n";
    if (!percentiles_.empty())
        out += svg({"Latency by percentile",
                    "percent of all values that are not slower",
                    "microseconds",
                    percentiles_,
                    {{0, "0"}, {nines(50), "50"}, {1, "90"}, {2, "99"}, {3, "99.9"}, {4, "99.99"}},
                    true});
    if (!rates_.empty())
        out += svg({"Throughput over time", "seconds", "per second", rates_, {}, false});
    if (!latencies_.empty())
        out += latency_html();
    out += "<table>\n";
    for (auto const& f : figures_) {
        if (!f.in_latency_table)
            out += "<tr><td>" + html_escaped(spaced(f.label)) + "</td><td>" + html_escaped(f.shown) + "</td></tr>\n";
    }
    return out + "</table></body></html>\n";
}

}  // namespace fulmar::load
