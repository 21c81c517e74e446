"""Peers that break the rules, against the real program: the right reason code or silence, the connection closed, memory
bounded, and nobody else notices.

A1-A4 and B1-B19 are the items of the attack list in docs/testing.md.
"""

import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))

import mqtt_peer as m  # noqa: E402
from broker import Broker, wait_until  # noqa: E402
from mqtt_peer import Peer  # noqa: E402

MALFORMED, PROTOCOL_ERROR = 0x81, 0x82
MIB = 1024 * 1024
VARIABLE_TOO_LONG = b"\xff\xff\xff\xff\x01"


class Case(unittest.TestCase):
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(dict(cls.settings))
        cls.broker.start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__(None, None, None)

    def setUp(self):
        """A witness that must never notice anything."""
        self.witness = Peer(self.broker.mqtt, 5)
        self.witness.connect(client_id="witness")
        self.witness.subscribe("witness/#", qos=1)

    def tearDown(self):
        self.assertTrue(self.broker.alive(), "the broker died:\n" + self.broker.log_tail())
        self.witness.send(m.publish_packet(5, "witness/alive", "yes", qos=0))
        packet = self.witness.take()
        self.assertEqual((packet.topic, packet.payload), ("witness/alive", b"yes"))
        self.witness.sock.close()

    def peer(self, version=5, **fields):
        peer = Peer(self.broker.mqtt, version)
        peer.connect(client_id=fields.pop("client_id", ""), **fields)
        self.addCleanup(peer.sock.close)
        return peer

    def raw(self, version=5):
        peer = Peer(self.broker.mqtt, version)
        self.addCleanup(peer.sock.close)
        return peer

    def assert_refused(self, bytes_sent, *reasons, version5=True):
        """After CONNECT: MQTT 5 is told one of `reasons` and closed; MQTT 3.1.1 is closed without a word."""
        five = self.peer(5)
        said = five.send(bytes_sent if isinstance(bytes_sent, bytes) else bytes_sent(5)).expect_closed()
        self.assertEqual([p.kind for p in said], [m.DISCONNECT], said)
        self.assertIn(said[0].reason, reasons, "reason 0x%02x" % said[0].reason)
        if version5:
            four = self.peer(4)
            self.assertEqual(four.send(bytes_sent if isinstance(bytes_sent, bytes) else bytes_sent(4)).expect_closed(), [])


