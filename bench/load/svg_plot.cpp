#include "bench/load/svg_plot.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace fulmar::load {

namespace {

constexpr double width = 860;
constexpr double height = 340;
constexpr double left = 84;
constexpr double right = 16;
constexpr double top = 34;
constexpr double bottom = 52;
constexpr char const* colours[] = {"#1668b8", "#c4501b", "#2c8a4b", "#8b3fa8", "#9a7500", "#b3274f"};

std::string text_of(double value)
{
    char text[40];
    auto const size = std::abs(value);
    if (size >= 1e6)
        std::snprintf(text, sizeof text, "%.4gM", value / 1e6);
    else if (size >= 1e4)
        std::snprintf(text, sizeof text, "%.4gk", value / 1e3);
    else
        std::snprintf(text, sizeof text, "%.4g", value);
    return text;
}

std::string formatted(char const* format, double a, double b, double c = 0, double d = 0)
{
    char text[200];
    std::snprintf(text, sizeof text, format, a, b, c, d);
    return text;
}

// One axis: values to places on paper, and where its ticks are.
class axis
{
public:
    axis(double low, double high, bool logarithmic, double from, double to)
        : logarithmic_{logarithmic}, low_{low}, high_{high}, from_{from}, to_{to}
    {
        if (logarithmic_) {
            low_ = std::pow(10, std::floor(std::log10(std::max(low, 1e-3))));
            high_ = std::pow(10, std::ceil(std::log10(std::max(high, low_ * 10))));
        } else if (high_ <= low_) {
            high_ = low_ + 1;
        }
    }
    [[nodiscard]] double place(double value) const
    {
        auto const share = logarithmic_ ? std::log10(std::max(value, low_) / low_) / std::log10(high_ / low_)
                                        : (value - low_) / (high_ - low_);
        return from_ + share * (to_ - from_);
    }
    [[nodiscard]] std::vector<plot_tick> ticks() const
    {
        std::vector<plot_tick> all;
        if (logarithmic_) {
            for (auto value = low_; value <= high_ * 1.0001; value *= 10)
                all.push_back({value, text_of(value)});
            return all;
        }
        auto const rough = (high_ - low_) / 6;
        auto const power = std::pow(10, std::floor(std::log10(rough)));
        auto const factor = rough / power < 1.5 ? 1 : rough / power < 3.5 ? 2 : rough / power < 7.5 ? 5 : 10;
        auto const step = power * factor;
        for (auto i = std::ceil(low_ / step); i * step <= high_ * 1.0001; ++i)
            all.push_back({i * step, text_of(i * step)});
        return all;
    }

private:
    bool logarithmic_;
    double low_;
    double high_;
    double from_;
    double to_;
};

struct extent
{
    double x_low = 0;
    double x_high = 0;
    double y_low = 0;
    double y_high = 0;
    bool any = false;

    void take(double x, double y)
    {
        x_low = any ? std::min(x_low, x) : x;
        x_high = any ? std::max(x_high, x) : x;
        y_low = any ? std::min(y_low, y) : y;
        y_high = any ? std::max(y_high, y) : y;
        any = true;
    }
};

std::string grid(plot const& what, axis const& x, axis const& y)
{
    std::string out;
    for (auto const& tick : y.ticks()) {
        auto const at = y.place(tick.at);
        out += formatted("<line class='grid' x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>", left, at, width - right, at);
        out += formatted("<text x='%.1f' y='%.1f' text-anchor='end'>", left - 8, at + 4) + tick.label + "</text>\n";
    }
    for (auto const& tick : what.x_ticks.empty() ? x.ticks() : what.x_ticks) {
        auto const at = x.place(tick.at);
        out += formatted("<line class='grid' x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>", at, top, at, height - bottom);
        out += formatted("<text x='%.1f' y='%.1f' text-anchor='middle'>", at, height - bottom + 18) +
               html_escaped(tick.label) + "</text>\n";
    }
    return out;
}

std::string labels(plot const& what)
{
    auto out = formatted("<text class='title' x='%.1f' y='%.1f'>", left, top - 14) + html_escaped(what.title) +
               "</text>\n" +
               formatted("<text x='%.1f' y='%.1f' text-anchor='middle'>", (left + width) / 2, height - 12) +
               html_escaped(what.x_title) + "</text>\n" +
               formatted("<text text-anchor='middle' transform='translate(%.1f %.1f) rotate(-90)'>", 16, height / 2) +
               html_escaped(what.y_title) + "</text>\n";
    for (std::size_t i = 0; what.lines.size() > 1 && i < what.lines.size(); ++i) {
        auto const at = top + 14 + 18 * static_cast<double>(i);
        out += formatted("<rect x='%.1f' y='%.1f' width='12' height='3' fill='", left + 12, at - 4) +
               colours[i % std::size(colours)] + "'/>" + formatted("<text x='%.1f' y='%.1f'>", left + 30, at) +
               html_escaped(what.lines[i].name) + "</text>\n";
    }
    return out;
}

}  // namespace

std::string html_escaped(std::string_view text)
{
    std::string out;
    for (auto const c : text) {
        switch (c) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        default: out += c;
        }
    }
    return out;
}

std::string svg(plot const& what)
{
    extent all;
    for (auto const& line : what.lines) {
        for (auto const& [x, y] : line.points)
            all.take(x, y);
    }
    for (auto const& tick : what.x_ticks)
        all.take(tick.at, all.any ? all.y_high : 1);
    axis const x{all.x_low, all.x_high, false, left, width - right};
    axis const y{what.y_logarithmic ? all.y_low : 0, all.y_high * (what.y_logarithmic ? 1 : 1.08), what.y_logarithmic,
                 height - bottom, top};
    auto out = formatted("<svg viewBox='0 0 %.0f %.0f' role='img' aria-label='", width, height) +
               html_escaped(what.title) + "'>\n" + grid(what, x, y);
    for (std::size_t i = 0; i < what.lines.size(); ++i) {
        out += std::string{"<polyline fill='none' stroke-width='2' stroke='"} + colours[i % std::size(colours)] +
               "' points='";
        for (auto const& [at_x, at_y] : what.lines[i].points)
            out += formatted("%.1f,%.1f ", x.place(at_x), y.place(at_y));
        out += "'/>\n";
    }
    return out + labels(what) + "</svg>\n";
}

}  // namespace fulmar::load
