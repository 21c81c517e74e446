"""`fulmar bench` against the real broker over every protocol, and against one that does its work badly; `fulmar doctor`."""

import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))

from broker import Broker, program  # noqa: E402

APP = '[[apps]]\nid = "1"\nkey = "the-key"\nsecret = "the-secret"\nsessions = { enabled = true, signed_ids = false }\n\n[[history]]\nfilter = "kept"\n'
PUSHER = ["--protocol", "pusher", "--app-id", "1", "--key", "the-key", "--secret", "the-secret"]
SHORT = ["--duration", "0.3", "--warmup", "0"]


def fulmar(*arguments):
    return subprocess.run([program(), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


class BadBroker:
    """Speaks enough MQTT 3.1.1 for QoS 0, and treats the tenth message of a publisher as `fault` says."""

    def __init__(self, fault):
        self.fault = fault
        self.lock = threading.Lock()
        self.subscribers = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        published, held = 0, b""
        with client, client.makefile("rb") as stream:
            while first := stream.read(1):
                length = stream.read(1)
                if not length:
                    return
                body = stream.read(length[0])  # no packet of the tests is longer than 127 bytes
                packet = first + length + body
                kind = first[0] >> 4
                if kind == 1:
                    client.sendall(b"\x20\x02\x00\x00")
                elif kind == 8:
                    with self.lock:
                        self.subscribers.append(client)
                    client.sendall(b"\x90\x03" + body[:2] + b"\x00")
                elif kind == 3:
                    published += 1
                    self.deliver(packet if published != 10 else b"" if self.fault != "none" else packet)
                    if published == 10:
                        held = packet
                    if published == (10 if self.fault == "corrupt" else 11):
                        self.deliver({"none": b"", "lost": b"", "late": held, "double": 2 * held,
                                      "corrupt": packet[:-1] + bytes([packet[-1] ^ 1])}[self.fault])
                elif kind == 14:
                    return

    def deliver(self, packet):
        with self.lock:
            for subscriber in self.subscribers:
                try:
                    subscriber.sendall(packet)
                except OSError:
                    pass


class BenchAgainstTheBroker(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="fulmar-test-")
        cls.cert = os.path.join(cls.folder.name, "cert.pem")
        key = os.path.join(cls.folder.name, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        key, "-out", cls.cert, "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        cls.broker = Broker({"listeners.mqtts.enabled": "true", "listeners.mqtts.port": 0, "listeners.https.enabled": "true",
                             "listeners.https.port": 0, "listeners.grpcs.enabled": "true", "listeners.grpcs.port": 0,
                             "tls.cert": cls.cert, "tls.key": key}, config=APP).start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__(None, None, None)
        cls.folder.cleanup()

    def measured(self, *arguments, listener="mqtt"):
        done = fulmar("bench", *arguments, "--port", self.broker.ports[listener], "--pid", self.broker.process.pid, "--json")
        self.assertEqual(done.returncode, 0, "%s %s%s" % (arguments, done.stdout, done.stderr))
        return json.loads(done.stdout)

    def traffic(self, *arguments, listener="mqtt"):
        report = self.measured(*arguments, *SHORT, listener=listener)
        self.assertGreater(report["messages_delivered"], 0, report)
        self.assertEqual([report[f] for f in ("missing", "duplicates", "reordered", "corrupt")], [0, 0, 0, 0])
        self.assertIn("delivery_p99.99_us", report)
        return report

    def test_mqtt_of_both_versions_and_every_qos_over_tcp_and_websocket(self):
        for version in (4, 5):
            for qos in (0, 1, 2):
                for protocol, listener in (("mqtt", "mqtt"), ("mqtt-ws", "http")):
                    with self.subTest(version=version, qos=qos, protocol=protocol):
                        report = self.traffic("fanout", "-S", 5, "--qos", qos, "--mqtt-version", version, "--protocol",
                                              protocol, listener=listener)
                        self.assertEqual(report["messages_delivered"], 5 * report["messages_published"])

    def test_tls_is_verified_when_authorities_are_given(self):
        report = self.traffic("pairs", "-S", 5, "--tls", "--ca", self.cert, listener="mqtts")
        self.assertEqual(report["tls"], "yes")
        self.traffic("pairs", "-S", 5, "--tls", "--protocol", "mqtt-ws", "--payload", 40000, listener="https")
        with tempfile.NamedTemporaryFile() as other:
            done = fulmar("bench", "fanout", "--tls", "--ca", other.name, "--port", self.broker.ports["mqtts"])
            self.assertEqual(done.returncode, 2)
            self.assertIn("--ca", done.stderr)

    def test_a_certificate_of_somebody_else_ends_the_measurement(self):
        other = os.path.join(self.folder.name, "other.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        "/dev/null", "-out", other, "-days", "2", "-subj", "/CN=other"], check=True, capture_output=True)
        done = fulmar("bench", "fanout", "-S", 1, "--tls", "--ca", other, "--port", self.broker.ports["mqtts"], *SHORT)
        self.assertEqual(done.returncode, 2)
        self.assertIn("TLS: self-signed certificate", done.stderr)

    def test_pusher_is_measured(self):
        report = self.traffic("fanout", "-S", 5, *PUSHER, listener="http")
        self.assertEqual(report["publishing"], "pusher-http")
        self.assertGreater(report["acknowledged_per_s"], 0)
        self.traffic("pairs", "-S", 5, *PUSHER, listener="http")

    def test_a_wrong_pusher_secret_cannot_be_measured(self):
        done = fulmar("bench", "fanout", "-S", 1, *PUSHER[:-1], "wrong", "--port", self.broker.http, *SHORT)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("401", done.stdout + done.stderr)

    def test_event_streams_and_rest_are_measured(self):
        access = ["--user", "the-key", "--password", "the-secret"]
        self.traffic("fanout", "-S", 5, "--protocol", "sse", *access, listener="http")
        self.traffic("fanin", "-P", 3, "--protocol", "sse", *access, listener="http")
        report = self.measured("fanin", "-P", 3, "--protocol", "rest", *access, *SHORT, listener="http")
        self.assertGreater(report["acknowledged_per_s"], 0)
        self.assertEqual(report["messages_delivered"], 0)

    def test_grpc_is_measured(self):
        access = ["--protocol", "grpc", "--user", "the-key", "--password", "the-secret"]
        report = self.traffic("fanout", "-S", 5, *access, listener="grpc")
        self.assertEqual(report["protocol"], "grpc")
        self.traffic("fanin", "-P", 3, *access, listener="grpc")
        self.traffic("pairs", "-S", 2, "--payload", 100000, "--window", 2, *access, listener="grpc")  # beyond every window
        self.traffic("pairs", "-S", 2, "--tls", "--ca", self.cert, *access, listener="grpcs")
        done = fulmar("bench", "fanout", "-S", 1, *access[:-1], "wrong", "--port", self.broker.ports["grpc"], *SHORT)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("the broker refused the call", done.stdout + done.stderr)

    def test_publishers_may_speak_another_protocol_than_subscribers(self):
        report = self.traffic("fanout", "-S", 5, "--publish-protocol", "rest", "--publish-port", self.broker.http)
        self.assertEqual((report["protocol"], report["publishing"]), ("mqtt", "rest"))

    def test_a_mixed_workload_is_measured_flow_by_flow(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as profile:
            profile.write('name = "n"\ndescription = "d"\n[[flow]]\nname = "one"\ntopics = 4\nsubscribers = 2\nwatchers = 1\n'
                          'rate = 100\nqos = 1\n[[flow]]\nname = "two"\nsubscribers = 3\nrate = 50\npayload = 200\n')
            profile.flush()
            report = self.traffic("mixed", "--profile", profile.name)
            self.assertIn("one_p50_us", report)
            self.assertIn("two_p50_us", report)
            self.assertEqual(report["clients"], 4 * 3 + 1 + 4)
        self.traffic("mixed", "--profile", "dashboard", "--scale", 0.04, *PUSHER, listener="http")

    def test_durable_offline_idle_storm_and_churn_are_measured(self):
        self.traffic("durable", "-P", 5)
        self.assertEqual(self.measured("offline", "-S", 5, "--messages", 50, "-P", 2)["messages_delivered"], 250)
        for protocol, listener in (("mqtt", "mqtt"), ("sse", "http"), ("pusher", "http")):
            speaks = PUSHER if protocol == "pusher" else ["--protocol", protocol, "--user", "the-key", "--password",
                                                          "the-secret"] if protocol == "sse" else []
            self.assertIn("anonymous_per_connection_bytes", self.measured("idle", "-N", 20, "--duration", "0.1", *speaks,
                                                                          listener=listener))
            self.assertGreater(self.measured("storm", "-N", 20, "--rounds", 1, *speaks, listener=listener)["all_ready_s"], 0)
            self.assertGreater(self.measured("churn", "-N", 5, *SHORT, *speaks, listener=listener)["cycles_per_s"], 0)

    def test_clients_of_pusher_may_have_several_channels_and_be_members_of_one(self):
        report = self.measured("idle", "-N", 20, "--duration", "0.1", "--channels", 3, "--presence-members", 10, *PUSHER,
                               listener="http")
        self.assertIn("broker_cpu_per_client_us", report)
        self.measured("storm", "-N", 20, "--rounds", 1, "--presence-members", 20, *PUSHER, listener="http")

    def test_a_storm_counts_what_every_client_had_missed(self):
        basic = "Basic " + base64.b64encode(b"the-key:the-secret").decode()
        for number in range(7):
            request = urllib.request.Request("http://127.0.0.1:%d/v1/publish" % self.broker.ports["http"], method="POST",
                                             data=b'{"topic":"kept","data":"missed %d"}' % number,
                                             headers={"Content-Type": "application/json", "Authorization": basic})
            urllib.request.urlopen(request, timeout=60).close()
        report = self.measured("storm", "-N", 20, "--rounds", 2, "--protocol", "sse", "--user", "the-key", "--password", "the-secret",
                               "--path", "/sse?topic=kept&history=5", "--missed", 5, listener="http")
        self.assertEqual(report["missed_messages_each"], 5)
        self.assertGreater(report["all_caught_up_s"], 0)
        for protocol in (["--protocol", "mqtt"], [*PUSHER, "--channels", 3, "--presence-members", 10]):
            report = self.measured("storm", "-N", 20, "--rounds", 2, "--durable-sessions", "--missed", 5, *protocol,
                                   listener="http" if protocol[1] == "pusher" else "mqtt")
            self.assertGreater(report["all_caught_up_s"], 0)

    def test_the_page_with_plots_is_one_file(self):
        page = os.path.join(self.folder.name, "page.html")
        done = fulmar("bench", "latency", "-S", 5, "--duration", 1, "--warmup", 0, "--port", self.broker.mqtt, "--html", page)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("p99.99", done.stdout)
        with open(page, encoding="utf-8") as f:
            text = f.read()
        self.assertEqual(text.count("<svg"), 2)
        self.assertNotIn("http", text)


class BenchAgainstABadBroker(unittest.TestCase):
    def run_with(self, fault):
        broker = BadBroker(fault)
        self.addCleanup(broker.close)
        done = fulmar("bench", "latency", "-S", 2, "--rate", 200, "--port", broker.port, *SHORT, "--json")
        return done.returncode, json.loads(done.stdout)

    def test_one_that_does_nothing_wrong_passes(self):
        code, report = self.run_with("none")
        self.assertEqual(code, 0, report)
        self.assertGreater(report["messages_published"], 11)

    def test_every_fault_is_found_counted_and_fails_the_run(self):
        wanted = {"lost": ("missing", 2), "late": ("reordered", 2), "double": ("duplicates", 2), "corrupt": ("corrupt", 2)}
        for fault, (figure, count) in wanted.items():
            with self.subTest(fault):
                code, report = self.run_with(fault)
                self.assertEqual(code, 1)
                self.assertEqual(report[figure], count, report)
                self.assertIn("failed", report)

    def test_no_broker_is_no_measurement(self):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        done = fulmar("bench", "fanout", "--port", port)
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot connect", done.stderr)


class CommandLine(unittest.TestCase):
    def test_help_names_the_command_and_has_examples(self):
        done = fulmar("bench", "--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("Usage: fulmar bench", done.stdout)
        self.assertIn("Examples:", done.stdout)
        self.assertEqual(fulmar("bench", "fanout", "--help").returncode, 0)
        self.assertIn("bench", fulmar("--help").stdout)

    def test_what_a_protocol_cannot_do_is_refused_before_anything_connects(self):
        for arguments in (["fanin", "--protocol", "pusher"], ["durable", "--protocol", "sse"], ["fanout", "--qos", "2", "--protocol",
                          "pusher"], ["fanout", "--payload", "30", "--protocol", "sse"], ["mixed", "--profile", "no-such"],
                          ["fanout", "-S", "0"], ["idle", "--presence-members", "5"],
                          ["no-such-scenario"], []):
            done = fulmar("bench", *arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertNotEqual(done.stderr, "", arguments)

    def test_doctor_finds_too_few_descriptors_and_says_what_to_set(self):
        with tempfile.TemporaryDirectory(prefix="fulmar-test-") as folder:
            where = ["--data-dir", os.path.join(folder, "not-yet")]
            done = fulmar("doctor", *where, "--json", "--set", "limits.connections_max=2000000000")
            self.assertEqual(done.returncode, 1)
            found = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
            self.assertEqual(found["file descriptors"]["status"], "problem")
            self.assertIn("2000000512", found["file descriptors"]["remedy"])
            self.assertIn("synced append takes", found["sync latency"]["found"])
            self.assertIn("file descriptors", fulmar("doctor", *where).stdout)
            self.assertEqual(os.listdir(folder), [])

    def test_doctor_refuses_a_configuration_with_mistakes(self):
        self.assertEqual(fulmar("doctor", "--set", "no.such=1").returncode, 3)


if __name__ == "__main__":
    unittest.main()
