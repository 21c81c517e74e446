"""What must still be there after a restart, what must not, and how the broker says goodbye."""

import signal
import time
import unittest

import mqtt_peer as m
from broker import Broker, wait_until
from ledger_run import LedgerRun, require_clean
from mqtt_peer import Peer

EXPIRY = 0x11
NEVER = 0xFFFFFFFF


def durable(port, client_id, version=5, expiry=3600, **fields):
    peer = Peer(port, version)
    props = [(EXPIRY, expiry)] if version == 5 else ()
    peer.connack = peer.connect(client_id=client_id, clean=False, props=props, **fields)
    return peer


class Drain(unittest.TestCase):
    def test_sigterm_tells_mqtt_5_clients_0x8b_and_exits_0(self):
        with Broker() as broker:
            five = Peer(broker.mqtt, 5)
            five.connect(client_id="five")
            four = Peer(broker.mqtt, 4)
            four.connect(client_id="four")
            broker.signal(signal.SIGTERM)
            said = five.expect_closed()
            self.assertEqual([(p.kind, p.reason) for p in said], [(m.DISCONNECT, 0x8B)])
            self.assertEqual(four.expect_closed(), [])
            self.assertEqual(broker.wait_exit(), 0)

    def test_sigterm_tells_websocket_clients_too(self):
        with Broker() as broker:
            sock, head = m.websocket_handshake(broker.http)
            self.assertIn(" 101 ", head)
            five = Peer(0, 5, m.WebSocketBytes(sock))
            five.connect(client_id="five")
            broker.signal(signal.SIGTERM)
            said = five.expect_closed()
            self.assertEqual([(p.kind, p.reason) for p in said], [(m.DISCONNECT, 0x8B)])
            self.assertEqual(broker.wait_exit(), 0)

    def test_sigterm_during_the_start_is_obeyed_after_it(self):
        def listens_to_sigterm():
            with open("/proc/%d/status" % broker.process.pid) as f:
                caught = int(next(line for line in f if line.startswith("SigCgt")).split()[1], 16)
            return caught >> (signal.SIGTERM - 1) & 1

        with Broker() as broker:
            broker.terminate()
            broker.launch()
            wait_until(listens_to_sigterm, 60, "it listens to signals")
            broker.signal(signal.SIGTERM)
            self.assertEqual(broker.wait_exit(), 0)

    def test_a_second_start_takes_the_same_ports_at_once(self):
        with Broker() as broker:
            before = dict(broker.ports)
            self.assertEqual(broker.terminate(), 0)
            broker.start()
            self.assertEqual(broker.ports["mqtt"], before["mqtt"])
            Peer(broker.mqtt).connect()

    def test_what_was_acknowledged_before_a_graceful_end_is_delivered_after_it(self):
        with Broker() as broker:
            durable(broker.mqtt, "reader").subscribe("t", qos=1)
            with Peer(broker.mqtt, 5) as writer:
                writer.connect(client_id="writer")
                for n in range(50):
                    self.assertEqual(writer.publish("t", "m%d" % n, qos=1).reason, 0)
                broker.signal(signal.SIGTERM)
                self.assertEqual(broker.wait_exit(), 0)
            broker.start()
            reader = durable(broker.mqtt, "reader")
            self.assertTrue(reader.connack.session_present)
            self.assertEqual([reader.take().payload for _ in range(50)], [b"m%d" % n for n in range(50)])


class Ports(unittest.TestCase):
    def test_a_second_broker_is_refused_the_ports_of_the_first(self):
        for name in ("mqtt", "http", "admin"):
            with self.subTest(name), Broker() as first, Broker() as second:
                second.terminate()
                second.take_port(name, first)
                second.launch()
                self.assertEqual(second.wait_exit(), 4)
                self.assertIn("cannot listen on 127.0.0.1:%d" % first.ports[name], second.log_text())
                with Peer(first.mqtt) as peer:
                    peer.connect()


