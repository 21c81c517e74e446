// The numbers of a metrics page, by name and labels.
//
// Spec:     Prometheus text exposition format 0.0.4.
// Owner:    whoever asked for the page.
// Threads:  none of its own.
// Limits:   samples_max samples; lines that are none are passed over.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fulmar::cli {

inline constexpr std::size_t samples_max = 100'000;

struct metric_sample
{
    std::map<std::string, std::string, std::less<>> labels;
    double value = 0;
};

class metrics_page
{
public:
    [[nodiscard]] static metrics_page parse(std::string_view text);

    [[nodiscard]] bool has(std::string_view name) const { return samples_.find(name) != samples_.end(); }
    // Over all labels; 0 if there is none.
    [[nodiscard]] double sum(std::string_view name) const;
    [[nodiscard]] double largest(std::string_view name) const;
    // By the value of one label, added up.
    [[nodiscard]] std::map<std::string, double> by(std::string_view name, std::string_view label) const;

private:
    std::map<std::string, std::vector<metric_sample>, std::less<>> samples_;
};

}  // namespace fulmar::cli
