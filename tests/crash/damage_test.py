"""Damaged files of the store: one bit, a hole or a cut, anywhere. The broker may refuse to start, with advice, or start and
say what was lost; it never delivers a wrong payload, and never pretends that nothing was there.

    damage_test.py [--rounds N] [--seed N] [Case.test ...]
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import unittest

import mqtt_peer as m
from broker import START_SECONDS, Broker, program
from mqtt_peer import Peer

options = argparse.Namespace(rounds=12, seed=None)
EXPIRY = 0x11
MESSAGES = 400


def payload(number):
    return b"%06d:" % number + bytes((number * 7 + i) % 256 for i in range(4000))


class DamagedStore(unittest.TestCase):
    def setUp(self):
        seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1, 1_000_000)
        self.choice = random.Random(seed)
        sys.stderr.write("%s: seed %d\n" % (self.id(), seed))

    def reader(self, broker):
        reader = Peer(broker.mqtt, 5)
        reader.connack = reader.connect(client_id="reader", clean=False, props=[(EXPIRY, 3600)])
        return reader

    def make_store(self, broker):
        with self.reader(broker) as reader:
            reader.subscribe("t", qos=1)
        with Peer(broker.mqtt, 5) as writer:
            writer.connect(client_id="writer")
            for n in range(MESSAGES):
                self.assertEqual(writer.publish("t", payload(n), qos=1).reason, 0)
            for n in range(50):
                writer.publish("kept/%d" % n, payload(n), qos=1, retain=True)

    def damage(self, directory):
        files = [os.path.join(at, name) for at, _, names in os.walk(directory) for name in names
                 if name.endswith((".sst", ".log")) or name.startswith("MANIFEST") or name == "CURRENT"]
        files = [f for f in files if os.path.getsize(f) > 0]
        # Mostly where the messages are.
        path = self.choice.choice([f for f in files if f.endswith((".sst", ".log"))] * 4 + files)
        size = os.path.getsize(path)
        kind = self.choice.choice(["bit", "zeros", "cut"])
        with open(path, "r+b") as f:
            at = self.choice.randrange(size)
            if kind == "bit":
                f.seek(at)
                byte = f.read(1)[0]
                f.seek(at)
                f.write(bytes([byte ^ 1 << self.choice.randrange(8)]))
            elif kind == "zeros":
                f.seek(at)
                f.write(bytes(min(4096, size - at)))
            else:
                f.truncate(at)
        # A write-ahead log that ends early looks like one whose end had not been written yet.
        self.visible = kind == "bit" or not path.endswith(".log")
        return "%s of %s at %d of %d" % (kind, os.path.basename(path), at, size)

    def check_deliveries(self, broker):
        """Everything that comes is whole and in order; returns how many came and whether the session was known."""
        with self.reader(broker) as reader, Peer(broker.mqtt, 5) as writer:
            writer.connect(client_id="writer")
            if not reader.connack.session_present:
                reader.subscribe("t", qos=1)
            # What is stored comes before what is published now.
            self.assertEqual(writer.publish("t", payload(MESSAGES), qos=1).reason, 0)
            got = []
            while not got or got[-1] != MESSAGES:
                packet = reader.take()
                got.append(int(packet.payload[:6]))
                self.assertEqual(packet.payload, payload(got[-1]))
            self.assertEqual(got, sorted(set(got)))
            known = reader.connack.session_present
        with Peer(broker.mqtt, 5) as other:
            other.connect(client_id="other")
            other.subscribe("kept/#", qos=0)
            for packet in other.collect_until_pingresp():
                if packet.kind == m.PUBLISH:
                    self.assertEqual(packet.payload, payload(int(packet.topic.split("/")[1])))
        return len(got) - 1, known

    def test_a_damaged_store_never_delivers_a_wrong_payload(self):
        with Broker({"storage.write_buffer_bytes": "1MiB"}) as broker:
            self.make_store(broker)
            broker.kill()
            sound = broker.data_dir + ".sound"
            shutil.copytree(broker.data_dir, sound)
            for _ in range(options.rounds):
                shutil.rmtree(broker.data_dir)
                shutil.copytree(sound, broker.data_dir)
                what = self.damage(broker.data_dir)
                with self.subTest(damage=what):
                    self.one_round(broker, what)
                broker.kill()
            shutil.rmtree(broker.data_dir)
            shutil.copytree(sound, broker.data_dir)
            broker.start()
            self.assertEqual(self.check_deliveries(broker), (MESSAGES, True))

    def one_round(self, broker, what):
        log_begin = os.path.getsize(broker.log_path)
        broker.launch()
        try:
            broker.wait_ready(START_SECONDS)
        except AssertionError:
            said = broker.log_text()[log_begin:]
            sys.stderr.write("%s: refused to start\n" % what)
            self.assertRegex(said, r"(?i)store", "a refusal without a word about the store")
            return
        count, known = self.check_deliveries(broker)
        said = broker.log_text()[log_begin:]
        sys.stderr.write("%s: started, %d of %d delivered\n" % (what, count, MESSAGES))
        if self.visible and (count < MESSAGES or not known):
            self.assertRegex(said, r"(?i)(lost|damaged|corrupt|missing|checksum)", "a loss that nobody was told of")

    def test_store_check_finds_the_damage_and_a_sound_store_passes(self):
        with Broker() as broker:
            self.make_store(broker)
            self.assertEqual(broker.terminate(), 0)
            command = [program(), "store", "check", "--set", "node.data_dir=" + broker.data_dir]
            environment = Broker._environment()
            self.assertEqual(subprocess.run(command, env=environment, capture_output=True, timeout=120).returncode, 0)
            tables = [os.path.join(at, name) for at, _, names in os.walk(broker.data_dir) for name in names
                      if name.endswith(".sst")]
            self.assertTrue(tables, "a drained broker has no tables")
            largest = max(tables, key=os.path.getsize)
            with open(largest, "r+b") as f:
                f.seek(os.path.getsize(largest) // 3)
                f.write(bytes(64))
            found = subprocess.run(command, env=environment, capture_output=True, timeout=120)
            self.assertNotEqual(found.returncode, 0, found.stdout)
            self.assertTrue(found.stdout or found.stderr)
            broker.start()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seed", type=int)
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0]] + rest, verbosity=2)