class Retained(unittest.TestCase):
    def test_retained_messages_survive_kill_9_with_their_properties(self):
        with Broker() as broker:
            with Peer(broker.mqtt, 5) as writer:
                writer.connect(client_id="writer")
                writer.publish("r/one", "1", qos=1, retain=True, props=[(0x03, "text/plain"), (0x26, ("k", "v"))])
                writer.publish("r/two", "2", qos=2, retain=True)
                writer.publish("r/gone", "3", qos=1, retain=True)
                writer.publish("r/gone", "", qos=1, retain=True)
                writer.publish("r/new", "old", qos=1, retain=True)
                writer.publish("r/new", "new", qos=1, retain=True)
            broker.restart()
            with Peer(broker.mqtt, 5) as reader:
                reader.connect(client_id="reader")
                reader.subscribe("r/#", qos=0)
                got = {p.topic: p for p in (reader.take() for _ in range(3))}
                self.assertEqual({t: p.payload for t, p in got.items()}, {"r/one": b"1", "r/two": b"2", "r/new": b"new"})
                self.assertTrue(all(p.retain for p in got.values()))
                self.assertEqual(got["r/one"].prop(0x03), b"text/plain")
                self.assertEqual(got["r/one"].prop(0x26), (b"k", b"v"))
                reader.ping()

    def test_a_retained_message_that_expired_while_the_broker_was_down_is_not_delivered(self):
        with Broker() as broker:
            with Peer(broker.mqtt, 5) as writer:
                writer.connect(client_id="writer")
                writer.publish("r/short", "x", qos=1, retain=True, props=[(0x02, 1)])
                writer.publish("r/long", "y", qos=1, retain=True, props=[(0x02, 1000)])
                published = time.time()
            broker.kill()
            wait_until(lambda: time.time() > published + 1.2, 10, "the expiry passes")
            broker.start()
            with Peer(broker.mqtt, 5) as reader:
                reader.connect(client_id="reader")
                reader.subscribe("r/#", qos=0)
                left = reader.take()
                self.assertEqual(left.topic, "r/long")
                self.assertLess(left.prop(0x02), 1000)
                reader.ping()


