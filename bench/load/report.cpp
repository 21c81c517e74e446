#include "bench/load/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace fulmar::load {

namespace {

std::string quoted(std::string_view text)
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

}  // namespace

report::report(std::string scenario) { text("scenario", scenario); }

void report::text(std::string_view name, std::string_view value)
{
    figures_.push_back({std::string{name}, quoted(value), std::string{value}, std::string{name}});
}

void report::count(std::string_view name, std::uint64_t value)
{
    figures_.push_back({std::string{name}, std::to_string(value), grouped(value), std::string{name}});
}

void report::number(std::string_view name, double value, std::string_view unit)
{
    if (!std::isfinite(value))
        return;
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
    static constexpr struct
    {
        double percent;
        char const* label;
    } points[] = {{50, "p50"}, {90, "p90"}, {99, "p99"}, {99.9, "p99.9"}, {99.99, "p99.99"}};
    for (auto const& point : points)
        number(std::string{name} + "_" + point.label, static_cast<double>(values.percentile_ns(point.percent)) / 1e3,
               "us");
    number(std::string{name} + "_max", static_cast<double>(values.max_ns()) / 1e3, "us");
}

void report::faults(order_faults const& faults)
{
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
    text("failed", why);
}

std::string report::table() const
{
    std::size_t width = 0;
    for (auto const& f : figures_)
        width = std::max(width, f.label.size());
    std::string out;
    for (auto const& f : figures_) {
        auto name = spaced(f.label);
        name.resize(width + 2, ' ');
        out.append("  ").append(name).append(f.shown).append("\n");
    }
    return out;
}

std::string report::json() const
{
    std::string out{"{"};
    for (auto const& f : figures_)
        out.append(out.size() > 1 ? ", " : "").append(quoted(f.name)).append(": ").append(f.value);
    return out + "}\n";
}

}  // namespace fulmar::load
