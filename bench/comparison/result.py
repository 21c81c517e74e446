"""The result of a comparison: a table for the terminal, and a page with plots for docs/benchmarks."""
import html
import math
import os
import statistics

COLOURS = ("#1668b8", "#c4501b", "#2c8a4b", "#8b3fa8", "#9a7500", "#b3274f", "#4a5a6a", "#0d8a8a", "#9aa7b4")


def shown(value):
    if value is None:
        return "-"
    return "{:,.0f}".format(value) if abs(value) >= 1000 else "%.4g" % value


class Row:
    """One case: of every broker the values of all rounds, and whether a run failed its checks."""

    def __init__(self, name, case, reports):
        self.name, self.case = name, case
        self.values = {broker: [r[case.figure] for r in runs if case.figure in r] for broker, runs in reports.items()}
        self.failed = {broker: next((r["failed"] for r in runs if "failed" in r), None) for broker, runs in reports.items()}

    def median(self, broker):
        values = self.values.get(broker)
        return statistics.median(values) if values else None

    def cell(self, broker):
        if broker not in self.values:
            return ""
        values = self.values[broker]
        spread = " (%s–%s)" % (shown(min(values)), shown(max(values))) if len(values) > 1 else ""
        return shown(self.median(broker)) + spread + (" FAILED" if self.failed[broker] else "")

    def ratio(self, first, other):
        """How many times better the first one is."""
        mine, theirs = self.median(first), self.median(other)
        if not mine or not theirs:
            return ""
        return "%.2f" % (theirs / mine if self.case.smaller_is_better else mine / theirs)


def aligned(titles, lines):
    widths = [max(len(line[i]) for line in [titles, *lines]) for i in range(len(titles))]

    def written(cells):
        return "| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths)) + " |"

    return "\n".join([written(titles), "|" + "|".join("-" * (w + 2) for w in widths) + "|", *map(written, lines)])


def figures(rows, brokers):
    return aligned(["case", "unit", *brokers], [[r.name, r.case.unit, *(r.cell(b) for b in brokers)] for r in rows])


def ratios(rows, brokers):
    """How many times better the first broker is than each of the others."""
    others = brokers[1:]
    lines = [[r.name, *(r.ratio(brokers[0], b) for b in others)] for r in rows]
    return aligned(["%s is better than" % brokers[0], *others], [line for line in lines if any(line[1:])])


def svg(group, rows, brokers):
    """Bars of all cases of a group: the median, with a line from the smallest to the largest value. Logarithmic, because
    brokers differ by factors of a thousand."""
    values = [v for r in rows for b in brokers for v in r.values.get(b, ()) if v > 0] or [1]
    low, top = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    left, width, step = 300, 900, 22
    scale = (width - left - 110) / max(1, top - low)

    def at(value):
        return left + scale * max(0.0, math.log10(value) - low) if value > 0 else left

    out, y = [], 52
    for row in rows:
        mine = [b for b in brokers if row.values.get(b)]
        if not mine:
            continue
        out.append('<text x="8" y="%d" font-weight="600">%s</text>' % (y + 14, html.escape("%s, %s" % (row.name, row.case.unit))))
        for broker in mine:
            least, most, median = min(row.values[broker]), max(row.values[broker]), row.median(broker)
            colour = COLOURS[brokers.index(broker) % len(COLOURS)]
            out.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (left - 8, y + 14, html.escape(broker)))
            out.append('<rect x="%d" y="%d" width="%.1f" height="14" fill="%s"/>' % (left, y + 3, max(1, at(median) - left), colour))
            out.append('<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#1c2733"/>' % (at(least), at(most), y + 10, y + 10))
            out.append('<text x="%.1f" y="%d">%s%s</text>' % (at(most) + 6, y + 14, shown(median), " FAILED" if row.failed[broker] else ""))
            y += step
        y += 10
    for power in range(low, top + 1):
        x = at(10.0 ** power)
        out.insert(0, '<line x1="%.1f" x2="%.1f" y1="48" y2="%d" stroke="#dde3ea"/>' % (x, x, y))
        out.insert(0, '<text x="%.1f" y="42" text-anchor="middle" fill="#5a6672">%s</text>' % (x, shown(10.0 ** power)))
    better = "less" if rows[0].case.smaller_is_better else "more"
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">\n'
            '<rect width="100%%" height="100%%" fill="#fff"/>\n'
            '<text x="8" y="20" font-size="15" font-weight="600">%s (%s is better, logarithmic)</text>\n%s\n</svg>\n'
            % (width, y + 6, html.escape(group), better, "\n".join(out)))


def write_page(folder, rows, brokers, facts):
    """<folder>/comparison.md and one comparison-<group>.svg for each group of cases."""
    os.makedirs(folder, exist_ok=True)
    groups = {}
    for row in rows:
        groups.setdefault((row.case.group, row.case.unit), []).append(row)
    lines = ["# Comparison", "", "Written by `bench/compare`; README.md beside this file says how to read it.", ""]
    lines += ["| | |", "|---|---|", *("| %s | %s |" % fact for fact in facts), "", figures(rows, brokers), ""]
    if len(brokers) > 1:
        lines += ["How many times better, by the medians:", "", ratios(rows, brokers), ""]
    failures = [(r.name, b, why) for r in rows for b, why in r.failed.items() if why]
    if failures:
        lines += ["FAILED means that the load generator found a fault (or could not measure):", "",
                  *("* `%s`, %s: %s" % failure for failure in failures), ""]
    for (group, unit), members in groups.items():
        if not any(r.values.get(b) for r in members for b in brokers):
            continue
        name = "comparison-%s.svg" % "-".join((group + " " + unit).replace("/", "per ").replace("µ", "u").split())
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(svg(group, members, brokers))
        lines.append("![%s](%s)" % (group, name))
    with open(os.path.join(folder, "comparison.md"), "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
