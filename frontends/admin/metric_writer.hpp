// Writes metrics in the Prometheus text exposition format.
//
// Spec:     Prometheus text format 0.0.4: HELP and TYPE once per name, escapes in help texts and label values.
// Owner:    one object per scrape.
// Limits:   labels come from fixed sets (transports, QoS, reasons, shards), never from clients: their number is bounded.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace fulmar::admin {

struct metric_label
{
    std::string_view name;
    std::string value;
};
using metric_labels = std::initializer_list<metric_label>;

// Counts by upper bound, as a source keeps them.
struct histogram_view
{
    std::span<double const> bounds;
    std::span<std::uint64_t const> counts;  // not cumulative; one more than bounds
    double sum = 0;
};

class metric_writer
{
public:
    // All samples of one name are written one after the other; the help text of the first is used.
    void counter(std::string_view name, std::string_view help, double value, metric_labels labels = {});
    void gauge(std::string_view name, std::string_view help, double value, metric_labels labels = {});
    void histogram(std::string_view name, std::string_view help, histogram_view const& values,
                   metric_labels labels = {});

    [[nodiscard]] std::string take() noexcept { return std::move(text_); }

private:
    void begin(std::string_view name, std::string_view help, std::string_view type);
    void sample(std::string_view name, std::string_view suffix, metric_labels labels, metric_label const* more,
                double value);

    std::string text_;
    std::string family_;
};

// Adds what one part of the process knows. Called on the shard of the scraping connection.
using metric_source = std::function<void(metric_writer&)>;

}  // namespace fulmar::admin