class Sessions(unittest.TestCase):
    def test_subscriptions_and_queue_survive_kill_9(self):
        for version in (4, 5):
            with self.subTest(version=version), Broker() as broker:
                reader = durable(broker.mqtt, "reader", version)
                self.assertFalse(reader.connack.session_present)
                reader.subscribe("a/+", qos=1)
                reader.sock.close()
                with Peer(broker.mqtt, 5) as writer:
                    writer.connect(client_id="writer")
                    for n in range(20):
                        writer.publish("a/b", "before%d" % n, qos=1)
                broker.restart()
                with Peer(broker.mqtt, 5) as writer:
                    writer.connect(client_id="writer")
                    writer.publish("a/b", "after", qos=1)
                reader = durable(broker.mqtt, "reader", version)
                self.assertTrue(reader.connack.session_present)
                got = [reader.take().payload for _ in range(21)]
                self.assertEqual(got, [b"before%d" % n for n in range(20)] + [b"after"])
                reader.ping()

    def test_an_unsubscribe_survives_kill_9(self):
        with Broker() as broker:
            reader = durable(broker.mqtt, "reader")
            reader.subscribe("keep", "drop", qos=1)
            reader.send(m.framed(m.UNSUBSCRIBE << 4 | 2, b"\0\7" + m.properties(()) + m.text("drop")))
            self.assertEqual(reader.expect(m.UNSUBACK).codes, b"\0")
            broker.restart()
            with Peer(broker.mqtt, 5) as writer:
                writer.connect(client_id="writer")
                self.assertEqual(writer.publish("drop", "x", qos=1).reason, 0x10)
                self.assertEqual(writer.publish("keep", "y", qos=1).reason, 0)
            reader = durable(broker.mqtt, "reader")
            self.assertEqual(reader.take().payload, b"y")
            reader.ping()

    def test_what_was_delivered_and_not_acknowledged_comes_again_and_in_order(self):
        with Broker() as broker:
            reader = durable(broker.mqtt, "reader")
            reader.subscribe("t", qos=1)
            with Peer(broker.mqtt, 5) as writer:
                writer.connect(client_id="writer")
                for n in range(5):
                    writer.publish("t", "m%d" % n, qos=1)
            for n in range(5):
                self.assertEqual(reader.expect(m.PUBLISH).payload, b"m%d" % n)
            broker.restart()
            reader = durable(broker.mqtt, "reader")
            again = [reader.take() for _ in range(5)]
            self.assertEqual([p.payload for p in again], [b"m%d" % n for n in range(5)])
            reader.ping()

    def test_qos_2_received_before_the_crash_is_not_delivered_twice(self):
        with Broker() as broker:
            reader = durable(broker.mqtt, "reader")
            reader.subscribe("t", qos=2)
            reader.sock.close()
            writer = durable(broker.mqtt, "writer")
            once = m.publish_packet(5, "t", "once", qos=2, packet_id=9)
            self.assertEqual(writer.send(once).expect(m.PUBREC).reason, 0)
            broker.restart()
            writer = durable(broker.mqtt, "writer")
            self.assertTrue(writer.connack.session_present)
            writer.send(m.publish_packet(5, "t", "once", qos=2, packet_id=9, dup=True))
            self.assertEqual(writer.expect(m.PUBREC).id, 9)
            writer.send(m.ack_packet(m.PUBREL, 9))
            self.assertEqual(writer.expect(m.PUBCOMP).id, 9)
            reader = durable(broker.mqtt, "reader")
            self.assertEqual(reader.take().payload, b"once")
            reader.ping()

    def test_qos_2_released_before_the_crash_continues_with_pubrel(self):
        with Broker() as broker:
            reader = durable(broker.mqtt, "reader")
            reader.subscribe("t", qos=2)
            with Peer(broker.mqtt, 5) as writer:
                writer.connect(client_id="writer")
                writer.publish("t", "once", qos=2)
            packet = reader.expect(m.PUBLISH)
            reader.send(m.ack_packet(m.PUBREC, packet.id))
            self.assertEqual(reader.expect(m.PUBREL).id, packet.id)
            broker.restart()
            reader = durable(broker.mqtt, "reader")
            self.assertEqual(reader.expect(m.PUBREL).id, packet.id)
            reader.send(m.ack_packet(m.PUBCOMP, packet.id))
            reader.ping()

    def test_a_session_whose_expiry_passed_while_the_broker_was_down_is_gone(self):
        with Broker() as broker:
            short = durable(broker.mqtt, "short", expiry=1)
            short.subscribe("t", qos=1)
            short.disconnect()
            long = durable(broker.mqtt, "long", expiry=1000)
            long.subscribe("t", qos=1)
            long.disconnect()
            gone_at = time.time() + 1.5
            self.assertEqual(broker.terminate(), 0)  # DISCONNECT has no answer: a kill might come before it counts
            wait_until(lambda: time.time() > gone_at, 10, "the expiry passes")
            broker.start()
            self.assertFalse(durable(broker.mqtt, "short", expiry=1).connack.session_present)
            self.assertTrue(durable(broker.mqtt, "long").connack.session_present)

    def test_a_session_expires_after_a_restart_even_if_nobody_comes(self):
        with Broker() as broker:
            short = durable(broker.mqtt, "short", expiry=2)
            short.subscribe("t", qos=1)
            broker.restart()  # it was connected when the broker died: its time begins now
            gone_at = time.time() + 3.5
            wait_until(lambda: time.time() > gone_at, 10, "the expiry passes")
            self.assertFalse(durable(broker.mqtt, "short", expiry=2).connack.session_present)

    def test_a_clean_start_forgets_the_stored_session_for_good(self):
        with Broker() as broker:
            durable(broker.mqtt, "c").subscribe("t", qos=1)
            with Peer(broker.mqtt, 5) as fresh:
                fresh.connect(client_id="c", clean=True)
                fresh.ping()
            broker.restart()
            self.assertFalse(durable(broker.mqtt, "c").connack.session_present)

    def test_an_ephemeral_session_does_not_survive(self):
        with Broker() as broker:
            with Peer(broker.mqtt, 5) as peer:
                peer.connect(client_id="c", clean=False)  # session expiry 0
                peer.subscribe("t", qos=1)
                broker.restart()
            self.assertFalse(durable(broker.mqtt, "c").connack.session_present)

    def test_the_will_of_a_durable_session_is_published_after_a_crash(self):
        with Broker() as broker:
            reader = durable(broker.mqtt, "reader")
            reader.subscribe("will/#", qos=1)
            mortal = durable(broker.mqtt, "mortal", will=("will/mortal", "gone", 1, False, [(0x18, 1)]))
            mortal.subscribe("stored", qos=1)  # SUBACK promises that the session is stored; CONNACK does not
            broker.restart()
            reader = durable(broker.mqtt, "reader")
            self.assertEqual(reader.take().payload, b"gone")

    def test_a_delayed_will_is_cancelled_when_its_client_returns_after_the_restart(self):
        with Broker() as broker:
            reader = durable(broker.mqtt, "reader")
            reader.subscribe("will/#", qos=1)
            will = ("will/mortal", "gone", 1, False, [(0x18, 8)])
            durable(broker.mqtt, "mortal", will=will).subscribe("stored", qos=1)
            broker.restart()
            mortal = durable(broker.mqtt, "mortal", will=will)
            reader = durable(broker.mqtt, "reader")
            back_at = time.time()
            wait_until(lambda: time.time() > back_at + 8.5, 30, "the delay passes")
            self.assertEqual(reader.collect_until_pingresp(), [])
            mortal.ping()


class SharedSubscriptions(unittest.TestCase):
    def test_what_a_durable_group_has_not_taken_survives_kill_9(self):
        with Broker() as broker:
            member = durable(broker.mqtt, "member")
            member.subscribe("$share/g/job", qos=1)
            member.sock.close()
            with Peer(broker.mqtt, 5) as writer:
                writer.connect(client_id="writer")
                for n in range(10):
                    writer.publish("job", "j%d" % n, qos=1)
            broker.restart()
            member = durable(broker.mqtt, "member")
            self.assertEqual([member.take().payload for _ in range(10)], [b"j%d" % n for n in range(10)])
            member.ping()


class ManyMessages(unittest.TestCase):
    def test_a_long_backlog_is_read_completely_after_a_restart(self):
        with Broker({"storage.durability": "os"}) as broker:
            with LedgerRun(broker, publishers=4, topics=1, sessions=8, rate=20_000, flap_ms=60_000, drain_seconds=90,
                           seed=3) as run:
                run.wait_progress(30_000, 90)
                broker.restart()
                run.wait_progress(1_000)
                verdict, complete = run.finish()
                require_clean(self, verdict, complete, 30_000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
