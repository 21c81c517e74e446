#!/usr/bin/env python3
"""gRPC against the real program: every call, credentials, TLS, resume over kill -9, flow control, health, reflection, drain.

The clients are the worked examples of docs/examples/grpc: client.py (this process) and client.cpp ($FULMAR_GRPC_EXAMPLE).
"""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "crash"), str(HERE.parent.parent / "docs" / "examples" / "grpc")]

# The library's own preparations for fork() may wait for ever for one of its threads, and nothing here uses it after one.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

import broker as broker_process  # noqa: E402
import client as example  # noqa: E402
import grpc  # noqa: E402

v1 = example.v1
health = example.messages("grpc/health/v1/health")
reflection = example.messages("grpc/reflection/v1/reflection")
Code = grpc.StatusCode

APPS = '[[apps]]\nid = "1"\nkey = "key"\nsecret = "secret"\n[[apps]]\nid = "2"\nkey = "other"\nsecret = "secret"\n'
HISTORY = '[[history]]\nfilter = "news/#"\n'
SECONDS = 60
SECRET = "0123456789abcdef0123456789abcdef"


def url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(**claims):
    text = url64(json.dumps({"alg": "HS256"}).encode()) + "." + url64(json.dumps({"exp": int(time.time()) + 600, **claims}).encode())
    return "Bearer " + text + "." + url64(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest())


