"""`fulmar pub`, `sub`, `history`, `top` and `token` against the real broker: into pipes, on a terminal, and when things fail."""

import base64
import json
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))

from broker import Broker, program, wait_until  # noqa: E402

SECRET = "0123456789abcdef0123456789abcdef"
CONFIG = """
[[apps]]
id = "shop"
key = "the-key"
secret = "the-secret"

[[history]]
filter = "news/#"

[jwt]
algorithm = "HS256"
key_file = "%s"
"""
PATIENCE = 60.0


def environment(**more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FULMAR_") and k != "NO_COLOR"}
    return {**clean, **more}


def fulmar(*arguments, stdin=None, cwd=None, **variables):
    """Runs to the end; bytes in, bytes out."""
    return subprocess.run([os.path.abspath(program()), *map(str, arguments)], input=stdin if stdin is not None else b"", capture_output=True,
                          timeout=PATIENCE, check=False, env=environment(**variables), cwd=cwd)


class Running:
    """A command that goes on, with what it has written so far."""

    def __init__(self, *arguments, terminal=False, **variables):
        self.output, self.errors = b"", b""
        self.terminal = terminal
        out = subprocess.PIPE
        if terminal:
            self.master, out = pty.openpty()
        self.process = subprocess.Popen([program(), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=out,
                                        stderr=subprocess.PIPE, env=environment(TERM="xterm", **variables))
        if terminal:
            os.close(out)
        else:
            self.master = self.process.stdout.fileno()
        self.open = {self.master: "output", self.process.stderr.fileno(): "errors"}

    def pump(self, seconds=0.0):
        """Takes what is there; False: both ends are closed."""
        if not self.open:
            return False
        for ready in select.select(list(self.open), [], [], seconds)[0]:
            try:
                some = os.read(ready, 65536)
            except OSError:  # how a terminal says that nobody writes any more
                some = b""
            if not some:
                del self.open[ready]
            else:
                setattr(self, self.open[ready], getattr(self, self.open[ready]) + some)
        return True

    def wait_for(self, text, where="output"):
        def there():
            self.pump(0.05)
            return text in getattr(self, where)
        try:
            wait_until(there, PATIENCE, "%r in the %s" % (text, where))
        except AssertionError as error:
            raise AssertionError("%s\n%r\n%r" % (error, self.output, self.errors)) from error

    def lines(self):
        return [json.loads(line) for line in self.output[:self.output.rfind(b"\n") + 1].splitlines()]

    def stop(self, number=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.finish()

    def finish(self):
        deadline = time.monotonic() + PATIENCE
        while self.pump(0.05):
            if time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError("it does not end: %r %r" % (self.output, self.errors))
        code = self.process.wait(PATIENCE)
        self.close()
        return code

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.terminal and self.master is not None:
            os.close(self.master)
            self.master = None
        if self.process.stdout:
            self.process.stdout.close()
        self.process.stderr.close()


class WithBroker(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="fulmar-cli-")
        secret = os.path.join(cls.directory, "jwt.secret")
        with open(secret, "w") as f:
            f.write(SECRET + "\n")
        cls.broker = Broker(config=CONFIG % secret, directory=cls.directory).start()
        cls.config = os.path.join(cls.directory, "fulmar.toml")
        cls.url = "http://127.0.0.1:%d" % cls.broker.http
        cls.admin = "http://127.0.0.1:%d" % cls.broker.ports["admin"]
        cls.app = ["--url", cls.url, "--key", "the-key", "--secret", "the-secret"]

    @classmethod
    def tearDownClass(cls):
        cls.broker.kill()
        shutil.rmtree(cls.directory, ignore_errors=True)


    def begin(self, *filters, options=(), terminal=False):
        sub = Running("sub", *self.app, *options, *filters, "ready/#", terminal=terminal)
        self.addCleanup(sub.close)
        mark = ("ready-%d" % sub.process.pid).encode()

        def heard():
            self.assertEqual(fulmar("pub", *self.app, "ready/x", mark.decode(), "--quiet").returncode, 0)
            sub.pump(0.2)
            return mark in sub.output
        wait_until(heard, PATIENCE, "the subscription works")
        # More than one may be under way: what follows this one follows all of them.
        self.assertEqual(fulmar("pub", *self.app, "ready/x", mark.decode() + "-last", "--quiet").returncode, 0)
        sub.wait_for(mark + b"-last")
        wait_until(lambda: sub.pump(0.05) and b"\n" in sub.output.split(mark + b"-last", 1)[1], PATIENCE, "its line ends")
        sub.output = sub.output.split(mark + b"-last", 1)[1].split(b"\n", 1)[1]
        return sub

    def publish(self, *arguments, stdin=None):
        done = fulmar("pub", *self.app, *arguments, stdin=stdin)
        self.assertEqual((done.returncode, done.stderr), (0, b""), done)
        return done.stdout

    def retained(self, topic):
        try:
            with urllib.request.urlopen("%s/v1/retained/%s" % (self.url, topic), timeout=PATIENCE) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            self.assertEqual(error.code, 404)
            return None

    # --- pub and sub -------------------------------------------------------------------------------

    def test_what_pub_publishes_sub_prints_as_one_object_a_line(self):
        sub = self.begin("a/+", "b/#")
        answer = json.loads(self.publish("a/x", "one", "--event", "made", "--qos", "0"))
        self.assertEqual(answer, {"matched": True})
        self.publish("b/y/z", "-", stdin=b"\x00\xff\n")
        self.publish("elsewhere", "unheard")
        self.publish("a/x", "last")
        sub.wait_for(b'"last"')
        self.assertEqual(sub.stop(), 0)
        got = [{k: v for k, v in m.items() if k != "time"} for m in sub.lines()]
        self.assertEqual(got, [{"topic": "a/x", "event": "made", "data": "one"},
                               {"topic": "b/y/z", "data": base64.b64encode(b"\x00\xff\n").decode(), "encoding": "base64"},
                               {"topic": "a/x", "data": "last"}])

    def test_a_session_keeps_what_is_published_while_no_sub_runs(self):
        def begin():
            sub = Running("sub", *self.app, "jobs/#", "--session", "worker")
            self.addCleanup(sub.close)
            return sub

        known = begin()
        wait_until(lambda: self.publish("jobs/1", "ready") and known.pump(0.05) and known.output, PATIENCE, "it listens")
        self.assertEqual(known.stop(), 0)
        self.publish("jobs/1", "missed")
        sub = begin()
        sub.wait_for(b'"missed"')
        newer = begin()
        self.assertEqual(sub.finish(), 1)
        self.assertIn(b"another reader uses the session 'worker' now", sub.errors)
        self.publish("jobs/1", "last")
        newer.wait_for(b'"last"')
        self.assertEqual(newer.stop(), 0)

    def test_text_into_a_pipe_is_the_payload_as_it_is(self):
        sub = self.begin("raw/1", options=["--text"])
        self.publish("raw/1", "-", stdin=b"\x1b[31m\xff")
        sub.wait_for(b"\xff")
        self.assertEqual(sub.stop(signal.SIGTERM), 0)
        self.assertEqual(sub.output, b"\x1b[31m\xff\n")

    def test_a_terminal_gets_readable_lines_and_no_commands(self):
        sub = self.begin("tty/#", options=["-v"], terminal=True)
        self.publish("tty/1", "-", "--event", "made", stdin=b"red \x1b[31m\x07 end")
        sub.wait_for(b"end")
        self.assertEqual(sub.stop(), 0)
        text = sub.output.decode()
        self.assertIn("tty/1", text)
        self.assertIn("[made]", text)
        self.assertIn(r"red \x1b[31m\x07 end", text)
        self.assertNotIn("\x07", text)

    def test_pub_on_a_terminal_says_what_it_did(self):
        pub = Running("pub", *self.app, "news/said", "x", terminal=True)
        self.assertEqual(pub.finish(), 0)
        self.assertRegex(pub.output.decode(), r"published 1 message to news/said, id 0\.\d+; nobody is subscribed now")

    def test_lines_are_one_message_each_in_order_and_keep_their_bytes(self):
        sub = self.begin("lines/1")
        wanted = ["line %d" % n for n in range(2500)] + ["", "\u00fc\t\"\\"]
        told = self.publish("lines/1", "--lines", stdin=("\n".join(wanted) + "\n").encode() + b"\xfe\xff")
        self.assertEqual(json.loads(told)["published"], 2503)
        sub.wait_for(base64.b64encode(b"\xfe\xff"))
        self.assertEqual(sub.stop(), 0)
        got = sub.lines()
        self.assertEqual([m["data"] for m in got[:-1]], wanted)
        self.assertEqual(base64.b64decode(got[-1]["data"]), b"\xfe\xff")

    def test_lines_are_published_as_they_come(self):
        sub = self.begin("flow/1")
        pub = subprocess.Popen([program(), "pub", *self.app, "flow/1", "--lines"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env=environment())
        pub.stdin.write(b"first\nsec")
        pub.stdin.flush()
        sub.wait_for(b'"first"')
        self.assertNotIn(b'"sec"', sub.output)
        pub.stdin.write(b"ond\n")
        pub.stdin.flush()
        sub.wait_for(b'"second"')
        pub.communicate(timeout=PATIENCE)
        self.assertEqual(pub.returncode, 0)
        self.assertEqual(sub.stop(), 0)

    def test_retained_messages_are_kept_and_removed(self):
        self.publish("kept/1", "x", "--retain", "--content-type", "text/plain", "--expiry", "3600")
        self.assertEqual(self.retained("kept/1"), "x")
        self.publish("kept/1", "--retain")
        self.assertIsNone(self.retained("kept/1"))

    def test_count_ends_with_success_and_repeats_with_an_interval(self):
        sub = self.begin("count/1", options=["--count", "100"])
        self.publish("count/1", "x", "--count", "120", "--interval", "1ms")
        self.assertEqual(sub.finish(), 0)
        self.assertLessEqual(len(sub.lines()), 100)

    def test_since_and_history_begin_in_the_past(self):
        self.publish("news/past", "--lines", stdin=b"1\n2\n3\n")
        sub = fulmar("sub", *self.app, "news/past", "--since", "earliest", "--count", "3")
        self.assertEqual(sub.returncode, 0)
        got = [json.loads(line) for line in sub.stdout.splitlines()]
        self.assertEqual([m["data"] for m in got], ["1", "2", "3"])
        sub = fulmar("sub", *self.app, "news/past", "--since", got[0]["id"], "--count", "2", "--text")
        self.assertEqual((sub.returncode, sub.stdout), (0, b"2\n3\n"))
        sub = fulmar("sub", *self.app, "news/past", "--history", "1", "--count", "1", "--text")
        self.assertEqual((sub.returncode, sub.stdout), (0, b"3\n"))

    def test_a_reader_that_goes_away_ends_sub_and_history_quietly(self):
        self.publish("news/pipe", "--lines", stdin=b"".join(b"%0200d\n" % n for n in range(3000)))
        for command in (["sub", "--since", "earliest"], ["history", "--limit", "0"]):
            reader = subprocess.Popen([program(), command[0], *self.app, *command[1:], "news/pipe"], stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, env=environment())
            reader.stdout.readline()
            reader.stdout.close()
            errors = reader.stderr.read()
            reader.stderr.close()
            self.assertEqual((reader.wait(PATIENCE), errors), (0, b""), command)

    # --- history -----------------------------------------------------------------------------------

    def test_history_is_read_forwards_backwards_and_over_pages(self):
        self.publish("news/many", "--lines", stdin=b"".join(b"%d\n" % n for n in range(2300)))
        read = lambda *more: fulmar("history", *self.app, "news/many", *more)  # noqa: E731
        data = lambda done: [json.loads(line)["data"] for line in done.stdout.splitlines()]  # noqa: E731
        everything = read("--limit", "0")
        self.assertEqual((everything.returncode, everything.stderr), (0, b""))
        self.assertEqual(data(everything), [str(n) for n in range(2300)])
        self.assertEqual(data(read("--reverse", "--limit", "1200")), [str(n) for n in range(2299, 1099, -1)])
        tenth = json.loads(everything.stdout.splitlines()[9])
        self.assertEqual(data(read("--since", tenth["id"], "--limit", "2")), ["10", "11"])
        self.assertEqual(read("--limit", "1", "--text").stdout.split(b"  ")[-1], b"0\n")

    def test_a_topic_without_history_is_said(self):
        done = fulmar("history", *self.app, "old/1")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"[[history]]", done.stderr)

    # --- top ---------------------------------------------------------------------------------------

    def test_top_writes_one_object_per_interval(self):
        sub = self.begin("top/1")
        done = fulmar("top", "--admin", self.admin, "--once", "--interval", "10ms")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        seen = json.loads(done.stdout)
        self.assertEqual(seen["store_state"], "healthy")
        self.assertGreaterEqual(seen["sse_streams"], 1)
        self.assertGreater(seen["memory_bytes"], 1_000_000)
        self.assertEqual(sub.stop(), 0)
        several = Running("top", "--admin", self.admin, "--interval", "10ms")
        self.addCleanup(several.close)
        wait_until(lambda: several.pump(0.05) and several.output.count(b"\n") >= 3, PATIENCE, "three looks")
        self.assertEqual(several.stop(), 0)

    def test_top_redraws_a_terminal_until_it_is_interrupted(self):
        top = Running("top", "--admin", self.admin, "--interval", "20ms", terminal=True)
        self.addCleanup(top.close)
        wait_until(lambda: top.pump(0.05) and top.output.count(b"\x1b[H\x1b[J") >= 2, PATIENCE, "it is drawn twice")
        top.wait_for(b"loop lag")
        self.assertEqual(top.stop(), 0)

    def test_top_knows_what_is_no_admin_listener(self):
        done = fulmar("top", "--admin", self.url, "--once")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"--admin", done.stderr)

    # --- token -------------------------------------------------------------------------------------

    def mint(self, *arguments):
        done = fulmar("token", "mint", "--config", self.config, *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, b""), done)
        return done.stdout.decode().strip()

    def test_a_minted_token_does_what_it_says_and_no_more(self):
        token = self.mint("--sub", "ann", "--subscribe", "news/#", "--publish", "up/+", "--ttl", "5m")
        as_ann = ["--url", self.url, "--token", token]
        self.assertEqual(fulmar("pub", *as_ann, "up/1", "x").returncode, 0)
        refused = fulmar("pub", *as_ann, "news/1", "x")
        self.assertEqual(refused.returncode, 7)
        self.assertIn(b"the token of --token: not allowed to publish to 'news/1'", refused.stderr)
        self.assertNotIn(token.encode(), refused.stderr)
        self.assertEqual(fulmar("pub", "--url", self.url, "up/1", "x", FULMAR_TOKEN=token).returncode, 0)

    def test_a_token_is_explained(self):
        token = self.mint("--sub", "ann", "--subscribe", "news/#", "--ttl", "5m")
        done = fulmar("token", "check", token, "--config", self.config)
        self.assertEqual(done.returncode, 0)
        said = json.loads(done.stdout)
        self.assertEqual((said["valid"], said["claims"]["subscribe"]), (True, ["news/#"]))
        words = fulmar("token", "check", "-", "--config", self.config, "--text", stdin=token.encode() + b"\n")
        self.assertEqual(words.returncode, 0)
        for expected in (b"reads: news/#", b"publishes: nothing", b"(in ", b"valid"):
            self.assertIn(expected, words.stdout)
        for text in (done, words):
            self.assertNotIn(token.split(".")[2].encode(), text.stdout, "no signature is printed")
            self.assertNotIn(SECRET.encode(), text.stdout)
        other = os.path.join(self.directory, "other.secret")
        with open(other, "w") as f:
            f.write("x" * 40)
        wrong = fulmar("token", "check", token, "--key-file", other, "--algorithm", "HS256")
        self.assertEqual((wrong.returncode, json.loads(wrong.stdout)["problem"]), (1, "the token's signature is wrong"))
        unchecked = fulmar("token", "check", token)
        self.assertEqual(unchecked.returncode, 1)
        self.assertIn("not checked", json.loads(unchecked.stdout)["problem"])
        self.assertEqual(fulmar("token", "check", "nonsense").returncode, 1)

    def test_tokens_of_every_algorithm_are_made_from_key_files(self):
        made = {"RS256": ["genrsa", "2048"], "ES256": ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                "EdDSA": ["genpkey", "-algorithm", "ED25519"]}
        for algorithm, command in made.items():
            key = os.path.join(self.directory, algorithm + ".pem")
            with open(key, "wb") as f:
                f.write(subprocess.run(["openssl", *command], capture_output=True, check=True).stdout)
            done = fulmar("token", "mint", "--algorithm", algorithm, "--key-file", key, "--sub", "a")
            self.assertEqual((done.returncode, done.stderr), (0, b""), algorithm)
            check = fulmar("token", "check", done.stdout.decode().strip(), "--key-file", key, "--algorithm", algorithm)
            self.assertEqual(check.returncode, 0, check)
            wrong = fulmar("token", "mint", "--algorithm", "HS256" if algorithm != "EdDSA" else "ES256", "--key-file", key)
            self.assertEqual(wrong.returncode, 3, algorithm)
            self.assertIn(key.encode(), wrong.stderr)
        self.assertEqual(fulmar("token", "mint", "--sub", "a").returncode, 2)

    # --- what goes wrong ---------------------------------------------------------------------------

    def test_errors_say_what_to_do_and_have_codes_of_their_own(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            free = taken.getsockname()[1]
        nobody = fulmar("pub", "--url", "http://127.0.0.1:%d" % free, "a", "x")
        self.assertEqual(nobody.returncode, 6)
        self.assertIn(b"is the broker running? scripts/run starts it", nobody.stderr)
        wrong = fulmar("pub", "--url", self.url, "--key", "the-key", "--secret", "wrong", "a", "x")
        self.assertEqual(wrong.returncode, 7)
        self.assertIn(b"key 'the-key' of --key", wrong.stderr)
        self.assertNotIn(b"'wrong'", wrong.stderr)
        self.assertEqual(fulmar("sub", "--url", self.url, "--key", "k", "--secret", "s", "a").returncode, 7)
        self.assertEqual(fulmar("pub", *self.app, "a/#", "x").returncode, 1)
        self.assertEqual(fulmar("pub", *self.app, "a", "x", "--qos", "2").returncode, 2)
        self.assertEqual(fulmar("pub", *self.app).returncode, 2)
        self.assertEqual(fulmar("sub", *self.app, "a", "--since", "yesterday-ish").returncode, 1)
        self.assertEqual(fulmar("pub", *self.app, "a", "x", "--interval", "soon").returncode, 2)
        self.assertEqual(fulmar("top", "--admin", "http://127.0.0.1:%d" % free, "--once").returncode, 6)

    def test_what_does_not_speak_http_is_said(self):
        done = fulmar("pub", "--url", "http://127.0.0.1:%d" % self.broker.mqtt, "a", "x")
        self.assertEqual(done.returncode, 6)
        self.assertIn(b"broke", done.stderr)

    def test_help_is_there_for_every_command(self):
        for command in (["pub"], ["sub"], ["history"], ["top"], ["token", "mint"], ["token", "check"]):
            done = fulmar(*command, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn(b"fulmar " + " ".join(command).encode(), done.stdout)


class OfItsOwn(unittest.TestCase):
    """Tests that restart the broker, or need another one."""

    def test_sub_survives_restarts_with_nothing_missing_and_nothing_twice(self):
        with Broker(config='[[history]]\nfilter = "news/#"\n') as broker:
            url = "http://127.0.0.1:%d" % broker.http
            sub = Running("sub", "--url", url, "news/#")
            self.addCleanup(sub.close)
            sent = []

            def send(text):
                sent.append(text)
                wait_until(lambda: fulmar("pub", "--url", url, "news/1", text).returncode == 0, PATIENCE, "published")

            def arrived(text):
                sub.wait_for(('"data":"%s"' % text).encode())

            # The first ones may come before the subscription: they are no part of the promise.
            for n in range(1000):
                send("before %d" % n)
                sub.pump(0.1)
                if sub.output:
                    break
            first = sub.lines()[0]["data"]
            for n in range(3):
                send("live %d" % n)
            broker.kill()
            sub.wait_for(b"is lost; trying again", "errors")
            broker.start()
            for n in range(3):
                send("after %d" % n)
            arrived("after 2")
            sub.wait_for(b"connected again, continuing where it stopped", "errors")
            self.assertEqual(broker.terminate(), 0)
            broker.start()
            send("end")
            arrived("end")
            self.assertEqual(sub.stop(), 0)
            got = [m["data"] for m in sub.lines()]
            self.assertEqual(got, sent[sent.index(first):])

    def test_missing_history_is_said_after_a_reconnection(self):
        with Broker() as broker:
            sub = Running("sub", "--url", "http://127.0.0.1:%d" % broker.http, "plain/1")
            self.addCleanup(sub.close)
            url = "http://127.0.0.1:%d" % broker.http
            wait_until(lambda: fulmar("pub", "--url", url, "plain/1", "x") and sub.pump(0.1) and sub.output, PATIENCE, "it works")
            broker.restart()
            sub.wait_for(b"missing from topics without history: plain/1", "errors")
            self.assertEqual(sub.stop(), 0)

    def test_the_development_app_is_found_where_the_broker_was_started(self):
        with Broker() as broker:
            os.symlink(broker.data_dir, os.path.join(broker.directory, "fulmar-data"))
            url = "http://127.0.0.1:%d" % broker.http
            anonymous = fulmar("pub", "--url", url, "private-x", "1", cwd="/")
            self.assertEqual(anonymous.returncode, 7)
            self.assertIn(b"without credentials", anonymous.stderr)
            self.assertEqual(fulmar("pub", "--url", url, "private-x", "1", cwd=broker.directory).returncode, 0)

    def test_https_is_verified(self):
        directory = tempfile.mkdtemp(prefix="fulmar-cli-tls-")
        self.addCleanup(shutil.rmtree, directory, True)
        key, cert = os.path.join(directory, "key.pem"), os.path.join(directory, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        key, "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        settings = {"listeners.https.enabled": "true", "listeners.https.port": "0", "tls.cert": cert,
                    "tls.key": key}
        with Broker(settings=settings) as broker:
            url = "https://localhost:%d" % broker.ports["https"]
            good = fulmar("pub", "--url", url, "--cacert", cert, "a", "x")
            self.assertEqual((good.returncode, good.stderr), (0, b""))
            untrusted = fulmar("pub", "--url", url, "a", "x")
            self.assertEqual(untrusted.returncode, 6)
            self.assertIn(b"--cacert", untrusted.stderr)
            misnamed = fulmar("pub", "--url", url.replace("localhost", "127.0.0.1"), "--cacert", cert, "a", "x")
            self.assertEqual(misnamed.returncode, 6)
            self.assertIn(b"another host name", misnamed.stderr)
            plain = fulmar("pub", "--url", "https://127.0.0.1:%d" % broker.http, "--cacert", cert, "a", "x")
            self.assertEqual(plain.returncode, 6)
            self.assertIn(b"is this the TLS port?", plain.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
