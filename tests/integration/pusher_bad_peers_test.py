"""Pusher clients that break the rules, over WebSocket and the HTTP fallbacks, against the real program: the right error, memory
bounded, and nobody else notices."""

import json
import os
import select
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))

import mqtt_peer as m  # noqa: E402
from bad_peers_test import MIB, Case  # noqa: E402
from broker import Broker  # noqa: E402

APP = '[[apps]]\nid = "1"\nkey = "the-key"\nsecret = "the-secret"\n[apps.limits]\nsubscriptions_per_connection = 5\n'


class Events:
    """A Pusher client of few words."""

    def __init__(self, port):
        self.sock, head = m.websocket_handshake(port, "/app/the-key?protocol=7&client=test&version=1.0.0", protocol="")
        assert " 101 " in head, head
        self.buffered = b""
        self.hears("pusher:connection_established")

    def take(self, size):
        while len(self.buffered) < size:
            more = self.sock.recv(65536)
            if not more:
                raise ConnectionError("closed")
            self.buffered += more
        taken, self.buffered = self.buffered[:size], self.buffered[size:]
        return taken

    def frame(self):
        first, size = self.take(2)
        if size >= 126:
            size = int.from_bytes(self.take(2 if size == 126 else 8), "big")
        return first & 15, self.take(size)

    def says(self, text, **how):
        self.sock.sendall(m.websocket_frame(text if isinstance(text, bytes) else text.encode(), **{"opcode": 1, **how}))

    def hears(self, event):
        opcode, payload = self.frame()
        said = json.loads(payload) if opcode == 1 else {}
        assert said.get("event") == event, (opcode, payload[:300])
        return said

    def refused(self, text, **how):
        """An error is all that comes of it, and the connection stays."""
        self.says(text, **how)
        self.says('{"event":"pusher:ping","data":{}}')
        error, said = self.hears("pusher:error"), {}
        while said.get("event") != "pusher:pong":
            opcode, payload = self.frame()
            assert opcode == 1, (opcode, payload[:300])
            said = json.loads(payload)
            assert said["event"] in ("pusher:subscription_error", "pusher:pong"), payload
        return error

    def closed_with(self):
        opcode, payload = self.frame()
        while opcode == 1:
            opcode, payload = self.frame()
        assert opcode == 8, opcode
        return int.from_bytes(payload[:2], "big")

    def ping(self):
        """Answers only what came before."""
        self.says('{"event":"pusher:ping","data":{}}')
        self.hears("pusher:pong")


class PusherCase(Case):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(dict(cls.settings), config=APP)
        cls.broker.start()

    def client(self):
        made = Events(self.broker.http)
        self.addCleanup(made.sock.close)
        return made


class WebSocket(PusherCase):
    def test_messages_that_are_too_large_close_with_1009_and_take_no_memory(self):
        before = self.broker.rss_bytes()
        for frame in (m.websocket_frame(b"x" * (256 * 1024 + 1), opcode=1), m.websocket_frame(b"", opcode=1, length=2 ** 40),
                      m.websocket_frame(b"x" * 200_000, opcode=1, fin=False) + m.websocket_frame(b"x" * 200_000, opcode=0)):
            client = self.client()
            client.sock.sendall(frame)
            self.assertEqual(client.closed_with(), 1009)
        self.assertLess(self.broker.rss_bytes() - before, 16 * MIB)

    def test_deeply_nested_json_is_an_error_and_the_connection_stays(self):
        client = self.client()
        for opening, inner in (("[", ""), ('{"a":', "1"), ('[{"a":', "1")):
            depth = 100_000 // len(opening)
            closing = "".join("]" if c == "[" else "}" for c in reversed(opening) if c in "[{")
            for text in (opening * depth, opening * depth + inner + closing * depth,
                         '{"event":"client-x","channel":"private-c","data":' + opening * depth + inner + closing * depth + "}"):
                self.assertIsNone(client.refused(text)["data"].get("code"))

    def test_what_is_no_event_is_an_error_and_the_connection_stays(self):
        client = self.client()
        for text in ("", " ", "null", "[]", "{}", '"x"', "{", '{"event":1}', '{"event":"pusher:subscribe"}',
                     '{"event":"pusher:subscribe","data":1}', '{"event":"pusher:subscribe","data":{"channel":7}}',
                     '{"event":"pusher:subscribe","data":"{\\"channel\\":\\"x"}', '{"event":"pusher:nonsense","data":{}}',
                     '{"event":"pusher_internal:member_added","channel":"presence-x","data":"{}"}',
                     '{"event":"pusher:signin","data":{"auth":"x","user_data":"["}}', '{"event":"x","event":"y"}', "1e999"):
            with self.subTest(text=text):
                client.refused(text)
        client.refused(b"\x00\x01", opcode=2)

    def test_text_that_is_not_utf8_closes_with_1007(self):
        client = self.client()
        client.says(b'{"event":"pusher:ping","data":"\xff"}')
        self.assertEqual(client.closed_with(), 1007)

    def test_names_of_channels_that_are_tricks_are_refused(self):
        client = self.client()
        for name in ("", "a b", "a/b", "+", "#", "a/#", "$SYS", "$SYS/broker", "a" * 201, "\u00e4", "a\u0000", "\u202eabc", "../x", "a\nb",
                     "private-a/b", "presence-", "private-x", "presence-x", "private-encrypted-x", "presence-cache-x",
                     "#server-to-user-1", "#server-to-user-", "#private-x"):
            with self.subTest(name=name):
                client.refused(json.dumps({"event": "pusher:subscribe", "data": {"auth": "", "channel": name}}))
        # A prefix that is written in another way is still the prefix.
        client.refused('{"event":"pusher:subscribe","data":{"channel":"\\u0070rivate-x"}}')
        client.refused('{"event":"pusher:subscribe","data":{"channel":"\\ud800"}}')
        self.witness.send(m.publish_packet(5, "a/b", "x", qos=0))
        self.witness.ping()
        client.ping()

    def test_no_more_subscriptions_than_the_app_allows(self):
        client = self.client()
        for n in range(5):
            client.says('{"event":"pusher:subscribe","data":{"channel":"c%d"}}' % n)
            client.hears("pusher_internal:subscription_succeeded")
        for n in range(5, 200):
            client.says('{"event":"pusher:subscribe","data":{"channel":"c%d"}}' % n)
        for n in range(5, 200):
            client.hears("pusher:error")
            client.hears("pusher:subscription_error")
        client.ping()


