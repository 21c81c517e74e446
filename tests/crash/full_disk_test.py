"""A disk that runs full: durable publishes are refused, everything else goes on, and nothing acknowledged is lost.

Needs a file system of its own: a tmpfs in a private mount namespace, so root (or sudo without a password). Without
either the test fails and says so; it never skips.
"""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import mqtt_peer as m
from broker import Broker, wait_until
from mqtt_peer import Peer

INSIDE = "FULMAR_TEST_INSIDE_NAMESPACE"
DISK_BYTES = 192 * 1024 * 1024
EXPIRY = 0x11


def enter_namespace():
    """Runs this program again inside a mount namespace of its own."""
    if os.environ.get(INSIDE):
        return
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-W", "ignore"] + sys.argv
    environment = dict(os.environ, **{INSIDE: "1"})
    if os.geteuid() != 0:
        if subprocess.run(["sudo", "-n", "true"], stderr=subprocess.DEVNULL).returncode != 0:
            sys.exit("full_disk_test needs root or sudo without a password: it mounts a small tmpfs to fill")
        command = ["sudo", "-n", "-E"] + command
    if subprocess.run(["unshare", "--mount", "true"] if os.geteuid() == 0 else
                      ["sudo", "-n", "unshare", "--mount", "true"]).returncode != 0:
        sys.exit("full_disk_test cannot make a mount namespace (unshare --mount fails): run it where that is allowed, "
                 "for example in a container with CAP_SYS_ADMIN")
    os.execvpe(command[0], command, environment)


class FullDisk(unittest.TestCase):
    def setUp(self):
        self.disk = tempfile.mkdtemp(prefix="fulmar-disk-")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % DISK_BYTES, "none", self.disk], check=True)
        self.addCleanup(shutil.rmtree, self.disk, True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=True)
        self.acknowledged = []

    def ballast_path(self):
        return os.path.join(self.disk, "ballast")

    def fill(self, leave):
        """Takes all bytes but `leave`. The broker writes meanwhile: what was free a moment ago may be gone."""
        with open(self.ballast_path(), "ab") as f:
            while True:
                state = os.statvfs(self.disk)
                size = state.f_bavail * state.f_frsize - leave
                if size <= 0:
                    return
                try:
                    os.posix_fallocate(f.fileno(), os.fstat(f.fileno()).st_size, size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def publish_one(self, writer):
        number = self.sent = getattr(self, "sent", 0) + 1
        payload = b"%08d" % number + os.urandom(8000)
        answer = writer.publish("full/t", payload, qos=1)
        if answer.reason < 0x80:
            self.acknowledged.append(payload[:8])
        return answer.reason

    def publish_until_refused(self, writer):
        for _ in range(DISK_BYTES // 8000 * 2):
            reason = self.publish_one(writer)
            if reason >= 0x80:
                return reason
        self.fail("the full disk was never noticed")

    def run_full_disk(self, settings, leave):
        base = {"storage.write_buffer_bytes": "4MiB", "storage.wal_bytes_max": "16MiB",
                "storage.maintenance_interval": "200ms"}
        broker = Broker(dict(base, **settings), data_dir=os.path.join(self.disk, "data"))
        with broker:
            keeper = Peer(broker.mqtt, 5)
            keeper.connect(client_id="keeper", clean=False, props=[(EXPIRY, 3600)])
            keeper.subscribe("full/#", qos=1)
            keeper.sock.close()
            writer = Peer(broker.mqtt, 5)
            writer.connect(client_id="writer")
            for _ in range(100):
                self.assertEqual(self.publish_one(writer), 0)
            self.fill(leave)
            self.assertEqual(self.publish_until_refused(writer), 0x97)
            self.goes_on(broker, writer)
            os.unlink(self.ballast_path())
            wait_until(lambda: self.publish_one(writer) < 0x80, 10, "durable publishes are accepted again")
            for _ in range(50):
                self.assertEqual(self.publish_one(writer), 0)
            self.everything_acknowledged_arrives(broker)
            self.assertEqual(broker.starts, 1)
            for _ in range(10):
                self.assertEqual(self.publish_one(writer), 0)
            expected = self.acknowledged
            broker.restart()
            # A cursor may be older than the last acknowledgement, so something may come again; but all, and in order.
            with self.keeper(broker) as keeper:
                got = []
                while not got or got[-1] != expected[-1]:
                    got.append(keeper.take().payload[:8])
            self.assertEqual(got, expected[-len(got):])
            self.assertGreaterEqual(len(got), 10)

    def test_a_broker_that_is_stopped_while_its_disk_is_full_ends_cleanly_and_keeps_everything(self):
        broker = Broker({"storage.write_buffer_bytes": "4MiB", "storage.wal_bytes_max": "16MiB", "storage.min_free_bytes": "0"},
                        data_dir=os.path.join(self.disk, "data"))
        with broker:
            with Peer(broker.mqtt, 5) as keeper:
                keeper.connect(client_id="keeper", clean=False, props=[(EXPIRY, 3600)])
                keeper.subscribe("full/#", qos=1)
            writer = Peer(broker.mqtt, 5)
            writer.connect(client_id="writer")
            self.fill(0)
            self.publish_until_refused(writer)
            self.assertEqual(broker.terminate(), 0)
            os.unlink(self.ballast_path())
            broker.start()
            self.everything_acknowledged_arrives(broker)

    def goes_on(self, broker, writer):
        """QoS 0, reads and new connections work; MQTT 3.1.1 publishers are told nothing false; health says what is wrong."""
        with Peer(broker.mqtt, 5) as live:
            live.connect(client_id="live")
            live.subscribe("live", qos=0)
            for n in range(20):
                writer.publish("live", "l%d" % n, qos=0)
            self.assertEqual([live.take().payload for _ in range(20)], [b"l%d" % n for n in range(20)])
        with Peer(broker.mqtt, 5) as five:
            five.connect(client_id="two")
            self.assertEqual(five.publish("full/t", b"refused", qos=2).reason, 0x97)
            self.assertEqual(five.publish("full/r", b"refused", qos=1, retain=True).reason, 0x97)
            five.ping()
        with Peer(broker.mqtt, 4) as four:
            four.connect(client_id="four")
            four.send(m.publish_packet(4, "full/t", b"refused", qos=1, packet_id=1))
            four.send(m.framed(m.PINGREQ << 4, b""))
            try:
                answers = [four.receive(10)]
            except m.Closed:
                answers = []
            self.assertNotIn(m.PUBACK, [p.kind for p in answers])

    def keeper(self, broker):
        keeper = Peer(broker.mqtt, 5)
        self.assertTrue(keeper.connect(client_id="keeper", clean=False, props=[(EXPIRY, 3600)]).session_present)
        return keeper

    def everything_acknowledged_arrives(self, broker):
        with self.keeper(broker) as keeper:
            got = []
            while len(got) < len(self.acknowledged):
                packet = keeper.take()
                self.assertNotEqual(packet.payload, b"refused")
                got.append(packet.payload[:8])
            self.assertEqual(got, self.acknowledged)
            self.assertEqual(keeper.collect_until_pingresp(), [])

    def test_publishes_are_refused_below_the_low_water_mark_and_accepted_again(self):
        self.run_full_disk({"storage.min_free_bytes": "32MiB"}, leave=40 * 1024 * 1024)

    def test_publishes_are_refused_when_no_byte_is_left_and_accepted_again(self):
        self.run_full_disk({"storage.min_free_bytes": "0"}, leave=0)


if __name__ == "__main__":
    enter_namespace()
    unittest.main(verbosity=2)
