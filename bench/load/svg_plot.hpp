// A line plot as one SVG element that needs nothing else: for the HTML report.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fulmar::load {

struct plot_line
{
    std::string name;
    std::vector<std::pair<double, double>> points;  // in order of x
};

struct plot_tick
{
    double at = 0;
    std::string label;
};

struct plot
{
    std::string title;
    std::string x_title;
    std::string y_title;
    std::vector<plot_line> lines;
    std::vector<plot_tick> x_ticks;  // empty: chosen
    bool y_logarithmic = false;
};

[[nodiscard]] std::string svg(plot const& what);

// With &, <, > and " written as entities.
[[nodiscard]] std::string html_escaped(std::string_view text);

}  // namespace fulmar::load