class Proxy:
    """Passes connections on to a port, each with a PROXY header before it."""

    def __init__(self, port, header):
        self.target, self.header = ("127.0.0.1", port), header
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near = self.listening.accept()[0]
                far = socket.create_connection(self.target, SECONDS)
                far.sendall(self.header)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self.pass_on, args=pair, daemon=True).start()

    @staticmethod
    def pass_on(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def connections(port, method="GET", path=""):
    """What REST says of gRPC's connections, or does to one of them."""
    request = urllib.request.Request("http://127.0.0.1:%d/v1/connections%s?protocol=grpc" % (port, path), method=method,
                                     headers={"Authorization": example.basic("key:secret")})
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        text = answer.read()
    return json.loads(text)["connections"] if method == "GET" else None


def certify(folder):
    """A new key and its certificate for localhost: where they are."""
    cert, key = pathlib.Path(folder, "cert.pem"), pathlib.Path(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def publication(topic, payload=b"x", **rest):
    return v1.PublishRequest(publication=v1.Publication(topic=topic, payload=payload, **rest))


class GrpcTest(unittest.TestCase):
    def running(self, config=APPS + HISTORY, settings=None):
        return broker_process.Broker(config=config, settings=settings)

    @contextlib.contextmanager
    def client(self, process, authorization=example.basic("key:secret"), **options):
        with grpc.insecure_channel("127.0.0.1:%d" % process.ports["grpc"], options=list(options.items())) as channel:
            yield example.Client(channel, authorization)

    def fails(self, code, call, text=""):
        with self.assertRaises(grpc.RpcError) as caught:
            result = call()
            for _ in result if hasattr(result, "cancel") else ():
                pass
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        self.assertIn(text, caught.exception.details())
        return caught.exception

    def start_listening(self, client, *topics, **begin):
        """An open Subscribe call, after its first answer."""
        stream = client.Subscribe(v1.SubscribeRequest(topics=topics, **begin), timeout=SECONDS)
        return stream, next(stream).ready

    def take(self, stream, count):
        """`count` messages."""
        got = []
        while len(got) < count:
            got += next(stream).messages
        self.assertEqual(len(got), count)
        return got

    # --- calls ----------------------------------------------------------------------------------

    def test_publish_reaches_a_subscriber_with_everything_it_carries(self):
        with self.running() as process, self.client(process) as client:
            stream, ready = self.start_listening(client, "news/#", "live")
            self.assertEqual([(t.topic, t.history) for t in ready.topics], [("news/#", True), ("live", False)])
            self.assertTrue(ready.position)
            answer = client.Publish(publication("news/1", b"\x00\xff", event="e", content_type="a/b"))
            self.assertTrue(answer.matched)
            message, = self.take(stream, 1)
            self.assertEqual((message.topic, message.payload, message.event, message.content_type, message.position),
                             ("news/1", b"\x00\xff", "e", "a/b", answer.position))
            self.assertLess(abs(message.published_at_ms / 1000 - time.time()), 3600)
            answer = client.Publish(publication("live", b"now", qos=v1.QOS_AT_MOST_ONCE))
            self.assertEqual((answer.position, answer.matched), ("", True))
            message, = self.take(stream, 1)
            self.assertEqual((message.payload, message.position), (b"now", ""))
            self.assertFalse(client.Publish(publication("nobody")).matched)
            stream.cancel()

    def test_what_is_published_over_grpc_is_history_over_rest_and_the_other_way_round(self):
        with self.running() as process, self.client(process) as client:
            position = client.Publish(publication("news/1", b"one")).position
            base = "http://127.0.0.1:%d/v1" % process.ports["http"]
            headers = {"Authorization": example.basic("key:secret")}
            with urllib.request.urlopen(urllib.request.Request(base + "/history/news/1", headers=headers), timeout=SECONDS) as got:
                self.assertEqual([(m["id"], m["data"]) for m in json.load(got)["messages"]], [(position, "one")])
            urllib.request.urlopen(urllib.request.Request(base + "/publish?topic=news/1", b"two", headers), timeout=SECONDS).close()
            self.assertEqual([m.payload for m in example.history(client, "news/1")], [b"one", b"two"])

    def test_history_is_read_page_by_page_in_both_directions(self):
        with self.running() as process, self.client(process) as client:
            for number in range(5):
                client.Publish(publication("news/1", b"%d" % number))
            page = client.GetHistory(v1.GetHistoryRequest(topic="news/1", limit=2))
            self.assertEqual([m.payload for m in page.messages], [b"0", b"1"])
            rest = client.GetHistory(v1.GetHistoryRequest(topic="news/1", after_position=page.next_position))
            self.assertEqual(([m.payload for m in rest.messages], rest.next_position, rest.gap), ([b"2", b"3", b"4"], "", False))
            back = client.GetHistory(v1.GetHistoryRequest(topic="news/1", limit=2, reverse=True))
            self.assertEqual([m.payload for m in back.messages], [b"4", b"3"])
            older = client.GetHistory(v1.GetHistoryRequest(topic="news/1", reverse=True, before_position=back.next_position))
            self.assertEqual([m.payload for m in older.messages], [b"2", b"1", b"0"])
            self.fails(Code.NOT_FOUND, lambda: client.GetHistory(v1.GetHistoryRequest(topic="live")), "no history")
            for bad in ({"limit": 1001}, {"after_position": "x"}, {"before_position": "0.0"}):
                self.fails(Code.INVALID_ARGUMENT, lambda: client.GetHistory(v1.GetHistoryRequest(topic="news/1", **bad)))

    def test_a_publish_stream_acknowledges_cumulatively_and_names_what_it_refuses(self):
        with self.running() as process, self.client(process) as client:
            stream, _ = self.start_listening(client, "news/1")
            requests = [v1.PublishStreamRequest(publications=[v1.Publication(topic="news/1", payload=b"%d" % (10 * i + j))
                                                              for j in range(10)]) for i in range(100)]
            requests.insert(50, v1.PublishStreamRequest(publications=[v1.Publication(topic="a/#"), v1.Publication(topic="ok")]))
            answers = list(client.PublishStream(iter(requests), timeout=SECONDS))
            acknowledged = [answer.acknowledged for answer in answers]
            self.assertEqual(acknowledged, sorted(set(acknowledged)))
            self.assertEqual(acknowledged[-1], 1002)
            failures = [(f.number, f.code, f.message) for answer in answers for f in answer.failures]
            self.assertEqual(failures, [(501, Code.INVALID_ARGUMENT.value[0], "the topic is no valid topic name")])
            got = self.take(stream, 1000)
            self.assertEqual([m.payload for m in got], [b"%d" % i for i in range(1000)])
            self.assertEqual(answers[-1].position, got[-1].position)
            stream.cancel()
            self.fails(Code.INVALID_ARGUMENT, lambda: client.PublishStream(iter([v1.PublishStreamRequest()]), timeout=SECONDS))

    def test_subscribe_begins_where_it_is_asked_to(self):
        with self.running() as process, self.client(process) as client:
            at = [client.Publish(publication("news/1", b"%d" % i)).position for i in range(4)]
            client.Publish(publication("news/2", b"other"))
            for begin, wanted in (({"earliest": True}, [b"0", b"1", b"2", b"3"]), ({"after_position": at[1]}, [b"2", b"3"]),
                                  ({"newest": 1}, [b"3"]), ({"since_ms": 1}, [b"0", b"1", b"2", b"3"])):
                stream, _ = self.start_listening(client, "news/1", **begin)
                self.assertEqual([m.payload for m in self.take(stream, len(wanted))], wanted, begin)
                stream.cancel()
            stream, ready = self.start_listening(client, "news/1")
            client.Publish(publication("news/1", b"new"))
            self.assertEqual([m.payload for m in self.take(stream, 1)], [b"new"])
            stream.cancel()
            stream, _ = self.start_listening(client, "news/1", after_position=ready.position)
            self.assertEqual([m.payload for m in self.take(stream, 1)], [b"new"])
            stream.cancel()
            stream, _ = self.start_listening(client, "news/1", after_position="0.999999")
            self.assertEqual(next(stream).gap.after, "0.0")
            stream.cancel()
            for bad in ({"topics": []}, {"topics": ["a/#/b"]}, {"topics": ["$share/g/a"]}, {"topics": ["a"], "after_position": "1"},
                        {"topics": ["a"], "newest": 1001}):
                self.fails(Code.INVALID_ARGUMENT, lambda: client.Subscribe(v1.SubscribeRequest(**bad)))

    def test_topics_sessions_and_presence_are_listed_and_sessions_end(self):
        with self.running() as process, self.client(process) as client:
            with socket.create_connection(("127.0.0.1", process.ports["mqtt"]), SECONDS) as peer:
                peer.sendall(b"\x10\x0e\x00\x04MQTT\x04\x00\x00\x00\x00\x02c1" + b"\x82\x08\x00\x01\x00\x03a/+\x01")
                answers = b""
                while len(answers) < 9:  # CONNACK and SUBACK
                    answers += peer.recv(16)
                topics = client.ListTopics(v1.ListTopicsRequest(prefix="a"))
                self.assertEqual([(t.topic, t.subscribers) for t in topics.topics], [("a/+", 1)])
                sessions = client.ListSessions(v1.ListSessionsRequest(connected_only=True)).sessions
                self.assertEqual([(s.client_id, s.connected) for s in sessions], [("c1", True)])
                self.assertTrue(client.GetSession(v1.GetSessionRequest(client_id="c1")).connected)
                client.KickSession(v1.KickSessionRequest(client_id="c1"))
                self.assertEqual(peer.recv(16), b"")
            gone = v1.GetSessionRequest(client_id="c1")
            broker_process.wait_until(lambda: not client.GetSession(gone).connected, SECONDS, "the client is away")
            self.fails(Code.NOT_FOUND, lambda: client.KickSession(v1.KickSessionRequest(client_id="c1")))
            client.DropSession(v1.DropSessionRequest(client_id="c1"))
            broker_process.wait_until(lambda: not client.ListSessions(v1.ListSessionsRequest()).sessions, SECONDS, "it is dropped")
            self.fails(Code.NOT_FOUND, lambda: client.GetSession(gone), "no such client")
            self.assertEqual(len(client.GetPresence(v1.GetPresenceRequest(topic="presence-room")).members), 0)
            self.fails(Code.NOT_FOUND, lambda: client.GetPresence(v1.GetPresenceRequest(topic="room")), "presence-")
            for call in (client.ListTopics, client.ListSessions):
                request = v1.ListTopicsRequest if call is client.ListTopics else v1.ListSessionsRequest
                self.fails(Code.INVALID_ARGUMENT, lambda: call(request(limit=1001)))

    def test_a_method_that_does_not_exist_and_a_request_that_is_none_are_refused(self):
        with self.running() as process, grpc.insecure_channel("127.0.0.1:%d" % process.ports["grpc"]) as channel:
            self.fails(Code.UNIMPLEMENTED, lambda: channel.unary_unary("/fulmar.v1.Broker/Nothing")(b""))
            self.fails(Code.INVALID_ARGUMENT, lambda: channel.unary_unary("/fulmar.v1.Broker/Publish")(b"\xff"))
            large = publication("a", b"x" * (1024 * 1024 + 1)).SerializeToString()
            self.fails(Code.RESOURCE_EXHAUSTED, lambda: channel.unary_unary("/fulmar.v1.Broker/Publish")(large))

    # --- credentials ----------------------------------------------------------------------------

    def test_credentials_are_those_of_rest(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        key_file = pathlib.Path(directory.name, "hs256.key")
        key_file.write_text(SECRET)
        with self.running(APPS + HISTORY + '[jwt]\nalgorithm = "HS256"\nkey_file = "%s"\n' % key_file) as process:
            def calls(authorization):
                return self.client(process, authorization)

            request = publication("news/1")
            for wrong in (example.basic("key:wrong"), example.basic("nobody:secret"), "Bearer x.y.z", "Digest x",
                          token(exp=int(time.time()) - 600, publish=["#"])):
                with calls(wrong) as client:
                    self.fails(Code.UNAUTHENTICATED, lambda: client.Publish(request))
                    self.fails(Code.UNAUTHENTICATED, lambda: client.Subscribe(v1.SubscribeRequest(topics=["a"])))
                    self.fails(Code.UNAUTHENTICATED, lambda: client.PublishStream(iter([])))
            with calls(token(sub="u", publish=["news/#"], subscribe=["news/1"])) as client:
                client.Publish(request)
                self.fails(Code.PERMISSION_DENIED, lambda: client.Publish(publication("other")), "other")
                stream, _ = self.start_listening(client, "news/1")
                stream.cancel()
                self.fails(Code.PERMISSION_DENIED, lambda: client.Subscribe(v1.SubscribeRequest(topics=["news/#"])))
                self.fails(Code.PERMISSION_DENIED, lambda: client.GetHistory(v1.GetHistoryRequest(topic="news/2")))
                self.fails(Code.PERMISSION_DENIED, lambda: client.ListSessions(v1.ListSessionsRequest()), "administrators")
                publications = [v1.Publication(topic="other"), v1.Publication(topic="news/1")]
                answers = list(client.PublishStream(iter([v1.PublishStreamRequest(publications=publications)])))
                self.assertEqual([(f.number, f.code) for a in answers for f in a.failures], [(1, Code.PERMISSION_DENIED.value[0])])
            with calls(token(sub="u", subscribe=["news/1"], exp=int(time.time()) + 5)) as client:
                stream, _ = self.start_listening(client, "news/1")
                error = self.fails(Code.UNAUTHENTICATED, lambda: stream, "expired")
                self.assertIn("fulmar-resume", dict(error.trailing_metadata()))
            with calls(token(sub="u", admin=True)) as client:
                client.ListTopics(v1.ListTopicsRequest())
            with calls(None) as client:  # from this machine, while no password file is configured
                client.Publish(request)
                self.fails(Code.UNAUTHENTICATED, lambda: client.ListTopics(v1.ListTopicsRequest()))
            with calls(example.basic("other:secret")) as client:  # apps never see each other
                self.assertEqual(list(example.history(client, "news/1")), [])

    def test_nobody_without_credentials_where_anonymous_clients_are_not_let_in(self):
        with self.running(settings={"mqtt.allow_anonymous": "false"}) as process:
            with self.client(process, None) as client:
                self.fails(Code.UNAUTHENTICATED, lambda: client.Publish(publication("a")))
            with self.client(process) as client:
                client.Publish(publication("a"))

    def test_tls_with_the_configured_certificate(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        cert, key = certify(directory.name)
        settings = {"listeners.grpcs.enabled": "true", "listeners.grpcs.port": "0", "tls.cert": cert, "tls.key": key}
        with self.running(settings=settings) as process:
            address = "localhost:%d" % process.ports["grpcs"]

            def publish():
                with grpc.secure_channel(address, grpc.ssl_channel_credentials(cert.read_bytes())) as channel:
                    return example.Client(channel, example.basic("key:secret")).Publish(publication("news/1"), timeout=SECONDS)

            self.assertTrue(publish().position)
            self.assertEqual(self.run_example(process, "once", "news/1", "x", cert, port="grpcs", stdout=subprocess.DEVNULL), 0)
            with grpc.insecure_channel(address) as channel:
                self.fails(Code.UNAVAILABLE, lambda: example.Client(channel).Publish(publication("a"), timeout=SECONDS))
            certify(directory.name)  # another key: whoever trusts only the new certificate is served once the broker has read it

            def renewed():
                try:
                    return publish()
                except grpc.RpcError:
                    return None

            broker_process.wait_until(renewed, SECONDS, "the new certificate is used")

    # --- connections ----------------------------------------------------------------------------

    def test_connections_are_listed_and_ended(self):
        with self.running() as process, self.client(process) as client:
            stream, _ = self.start_listening(client, "news/1")
            one, = connections(process.http)
            self.assertEqual({k: one[k] for k in ("protocol", "transport", "tls", "peer", "user")},
                             {"protocol": "grpc", "transport": "http2", "tls": False, "peer": "127.0.0.1", "user": "app:key"})
            connections(process.http, "DELETE", "/" + one["id"])
            error = self.fails(Code.UNAVAILABLE, lambda: stream, "administrator")
            self.assertIn("fulmar-resume", dict(error.trailing_metadata()))
            broker_process.wait_until(lambda: not connections(process.http), SECONDS, "the connection is gone")

            def comes_back():
                with contextlib.suppress(grpc.RpcError):  # it has not seen the end yet
                    client.Publish(publication("news/1"), timeout=SECONDS)
                return connections(process.http)

            again, = broker_process.wait_until(comes_back, SECONDS, "the client is connected again")
            self.assertNotEqual(again["id"], one["id"])

    def test_connections_count_against_the_limit(self):
        own = {"grpc.use_local_subchannel_pool": 1}  # or two channels of this process would share a connection
        with self.running(settings={"limits.connections_max": "1"}) as process:
            with self.client(process, **own) as first:
                first.Publish(publication("a"))
                with self.client(process, **own) as second:
                    self.fails(Code.UNAVAILABLE, lambda: second.Publish(publication("a"), timeout=SECONDS))

            def served():
                with self.client(process, **own) as later:
                    try:
                        return later.Publish(publication("a"), timeout=SECONDS)
                    except grpc.RpcError:
                        return None

            broker_process.wait_until(served, SECONDS, "the place is free again")

    def test_a_trusted_proxy_says_whose_connection_it_passes_on(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        cert, key = certify(directory.name)
        header = b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 50051\r\n"
        settings = {"proxy_protocol.trusted": "127.0.0.0/8", "listeners.grpcs.enabled": "true", "listeners.grpcs.port": "0",
                    "tls.cert": cert, "tls.key": key}
        with self.running(settings=settings) as process, Proxy(process.ports["grpc"], header) as plain, \
                Proxy(process.ports["grpcs"], header) as secure, Proxy(process.http, b"PROXY UNKNOWN\r\n") as http:
            with self.client(process) as direct:
                self.fails(Code.UNAVAILABLE, lambda: direct.Publish(publication("a"), timeout=SECONDS))
            with grpc.insecure_channel("127.0.0.1:%d" % plain.port) as one, \
                    grpc.secure_channel("localhost:%d" % secure.port, grpc.ssl_channel_credentials(cert.read_bytes())) as other:
                for channel in (one, other):
                    example.Client(channel, example.basic("key:secret")).Publish(publication("a"), timeout=SECONDS)
                    # Nobody behind a proxy is on this machine.
                    self.fails(Code.UNAUTHENTICATED, lambda: example.Client(channel).Publish(publication("a"), timeout=SECONDS))
                self.assertEqual(sorted((c["peer"], c["port"], c["tls"]) for c in connections(http.port)),
                                 [("192.0.2.7", 1234, False), ("192.0.2.7", 1234, True)])

    # --- resume ---------------------------------------------------------------------------------

    def run_example(self, process, *arguments, port="grpc", **options):
        command = [os.environ["FULMAR_GRPC_EXAMPLE"], "localhost:%d" % process.ports[port], "key:secret", *map(str, arguments)]
        return subprocess.run(command, timeout=SECONDS * 2, **options).returncode

    def test_the_examples_lose_nothing_when_the_broker_is_killed_and_started_again(self):
        count = 3000
        with self.running() as process:
            program = os.environ["FULMAR_GRPC_EXAMPLE"]
            address = "localhost:%d" % process.ports["grpc"]
            got = []
            with self.client(process) as client:
                seen = threading.Event()

                def follow():
                    for message in example.follow(client, "news/1"):
                        got.append((message.position, int(message.payload)))
                        if len(got) == 10:
                            seen.set()
                        if message.payload == b"%d" % count:
                            return

                follower = threading.Thread(target=follow, daemon=True)
                follower.start()
                with subprocess.Popen([program, address, "key:secret", "publish", "news/1", str(count)]) as publisher:
                    self.assertTrue(seen.wait(SECONDS))
                    process.kill()
                    process.start()
                    self.assertEqual(publisher.wait(SECONDS * 2), 0)
                follower.join(SECONDS * 2)
                self.assertFalse(follower.is_alive())
            positions = [position for position, _ in got]
            self.assertEqual(len(positions), len(set(positions)), "a position came twice")
            self.assertEqual({number for _, number in got}, set(range(1, count + 1)))
            with self.client(process) as client:
                # What the broker had logged and not acknowledged before it was killed may follow once more.
                self.assertEqual([m.position for m in example.history(client, "news/1")][:len(got)], positions)
            output = subprocess.run([program, address, "key:secret", "follow", "news/1", str(len(got))], timeout=SECONDS,
                                    capture_output=True, text=True)
            self.assertEqual([int(line) for line in output.stdout.split()], [number for _, number in got])

    def test_a_subscriber_that_reads_too_slowly_is_ended_and_resumes_from_the_log(self):
        settings = {"limits.outbox_bytes": "65536"}
        with self.running(settings=settings) as process, self.client(process) as publishing:
            with grpc.insecure_channel("127.0.0.1:%d" % process.ports["grpc"], [("grpc.http2.lookahead_bytes", 1024)]) as channel:
                client = example.Client(channel, example.basic("key:secret"))
                stream, _ = self.start_listening(client, "news/1")
                count, payload = 300, b"x" * 50_000  # 15 MB: more than any window between the two
                requests = (v1.PublishStreamRequest(publications=[v1.Publication(topic="news/1", payload=payload)]) for _ in range(count))
                self.assertEqual(list(publishing.PublishStream(requests, timeout=SECONDS))[-1].acknowledged, count)
                got = []

                def read_all():
                    for answer in stream:
                        got.extend(m.position for m in answer.messages)

                with self.assertRaises(grpc.RpcError) as caught:
                    read_all()
                self.assertEqual(caught.exception.code(), Code.RESOURCE_EXHAUSTED)
                resume = dict(caught.exception.trailing_metadata())["fulmar-resume"]
                self.assertEqual(resume, got[-1])
                for message in example.follow(client, "news/1", resume):
                    got.append(message.position)
                    if len(got) == count:
                        break
                self.assertEqual(got, [m.position for m in example.history(publishing, "news/1")])
            self.assertIn("fulmar_grpc_slow_closed_total 1\n", process.admin_get("/metrics")[1])

    # --- health, reflection, the end ------------------------------------------------------------

    def test_health_and_reflection_need_no_credentials(self):
        with self.running(settings={"mqtt.allow_anonymous": "false"}) as process:
            with grpc.insecure_channel("127.0.0.1:%d" % process.ports["grpc"]) as channel:
                check = channel.unary_unary("/grpc.health.v1.Health/Check", health.HealthCheckRequest.SerializeToString,
                                            health.HealthCheckResponse.FromString)
                for service in ("", "fulmar.v1.Broker"):
                    self.assertEqual(check(health.HealthCheckRequest(service=service)).status, health.HealthCheckResponse.SERVING)
                self.fails(Code.NOT_FOUND, lambda: check(health.HealthCheckRequest(service="nothing")))
                for version in ("v1", "v1alpha"):
                    ask = channel.stream_stream("/grpc.reflection.%s.ServerReflection/ServerReflectionInfo" % version,
                                                reflection.ServerReflectionRequest.SerializeToString,
                                                reflection.ServerReflectionResponse.FromString)
                    request = reflection.ServerReflectionRequest
                    answers = list(ask(iter([request(list_services="*"), request(file_containing_symbol="fulmar.v1.Broker.Publish"),
                                             request(file_by_filename="nothing.proto")]), timeout=SECONDS))
                    self.assertEqual([s.name for s in answers[0].list_services_response.service],
                                     ["fulmar.v1.Broker", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"])
                    described = answers[1].file_descriptor_response.file_descriptor_proto[0]
                    self.assertEqual(described, example.v1.DESCRIPTOR.serialized_pb)
                    self.assertEqual(answers[2].error_response.error_code, Code.NOT_FOUND.value[0])

    def test_a_broker_that_drains_acknowledges_ends_every_stream_and_exits_cleanly(self):
        with self.running() as process, self.client(process) as client:
            watch = client_watch(process)
            self.assertEqual(next(watch).status, health.HealthCheckResponse.SERVING)
            stream, _ = self.start_listening(client, "news/1")
            more = threading.Event()

            def requests():
                yield v1.PublishStreamRequest(publications=[v1.Publication(topic="news/1")])
                more.wait(SECONDS)

            publishing = client.PublishStream(requests(), timeout=SECONDS)
            self.assertEqual(next(publishing).acknowledged, 1)
            position = self.take(stream, 1)[0].position
            self.assertEqual(process.terminate(), 0)
            error = self.fails(Code.UNAVAILABLE, lambda: stream, "shutting down")
            self.assertEqual(dict(error.trailing_metadata())["fulmar-resume"], position)
            self.fails(Code.UNAVAILABLE, lambda: publishing)
            more.set()
            self.assertEqual(next(watch).status, health.HealthCheckResponse.NOT_SERVING)

    def test_one_connection_gets_no_more_calls_than_it_may_have(self):
        with self.running(settings={"grpc.calls_max": "3"}) as process, self.client(process) as client:
            open_calls = [self.start_listening(client, "a")[0] for _ in range(3)]
            self.fails(Code.RESOURCE_EXHAUSTED, lambda: client.Publish(publication("a")), "grpc.calls_max")
            open_calls.pop().cancel()

            def served():
                try:
                    return client.Publish(publication("a")).matched
                except grpc.RpcError:
                    return False

            broker_process.wait_until(served, SECONDS, "the place is free again")
            for each in open_calls:
                each.cancel()


def client_watch(process):
    channel = grpc.insecure_channel("127.0.0.1:%d" % process.ports["grpc"])
    return channel.unary_stream("/grpc.health.v1.Health/Watch", health.HealthCheckRequest.SerializeToString,
                                health.HealthCheckResponse.FromString)(health.HealthCheckRequest(), timeout=SECONDS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