class BeforeConnect(Case):
    def test_a1_a_first_packet_that_is_not_connect_is_closed_in_silence(self):
        for first in (m.publish_packet(4, "t", "x"), m.subscribe_packet(4, 1, [("t", 0)]), m.framed(m.PINGREQ << 4, b""),
                      m.ack_packet(m.PUBACK, 1), m.framed(m.DISCONNECT << 4, b""), b"\x00\x00", b"GET / HTTP/1.1\r\n\r\n",
                      b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
            with self.subTest(first=first[:8]):
                self.assertEqual(self.raw(4).send(first).expect_closed(), [])

    def test_a2_a_huge_length_before_connect_is_refused_without_memory(self):
        before = self.broker.rss_bytes()
        peers = []
        for _ in range(200):
            peer = self.raw(4)
            try:
                peer.sock.sendall(b"\x10\xff\xff\xff\x7f" + m.text("MQTT") + b"\x04\x02\x00\x00" + b"x" * MIB)
            except OSError:
                pass  # closed while we were still talking: as it should be
            peers.append(peer)
        for peer in peers:
            said = peer.expect_closed()
            self.assertTrue(all(p.kind == m.CONNACK and p.reason != 0 for p in said), said)
        self.assertLess(self.broker.rss_bytes() - before, 32 * MIB)

    def test_b1_a_five_byte_length_is_malformed(self):
        self.raw(4).send(b"\x10" + VARIABLE_TOO_LONG).expect_closed()

    def test_a_wrong_protocol_name_or_level_is_refused(self):
        self.assertEqual(self.raw(4).send(m.connect_packet(4, name="HTTP")).expect_closed(), [])
        for level in (0, 2, 6, 131):
            said = self.raw(4).send(m.connect_packet(level)).expect_closed()
            self.assertTrue(len(said) <= 1 and all(p.kind == m.CONNACK for p in said), said)
            if said:
                self.assertIn(said[0].reason, (0x01, 0x84))

    def test_b11_a_property_twice_or_out_of_place_in_connect_is_refused(self):
        for props, reasons in (([(0x11, 1), (0x11, 2)], (PROTOCOL_ERROR, MALFORMED)), ([(0x23, 5)], (MALFORMED, PROTOCOL_ERROR)),
                               ([(0x21, 0)], (PROTOCOL_ERROR, MALFORMED)), ([(0x27, 0)], (PROTOCOL_ERROR, MALFORMED))):
            with self.subTest(props=props):
                said = self.raw(5).send(m.connect_packet(5, props=props)).expect_closed()
                self.assertEqual([p.kind for p in said], [m.CONNACK])
                self.assertIn(said[0].reason, reasons)


class Deadlines(Case):
    settings = {"mqtt.connect_timeout": "1s"}
    LIMIT = 60.0  # the deadline is 1 s; the rest is for slow machines and sanitizers

    def assert_all_closed(self, sockets):
        deadline = time.monotonic() + self.LIMIT
        for sock in sockets:
            sock.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                while sock.recv(4096):
                    pass
            except ConnectionResetError:
                pass
            except TimeoutError:
                self.fail("a silent socket was still open %.0f s after the deadline of 1 s" % self.LIMIT)
            finally:
                sock.close()

    def connect(self, port):
        return socket.create_connection(("127.0.0.1", port), timeout=60)

    def test_a1_a_thousand_slow_peers_are_closed_and_others_still_come_in(self):
        before = self.broker.rss_bytes()
        begun = time.monotonic()
        slow = []
        for n in range(1000):
            sock = self.connect(self.broker.mqtt)
            sock.sendall([b"", b"\x10", b"\x10\x20\x00\x04MQ", m.connect_packet(5)[:-1]][n % 4])
            slow.append(sock)
        newcomer = Peer(self.broker.mqtt, 5)
        newcomer.connect(client_id="newcomer")
        newcomer.ping()
        self.assertLess(self.broker.rss_bytes() - before, 1000 * 64 * 1024)
        self.assert_all_closed(slow)
        self.assertGreater(time.monotonic() - begun, 0.5)
        newcomer.ping()
        newcomer.sock.close()

    def test_a1_dripping_bytes_do_not_extend_the_deadline(self):
        drip = self.connect(self.broker.mqtt)
        packet = m.connect_packet(5, client_id="x" * 100)
        begun = time.monotonic()
        closed = False
        for byte in packet[:-1]:
            try:
                drip.sendall(bytes([byte]))
            except OSError:
                closed = True
                break
            drip.settimeout(0.15)
            try:
                closed = drip.recv(1) == b""
                break
            except TimeoutError:
                continue
            except ConnectionResetError:
                closed = True
                break
        self.assertTrue(closed)
        self.assertLess(time.monotonic() - begun, self.LIMIT)

    def test_a3_silence_after_the_websocket_upgrade_is_closed(self):
        socks = []
        for _ in range(20):
            sock, head = m.websocket_handshake(self.broker.http)
            self.assertIn(" 101 ", head)
            socks.append(sock)
        self.assert_all_closed(socks)

    def test_silence_on_the_http_port_is_closed(self):
        idle = self.connect(self.broker.http)
        half = self.connect(self.broker.http)
        half.sendall(b"GET /mqtt HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        self.assert_all_closed([idle, half])


class TlsDeadlines(unittest.TestCase):
    def test_a4_a_dripping_tls_hello_is_closed_and_plain_text_on_the_tls_port_too(self):
        with tempfile.TemporaryDirectory() as files:
            cert, key = os.path.join(files, "c.pem"), os.path.join(files, "k.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                            key, "-out", cert, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True,
                           stderr=subprocess.DEVNULL)
            with Broker({"mqtt.connect_timeout": "1s", "listeners.mqtts.enabled": "true", "listeners.mqtts.port": "0",
                         "tls.cert": cert, "tls.key": key}) as broker:
                socks = []
                for n in range(100):
                    sock = socket.create_connection(("127.0.0.1", broker.ports["mqtts"]), timeout=60)
                    sock.sendall([b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 20,
                                  m.connect_packet(4)][n % 4])
                    socks.append(sock)
                context = ssl.create_default_context(cafile=cert)
                good = context.wrap_socket(socket.create_connection(("127.0.0.1", broker.ports["mqtts"]), timeout=60),
                                           server_hostname="127.0.0.1")
                good.sendall(m.connect_packet(4, client_id="good"))
                self.assertEqual(good.recv(4), b"\x20\x02\x00\x00")
                Deadlines.assert_all_closed(Deadlines(), socks)
                good.sendall(m.framed(m.PINGREQ << 4, b""))
                self.assertEqual(good.recv(2), b"\xd0\x00")
                good.close()


class AfterConnect(Case):
    def test_b1_a_five_byte_length_is_malformed(self):
        self.assert_refused(b"\x30" + VARIABLE_TOO_LONG, MALFORMED)

    def test_b2_qos_1_without_a_packet_id_is_refused(self):
        self.assert_refused(lambda v: m.publish_packet(v, "t", "x", qos=1, packet_id=0), MALFORMED, PROTOCOL_ERROR)
        self.assert_refused(m.framed(0x32, m.text("t")), MALFORMED)
        self.assert_refused(m.framed(0x32, m.text("t") + b"\x01"), MALFORMED)

    def test_b3_subscribe_without_an_options_byte_is_malformed(self):
        self.assert_refused(lambda v: m.framed(0x82, b"\0\1" + (b"\0" if v == 5 else b"") + m.text("t")), MALFORMED)

    def test_b3_subscribe_and_unsubscribe_without_a_filter_are_protocol_errors(self):
        for first in (0x82, 0xA2):
            self.assert_refused(lambda v, f=first: m.framed(f, b"\0\1" + (b"\0" if v == 5 else b"")), PROTOCOL_ERROR)

    def test_b3_reserved_bits_in_headers_and_options_are_refused(self):
        self.assert_refused(lambda v: m.framed(0x80, b"\0\1" + (b"\0" if v == 5 else b"") + m.text("t") + b"\0"), MALFORMED)
        self.assert_refused(lambda v: m.subscribe_packet(v, 1, [("t", 0xC0)]), MALFORMED, PROTOCOL_ERROR)
        self.assert_refused(lambda v: m.subscribe_packet(v, 1, [("t", 3)]), MALFORMED, PROTOCOL_ERROR)
        self.assert_refused(lambda v: m.publish_packet(v, "t", "x", qos=3, packet_id=1), MALFORMED)
        self.assert_refused(m.framed(0x60, b"\0\1"), MALFORMED)
        self.assert_refused(b"\xf1\x00", MALFORMED)

    def test_b4_an_empty_topic_is_refused(self):
        self.assert_refused(lambda v: m.publish_packet(v, "", "x"), PROTOCOL_ERROR, MALFORMED, 0x90)

    def test_b4_a_wildcard_in_a_topic_name_is_refused(self):
        for topic in ("a/#", "+/b"):
            self.assert_refused(lambda v, t=topic: m.publish_packet(v, t, "x"), 0x90, MALFORMED, PROTOCOL_ERROR)

    def test_b5_very_many_levels_harm_nobody(self):
        slashes = "/" * 65_535
        for version in (4, 5):
            peer = self.peer(version)
            peer.send(m.publish_packet(version, slashes, "x", qos=1, packet_id=1))
            peer.send(m.subscribe_packet(version, 2, [(slashes, 0)]))
            peer.send(m.subscribe_packet(version, 3, [("+/" * 32_767 + "#", 0)]))
            try:
                peer.collect_until_pingresp()
            except m.Closed:
                pass  # refusing is as good as bearing it

    def test_b6_text_that_is_not_utf_8_is_malformed(self):
        for bad in (b"\xc0\x80", b"\xed\xa0\x80", b"a\x00b", b"\xff", b"\xf4\x90\x80\x80", b"\xe2\x82"):
            with self.subTest(bad=bad):
                self.assert_refused(lambda v, b=bad: m.publish_packet(v, b, "x"), MALFORMED, 0x90)
                self.assert_refused(lambda v, b=bad: m.subscribe_packet(v, 1, [(b, 0)]), MALFORMED, 0x8F)

    def test_b7_packets_that_only_a_server_sends_are_refused(self):
        for bytes_sent in (b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x00", b"\xb0\x02\x00\x01", b"\xd0\x00"):
            self.assert_refused(bytes_sent, PROTOCOL_ERROR, MALFORMED)

    def test_b8_a_second_connect_is_a_protocol_error(self):
        self.assert_refused(lambda v: m.connect_packet(v, client_id="again"), PROTOCOL_ERROR)

    def test_b9_acknowledgements_of_nothing_harm_nobody(self):
        for version in (4, 5):
            for kind in (m.PUBACK, m.PUBREC, m.PUBCOMP):
                peer = self.peer(version)
                peer.send(m.ack_packet(kind, 77))
                try:
                    said = peer.collect_until_pingresp()
                    self.assertTrue(all(p.kind == m.PUBREL and p.id == 77 for p in said), said)
                except m.Closed:
                    pass

    def test_b10_a_repeated_qos_2_publish_is_delivered_once(self):
        writer = self.peer(5)
        for _ in range(50):
            writer.send(m.publish_packet(5, "witness/once", "x", qos=2, packet_id=3, dup=True))
            self.assertEqual(writer.expect(m.PUBREC).id, 3)
        writer.send(m.ack_packet(m.PUBREL, 3))
        self.assertEqual(writer.expect(m.PUBCOMP).reason, 0)
        self.assertEqual(self.witness.take().payload, b"x")
        self.witness.ping()

    def test_b10_pubrel_of_an_unknown_id_is_answered_with_0x92(self):
        five = self.peer(5)
        five.send(m.ack_packet(m.PUBREL, 99))
        self.assertEqual(five.expect(m.PUBCOMP).reason, 0x92)
        four = self.peer(4)
        four.send(m.ack_packet(m.PUBREL, 99))
        self.assertEqual(four.expect(m.PUBCOMP).id, 99)

    def test_b11_properties_out_of_place_disconnect_their_sender_and_no_receiver(self):
        cases = [[(0x01, 1), (0x01, 1)], [(0x23, 1), (0x23, 1)], [(0x11, 5)], [(0x21, 5)], [(0x01, 2)], [(0x0B, 5)]]
        for props in cases:
            with self.subTest(props=props):
                said = self.peer(5).send(m.publish_packet(5, "witness/t", "x", props=props)).expect_closed()
                self.assertEqual([p.kind for p in said], [m.DISCONNECT])
                self.assertIn(said[0].reason, (MALFORMED, PROTOCOL_ERROR, 0x99))
        said = self.peer(5).send(m.framed(0x30, m.text("t") + b"\x7f" + b"x")).expect_closed()
        self.assertEqual([p.reason for p in said], [MALFORMED])
        self.witness.ping()

    def test_b12_topic_alias_zero_above_the_maximum_or_unknown_is_refused(self):
        for alias, reasons in ((0, (0x94, PROTOCOL_ERROR)), (65_535, (0x94,))):
            said = self.peer(5).send(m.publish_packet(5, "t", "x", props=[(0x23, alias)])).expect_closed()
            self.assertEqual([p.kind for p in said], [m.DISCONNECT])
            self.assertIn(said[0].reason, reasons)
        said = self.peer(5).send(m.publish_packet(5, "", "x", props=[(0x23, 1)])).expect_closed()
        self.assertEqual([p.kind for p in said], [m.DISCONNECT])
        self.assertIn(said[0].reason, (PROTOCOL_ERROR, 0x94))

    def test_a_packet_above_the_maximum_size_is_refused_by_its_length_alone(self):
        before = self.broker.rss_bytes()
        said = self.peer(5).send(b"\x30\xff\xff\xff\x7f" + m.text("t")).expect_closed()
        self.assertEqual([(p.kind, p.reason) for p in said], [(m.DISCONNECT, 0x95)])
        self.assertEqual(self.peer(4).send(b"\x30\xff\xff\xff\x7f" + m.text("t")).expect_closed(), [])
        self.assertLess(self.broker.rss_bytes() - before, 16 * MIB)

    def test_a_client_that_exceeds_receive_maximum_is_told_0x93(self):
        peer = Peer(self.broker.mqtt, 5)
        self.addCleanup(peer.sock.close)
        maximum = peer.connect(client_id="greedy").prop(0x21) or 65_535
        batch = b"".join(m.publish_packet(5, "t", "x", qos=2, packet_id=n) for n in range(1, maximum + 2))
        said = peer.send(batch).expect_closed()
        self.assertEqual((said[-1].kind, said[-1].reason), (m.DISCONNECT, 0x93))
        self.assertEqual(len([p for p in said if p.kind == m.PUBREC]), len(said) - 1)

    def test_a_client_that_never_reads_costs_bounded_memory(self):
        before = self.broker.rss_bytes()
        lazy = []
        for n in range(20):
            peer = Peer(self.broker.mqtt, 4)
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(client_id="lazy%d" % n)
            peer.subscribe("flood", qos=0)
            lazy.append(peer)
        writer = self.peer(4)
        payload = b"x" * 100_000
        for _ in range(400):
            writer.send(m.publish_packet(4, "flood", payload))
        writer.ping()
        self.assertLess(self.broker.rss_bytes() - before, 100 * MIB)
        for peer in lazy:
            peer.sock.close()

    def test_a_flood_of_invalid_peers_fills_neither_memory_nor_log(self):
        size = os.path.getsize(self.broker.log_path)
        for _ in range(500):
            Peer(self.broker.mqtt, 4).send(b"\xff" * 20).expect_closed()
        self.assertLess(os.path.getsize(self.broker.log_path) - size, 64 * 1024)


class WebSocket(Case):
    def open(self, version=5):
        sock, head = m.websocket_handshake(self.broker.http)
        self.assertIn(" 101 ", head)
        self.assertIn("sec-websocket-protocol: mqtt", head.lower())
        stream = m.WebSocketBytes(sock)
        self.addCleanup(stream.close)
        return Peer(0, version, stream), stream

    def opened(self, version=5):
        peer, stream = self.open(version)
        peer.connect(client_id="")
        return peer, stream

    def assert_closed_with(self, raw, *codes):
        peer, stream = self.opened()
        stream.send_raw(raw)
        peer.expect_closed()
        self.assertIn(stream.close_code, codes)

    def test_b13_a_packet_may_span_frames_and_frames_may_hold_many_packets(self):
        peer, stream = self.open(4)
        for byte in m.connect_packet(4, client_id="bytewise"):
            stream.send_raw(m.websocket_frame(bytes([byte])))
        self.assertEqual(peer.expect(m.CONNACK).reason, 0)
        many = b"".join(m.publish_packet(4, "witness/%d" % n, "x") for n in range(20)) + m.framed(m.PINGREQ << 4, b"")
        stream.send_raw(m.websocket_frame(many[:33], fin=False) + m.websocket_frame(many[33:50], opcode=0, fin=False) +
                        m.websocket_frame(b"ping", opcode=9) + m.websocket_frame(many[50:], opcode=0))
        peer.expect(m.PINGRESP)
        self.assertEqual([self.witness.take().topic for _ in range(20)], ["witness/%d" % n for n in range(20)])

    def test_b13_a_text_frame_is_refused_with_1003(self):
        self.assert_closed_with(m.websocket_frame(m.framed(m.PINGREQ << 4, b""), opcode=1), 1003)

    def test_b13_a_length_beyond_the_frame_waits_and_harms_nobody(self):
        peer, stream = self.opened()
        stream.send_raw(m.websocket_frame(b"\x30\x7f\x00\x01t"))
        self.witness.ping()
        stream.send_raw(m.websocket_frame(b"\x00" + b"y" * 123 + m.framed(m.PINGREQ << 4, b"")))
        peer.expect(m.PINGRESP)

    def test_b18_broken_frames_are_refused_with_1002(self):
        ping = m.framed(m.PINGREQ << 4, b"")
        for raw in (m.websocket_frame(ping, masked=False), m.websocket_frame(ping, opcode=3), m.websocket_frame(ping, opcode=0xB),
                    m.websocket_frame(b"x" * 126, opcode=9), m.websocket_frame(b"x", opcode=9, fin=False),
                    m.websocket_frame(ping, opcode=0), b"\xb2" + m.websocket_frame(ping)[1:],
                    m.websocket_frame(struct.pack(">H", 1005), opcode=8), m.websocket_frame(struct.pack(">H", 0), opcode=8),
                    m.websocket_frame(b"\x03", opcode=8)):
            with self.subTest(raw=raw[:6]):
                self.assert_closed_with(raw, 1002)

    def test_b18_a_frame_of_impossible_length_is_refused_by_its_length_alone(self):
        before = self.broker.rss_bytes()
        for length in (2 ** 63 - 1, 2 ** 40, 2 ** 63):
            self.assert_closed_with(m.websocket_frame(b"", length=length), 1009, 1002)
        self.assertLess(self.broker.rss_bytes() - before, 16 * MIB)

    def test_b18_a_flood_of_empty_fragments_is_cheap_or_refused(self):
        peer, stream = self.opened(4)
        used = self.broker.cpu_seconds()
        empty = m.websocket_frame(b"", opcode=0, fin=False)
        try:
            stream.send_raw(m.websocket_frame(b"", fin=False))
            for _ in range(100):
                stream.send_raw(empty * 1000)
            self.witness.ping()
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.assertLess(self.broker.cpu_seconds() - used, 5.0)

    def test_b18_close_codes_are_answered(self):
        peer, stream = self.opened()
        stream.send_raw(m.websocket_frame(struct.pack(">H", 1000) + b"bye", opcode=8))
        peer.expect_closed()
        self.assertEqual(stream.close_code, 1000)

    def test_protocol_errors_close_the_websocket_after_disconnect(self):
        peer, stream = self.opened(5)
        said = peer.send(m.connect_packet(5)).expect_closed()
        self.assertEqual([(p.kind, p.reason) for p in said], [(m.DISCONNECT, PROTOCOL_ERROR)])

    def test_an_upgrade_without_the_sub_protocol_is_refused(self):
        for protocol in ("chat", ""):
            sock, head = m.websocket_handshake(self.broker.http, protocol=protocol)
            self.addCleanup(sock.close)
            self.assertNotIn("sec-websocket-protocol", head.lower())
            self.assertRegex(head, r"^HTTP/1\.1 (4\d\d|101) ")

    def test_a_page_of_a_foreign_origin_is_refused(self):
        sock, head = m.websocket_handshake(self.broker.http, extra="Origin: https://evil.example\r\n")
        self.addCleanup(sock.close)
        self.assertRegex(head, r"^HTTP/1\.1 403 ")

    def test_a5_too_many_or_too_large_headers_are_refused(self):
        for extra in ("X-Big: " + "x" * 100_000 + "\r\n", "".join("X-%d: y\r\n" % n for n in range(5_000))):
            try:
                sock, head = m.websocket_handshake(self.broker.http, extra=extra)
            except (ConnectionResetError, BrokenPipeError):
                continue
            self.addCleanup(sock.close)
            self.assertRegex(head, r"^(HTTP/1\.1 4\d\d |$)")


class ProxyHeaders(Case):
    settings = {"proxy_protocol.trusted": "10.99.0.0/16"}

    def test_b19_a_proxy_header_from_an_untrusted_source_is_refused(self):
        header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1111 1883\r\n"
        self.assertEqual(self.raw(4).send(header + m.connect_packet(4)).expect_closed(), [])
        binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes([192, 0, 2, 1, 192, 0, 2, 2]) + b"\x04\x57\x07\x5b"
        self.assertEqual(self.raw(4).send(binary + m.connect_packet(4)).expect_closed(), [])


class TrustedProxy(unittest.TestCase):
    V2 = b"\r\n\r\n\0\r\nQUIT\n"

    def broker(self, **more):
        return Broker(dict({"proxy_protocol.trusted": "127.0.0.0/8", "mqtt.connect_timeout": "2s",
                            "mqtt.allow_anonymous": "loopback"}, **more))

    def test_b19_a_client_behind_a_proxy_is_not_on_loopback(self):
        for header in (b"PROXY TCP4 192.0.2.1 192.0.2.2 1111 1883\r\n", b"PROXY TCP4 127.0.0.1 127.0.0.1 1111 1883\r\n",
                       b"PROXY UNKNOWN\r\n", self.V2 + b"\x20\x00\x00\x00",
                       self.V2 + b"\x21\x11\x00\x0c" + bytes([127, 0, 0, 1, 127, 0, 0, 1]) + b"\x04\x57\x07\x5b"):
            with self.subTest(header=header), self.broker() as broker, Peer(broker.mqtt, 5) as peer:
                said = peer.send(header + m.connect_packet(5)).expect_closed()
                self.assertTrue(all(p.kind == m.CONNACK and p.reason >= 0x80 for p in said), said)

    def test_b19_damaged_headers_are_closed_in_silence(self):
        damaged = [self.V2 + b"\x21\x11\x00\x05" + b"x" * 5, self.V2 + b"\x31\x11\x00\x0c" + b"x" * 12,
                   self.V2 + b"\x21\x11\x00\x0f" + bytes(12) + b"\x01\x00\x09", b"PROXY TCP4 1.2.3 4 5\r\n",
                   b"PROXY " + b"x" * 200, b"PROXY TCP4 999.0.2.1 192.0.2.2 1111 1883\r\n"]
        with self.broker() as broker:
            for header in damaged:
                with self.subTest(header=header[:40]), Peer(broker.mqtt, 4) as peer:
                    self.assertEqual(peer.send(header + m.connect_packet(4)).expect_closed(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
