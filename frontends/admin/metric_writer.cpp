#include "frontends/admin/metric_writer.hpp"

#include "broker/errors.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace fulmar::admin {

namespace {

void append_escaped(std::string& out, std::string_view text, bool quotes)
{
    for (auto const c : text) {
        if (c == '\\')
            out += "\\\\";
        else if (c == '\n')
            out += "\\n";
        else if (c == '"' && quotes)
            out += "\\\"";
        else
            out += c;
    }
}

void append_number(std::string& out, double value)
{
    if (std::isnan(value)) {
        out += "NaN";
        return;
    }
    if (std::isinf(value)) {
        out += value > 0 ? "+Inf" : "-Inf";
        return;
    }
    std::array<char, 32> text{};
    // Whole numbers without an exponent: people read these too.
    auto const whole = value == std::floor(value) && std::fabs(value) < 9e15;
    auto const end = whole ? std::to_chars(text.data(), text.data() + text.size(), static_cast<std::int64_t>(value))
                           : std::to_chars(text.data(), text.data() + text.size(), value);
    out.append(text.data(), end.ptr);
}

}  // namespace

void metric_writer::begin(std::string_view name, std::string_view help, std::string_view type)
{
    if (family_ == name)
        return;
    family_ = name;
    text_.append("# HELP ").append(name).append(" ");
    append_escaped(text_, help, false);
    text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void metric_writer::sample(std::string_view name, std::string_view suffix, metric_labels labels,
                           metric_label const* more, double value)
{
    text_.append(name).append(suffix);
    auto separator = '{';
    auto const add = [&](metric_label const& label) {
        text_ += separator;
        text_.append(label.name).append("=\"");
        append_escaped(text_, label.value, true);
        text_ += '"';
        separator = ',';
    };
    for (auto const& label : labels)
        add(label);
    if (more != nullptr)
        add(*more);
    text_ += separator == ',' ? "} " : " ";
    append_number(text_, value);
    text_ += '\n';
}

void metric_writer::counter(std::string_view name, std::string_view help, double value, metric_labels labels)
{
    begin(name, help, "counter");
    sample(name, "", labels, nullptr, value);
}

void metric_writer::gauge(std::string_view name, std::string_view help, double value, metric_labels labels)
{
    begin(name, help, "gauge");
    sample(name, "", labels, nullptr, value);
}

void metric_writer::histogram(std::string_view name, std::string_view help, histogram_view const& values,
                              metric_labels labels)
{
    FULMAR_ASSERT(values.counts.size() == values.bounds.size() + 1);
    begin(name, help, "histogram");
    double below = 0;
    for (std::size_t i = 0; i < values.counts.size(); ++i) {
        below += static_cast<double>(values.counts[i]);
        metric_label bound{"le", "+Inf"};
        if (i < values.bounds.size()) {
            bound.value.clear();
            append_number(bound.value, values.bounds[i]);
        }
        sample(name, "_bucket", labels, &bound, below);
    }
    sample(name, "_sum", labels, nullptr, values.sum);
    sample(name, "_count", labels, nullptr, below);
}

}  // namespace fulmar::admin
