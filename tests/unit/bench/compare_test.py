"""The table, the plots and the choice of cases of bench/compare; no broker is started."""

import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bench", "comparison"))

import cases  # noqa: E402
import peers  # noqa: E402
import result  # noqa: E402

FIGURE = cases.CPU


def row(case=None, **runs):
    return result.Row("a-case", case or cases.fanout("mqtt", 1, 64), runs)


class Rows(unittest.TestCase):
    def test_a_cell_has_the_median_with_its_range(self):
        one = row(fulmar=[{FIGURE: 3}, {FIGURE: 1}, {FIGURE: 2}])
        self.assertEqual(one.cell("fulmar"), "2 (1–3)")
        self.assertEqual(one.cell("mosquitto"), "")

    def test_better_is_less_time_and_more_throughput(self):
        self.assertEqual(row(a=[{FIGURE: 2}], b=[{FIGURE: 6}]).ratio("a", "b"), "3.00")
        more = cases.rate("g", "mqtt", ["durable"])
        self.assertEqual(row(more, a=[{more.figure: 6}], b=[{more.figure: 2}]).ratio("a", "b"), "3.00")
        self.assertEqual(row(a=[{FIGURE: 2}]).ratio("a", "b"), "")

    def test_a_fault_in_one_round_marks_the_broker(self):
        one = row(a=[{FIGURE: 1}, {FIGURE: 1, "failed": "lost"}], b=[{"failed": "cannot connect"}, {FIGURE: 1}], c=[{FIGURE: 1}])
        self.assertIn("FAILED", one.cell("a"))
        self.assertIn("FAILED", one.cell("b"))
        self.assertNotIn("FAILED", one.cell("c"))

    def test_a_broker_that_was_never_measured_has_no_figure(self):
        one = row(a=[{"failed": "cannot connect"}])
        self.assertEqual(one.cell("a"), "- FAILED")
        self.assertEqual(one.ratio("a", "a"), "")


class Page(unittest.TestCase):
    def test_has_the_table_the_failures_and_a_plot_per_group(self):
        rows = [row(a=[{FIGURE: 1}], b=[{FIGURE: 4, "failed": "5 are <missing>"}]),
                result.Row("d", cases.CASES["durable"], {"a": [{"acknowledged_per_s": 5}], "b": [{"failed": "cannot connect"}]})]
        with tempfile.TemporaryDirectory(prefix="fulmar-test-") as folder:
            result.write_page(folder, rows, ["a", "b"], [("when", "now")])
            self.assertEqual(sorted(os.listdir(folder)), ["comparison-durable-per-s.svg", "comparison-fan-out-us.svg",
                                                          "comparison.md"])
            with open(os.path.join(folder, "comparison.md"), encoding="utf-8") as f:
                page = f.read()
            with open(os.path.join(folder, "comparison-fan-out-us.svg"), encoding="utf-8") as f:
                plot = f.read()
        self.assertIn("| a-case", page)
        self.assertIn("* `a-case`, b: 5 are <missing>", page)
        self.assertIn("(comparison-fan-out-us.svg)", page)
        self.assertEqual(plot.count("<rect x="), 2)
        self.assertIn("FAILED", plot)

    def test_a_group_that_nobody_could_run_has_no_plot(self):
        with tempfile.TemporaryDirectory(prefix="fulmar-test-") as folder:
            result.write_page(folder, [row(a=[{"failed": "cannot connect"}])], ["a"], [])
            self.assertEqual(os.listdir(folder), ["comparison.md"])


class Choice(unittest.TestCase):
    def test_a_broker_with_fewer_idle_connections_gets_them_in_that_case_alone(self):
        rabbit = peers.Rabbit.__new__(peers.Rabbit)
        self.assertEqual(rabbit.adapted(["idle", "-N", "10000", "--duration", "1"]), ["idle", "-N", "1000", "--duration", "1"])
        self.assertEqual(rabbit.adapted(["storm", "-N", "10000"]), ["storm", "-N", "10000"])
        self.assertEqual(peers.Mosquitto.__new__(peers.Mosquitto).adapted(["idle", "-N", "10000"]), ["idle", "-N", "10000"])

    def test_cases_are_chosen_by_name_or_beginning(self):
        self.assertEqual(set(cases.chosen("pairs-qos*")), {"pairs-qos0", "pairs-qos1", "pairs-qos2"})
        self.assertEqual(set(cases.chosen("idle,storm")), {"idle", "storm"})
        self.assertEqual(cases.chosen("no-such"), {})
        self.assertEqual(len(cases.chosen("")), len(cases.CASES))

    def test_no_broker_is_asked_for_what_it_does_not_speak(self):
        every = cases.CASES
        self.assertTrue(peers.speaks("nchan", every["fanout-sse-100-64"]))
        self.assertFalse(peers.speaks("nchan", every["fanout-100-64"]))
        self.assertFalse(peers.speaks("mosquitto", every["fanout-web-100-64"]))
        self.assertTrue(peers.speaks("socket.io", every["fanout-web-100-64"]))
        self.assertFalse(peers.speaks("aedes", every["durable"]))
        self.assertTrue(peers.speaks("floor", every["pairs-qos0"]))
        self.assertFalse(peers.speaks("floor", every["pairs-qos1"]))
        self.assertFalse(peers.speaks("floor", every["churn"]))
        self.assertTrue(all(peers.speaks("fulmar", case) for case in every.values()))
        self.assertTrue(peers.speaks("fulmar-os", every["durable"]))
        self.assertFalse(peers.speaks("fulmar-os", every["idle"]))

    def test_every_broker_says_what_its_settings_are(self):
        for name, kind in peers.BROKERS.items():
            self.assertTrue(kind.SETTINGS, name)


if __name__ == "__main__":
    unittest.main()
