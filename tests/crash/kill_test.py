"""kill -9 at random moments, under load, with half of the sessions offline: nothing that was acknowledged may be lost,
changed or reordered, and QoS 2 stays exactly once.

    kill_test.py [--long] [--kills N] [--seed N] [Case.test ...]

--long makes at least 200 kills in each case. The seed is printed; it fixes the moments of the kills and the clients' choices.
"""

import argparse
import os
import random
import sys
import time
import unittest

from broker import Broker
from ledger_run import LedgerRun, require_clean

options = argparse.Namespace(long=False, kills=None, seed=None)


def kills(usual, long):
    return options.kills or (long if options.long else usual)


def random_wait(choice, least, most):
    # Not synchronisation: the moment of the fault is what is being varied.
    time.sleep(choice.uniform(least, most))


class KillCase(unittest.TestCase):
    def setUp(self):
        seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1, 1_000_000)
        self.seed = seed
        self.choice = random.Random(seed)
        sys.stderr.write("%s: seed %d\n" % (self.id(), seed))

    def load(self, broker, **more):
        settings = dict(publishers=8, topics=2, sessions=16, qos="mix", rate=4000, flap_ms=800, seed=self.seed,
                        run=self.seed % 10_000, drain_seconds=90)
        settings.update(more)
        return LedgerRun(broker, **settings)

    def kill_repeatedly(self, broker, run, count, least=0.05, most=1.2):
        run.wait_publishing()
        for _ in range(count):
            random_wait(self.choice, least, most)
            broker.restart()
            if self.choice.random() < 0.5:
                run.wait_progress(100)


class KillUnderLoad(KillCase):
    def test_nothing_acknowledged_is_lost_or_reordered(self):
        count = kills(20, 200)
        with Broker() as broker, self.load(broker) as run:
            self.kill_repeatedly(broker, run, count)
            verdict, complete = run.finish()
            require_clean(self, verdict, complete, 100 * count)

    def test_nothing_is_lost_when_writes_are_left_to_the_operating_system(self):
        count = kills(6, 60)
        with Broker({"storage.durability": "os"}) as broker, self.load(broker, rate=8000) as run:
            self.kill_repeatedly(broker, run, count)
            verdict, complete = run.finish()
            require_clean(self, verdict, complete, 100 * count)

    def test_qos_2_is_exactly_once_over_restarts(self):
        count = kills(8, 200)
        with Broker() as broker, self.load(broker, qos="2", rate=2000) as run:
            self.kill_repeatedly(broker, run, count)
            verdict, complete = run.finish()
            require_clean(self, verdict, complete, 50 * count)
            self.assertEqual(verdict["duplicates"], 0)

    def test_nothing_is_lost_when_the_broker_is_killed_again_while_it_recovers(self):
        count = kills(8, 200)
        with Broker() as broker, self.load(broker) as run:
            run.wait_publishing()
            for _ in range(count):
                random_wait(self.choice, 0.1, 0.8)
                broker.kill()
                for _ in range(self.choice.randrange(1, 4)):
                    broker.launch()
                    random_wait(self.choice, 0.01, 0.5)
                    broker.kill()
                broker.start()
                run.wait_progress(50)
            verdict, complete = run.finish()
            require_clean(self, verdict, complete, 50 * count)

    def test_nothing_is_lost_when_the_broker_is_killed_while_it_trims_the_log(self):
        count = kills(6, 200)
        settings = {"storage.maintenance_interval": "100ms", "storage.write_buffer_bytes": "1MiB",
                    "storage.wal_bytes_max": "1MiB"}
        # Nobody stays away, so the log is consumed and trimmed all the time.
        with Broker(settings) as broker, self.load(broker, all_online=True, payload=1024, rate=3000) as run:
            self.kill_repeatedly(broker, run, count, 0.3, 1.5)
            verdict, complete = run.finish()
            require_clean(self, verdict, complete, 100 * count)

    def test_nothing_is_lost_when_terminations_and_kills_alternate(self):
        count = kills(4, 60)
        with Broker() as broker, self.load(broker) as run:
            run.wait_publishing()
            for n in range(count):
                random_wait(self.choice, 0.1, 1.0)
                if n % 2 == 0:
                    self.assertEqual(broker.terminate(), 0)
                    broker.start()
                else:
                    broker.restart()
                run.wait_progress(100)
            verdict, complete = run.finish()
            require_clean(self, verdict, complete, 100 * count)


class WithoutFaults(KillCase):
    def test_a_quiet_run_has_no_duplicates_either(self):
        with Broker() as broker, self.load(broker, all_online=True) as run:
            run.wait_progress(5_000)
            verdict, complete = run.finish()
            require_clean(self, verdict, complete, 5_000)
            self.assertEqual(verdict["duplicates"], 0)
            self.assertEqual(verdict["refused"], 0)

    def test_sessions_that_come_and_go_miss_nothing(self):
        with Broker() as broker, self.load(broker, flap_ms=150) as run:
            run.wait_progress(8_000)
            verdict, complete = run.finish()
            require_clean(self, verdict, complete, 8_000)


class LedgerCatches(KillCase):
    """The proof of the proof: a fault between the sockets and the books must make the verdict fail."""

    def verdict_with(self, fault):
        with Broker() as broker, self.load(broker, sabotage=fault, all_online=True) as run:
            run.wait_progress(4_000)
            verdict, _ = run.finish()
            self.assertFalse(verdict["clean"], verdict)
            return verdict

    def test_loss(self):
        self.assertGreater(self.verdict_with("lose")["lost"], 0)

    def test_reordering(self):
        self.assertGreater(self.verdict_with("swap")["out_of_order"], 0)

    def test_corruption(self):
        self.assertGreater(self.verdict_with("corrupt")["corrupt"], 0)

    def test_repetition_at_qos_2(self):
        self.assertGreater(self.verdict_with("repeat")["duplicates_exactly_once"], 0)

    def test_a_store_that_forgets_everything(self):
        with Broker() as broker, self.load(broker, drain_seconds=10) as run:
            run.wait_progress(1_000)
            broker.kill()
            os.rename(broker.data_dir, broker.data_dir + ".gone")
            broker.start()
            run.wait_progress(100)
            verdict, _ = run.finish()
            self.assertGreater(verdict["sessions_forgotten"], 0)
            self.assertGreater(verdict["lost"], 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int)
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0]] + rest, verbosity=2)