class HttpCase(PusherCase):
    def post(self, session, what, body=b"", length=None):
        sock = socket.create_connection(("127.0.0.1", self.broker.http), timeout=60)
        self.addCleanup(sock.close)
        sock.sendall(b"POST /pusher/app/the-key/123/%s/%s?protocol=7&client=js&version=8.6.0 HTTP/1.1\r\nHost: x\r\n"
                     b"Content-Length: %d\r\n\r\n" % (session.encode(), what.encode(), len(body) if length is None else length) + body)
        return sock

    def answer(self, sock):
        received = b""
        while b"\r\n\r\n" not in received:
            more = sock.recv(65536)
            if not more:
                return 0, b""
            received += more
        head, _, body = received.partition(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
                while len(body) < size:
                    more = sock.recv(65536)
                    self.assertTrue(more)
                    body += more
        return int(head.split()[1]), body

    def open(self, session):
        self.assertIn(b"connection_established", self.answer(self.post(session, "xhr"))[1])

    def alive(self, session, waiting=None):
        waiting = waiting or self.post(session, "xhr")
        self.assertEqual(self.answer(self.post(session, "xhr_send", b'["{\\"event\\":\\"pusher:ping\\",\\"data\\":{}}"]'))[0], 204)
        self.assertIn(b"pusher:pong", self.answer(waiting)[1])


class Fallback(HttpCase):
    def test_bodies_that_are_no_messages_are_refused_and_the_session_stays(self):
        self.open("no-messages")
        for body in (b"", b"{}", b"[1]", b'["', b"[[]]", b"\xff\xfe", b"[" * 100_000, b'["' + b"\\ud800" + b'"]', b"null",
                     b"[" + b",".join([b'""'] * 101) + b"]"):
            with self.subTest(body=body[:20]):
                self.assertEqual(self.answer(self.post("no-messages", "xhr_send", body))[0], 400)
        self.alive("no-messages")

    def test_bodies_that_are_too_large_are_refused_by_their_length(self):
        self.open("too-large")
        before = self.broker.rss_bytes()
        for _ in range(50):
            self.assertIn(self.answer(self.post("too-large", "xhr_send", length=2 ** 40))[0], (400, 413))
        self.assertLess(self.broker.rss_bytes() - before, 16 * MIB)
        self.alive("too-large")

    def test_bodies_that_drip_hold_up_nobody_and_are_not_read_as_if_they_were_whole(self):
        self.open("dripping")
        before = self.broker.rss_bytes()
        slow = [self.post("dripping", "xhr_send", b'["{\\"event\\":\\"pusher:pong\\"', length=100_000) for _ in range(100)]
        for sock in slow:
            sock.sendall(b" ")
        self.alive("dripping")
        for sock in slow[:50]:
            sock.close()
        for sock in slow[50:]:
            sock.shutdown(socket.SHUT_WR)
            self.assertNotEqual(self.answer(sock)[0], 204)
        self.alive("dripping")
        self.assertLess(self.broker.rss_bytes() - before, 100 * 256 * 1024)

    def test_polls_that_are_half_closed_or_taken_over_harm_nobody(self):
        self.open("half-open")
        polls = [self.post("half-open", "xhr") for _ in range(2)]
        taken_over = select.select(polls, [], [], 60)[0][0]  # they may arrive in any order
        polls.remove(taken_over)
        self.assertIn(b"c[2010", self.answer(taken_over)[1])
        third = self.post("half-open", "xhr")
        self.assertIn(b"c[2010", self.answer(polls[0])[1])
        self.alive("half-open", third)
        for n in range(50):
            session = "half-open-%d" % n
            self.open(session)
            sock = self.post(session, "xhr")
            sock.shutdown(socket.SHUT_WR) if n % 2 else sock.close()
        self.alive("half-open")


class FullHouse(HttpCase):
    settings = {"pusher.http_sessions_max": "200"}

    def test_more_sessions_than_may_be_are_refused_and_others_go_on(self):
        self.open("before-the-flood")
        refused = 0
        for n in range(300):
            refused += b"c[4100" in self.answer(self.post("flood-%04d" % n, "xhr"))[1]
        self.assertGreaterEqual(refused, 100)
        self.alive("before-the-flood")


if __name__ == "__main__":
    unittest.main(verbosity=2)
