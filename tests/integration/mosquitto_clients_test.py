"""mosquitto_pub and mosquitto_sub, unmodified, against the real program: what a user types first."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))

from broker import Broker, dying_with_parent, wait_until  # noqa: E402


class Watching:
    """A mosquitto_sub in the background, whose lines are kept."""

    def __init__(self, *args):
        self.process = subprocess.Popen(dying_with_parent("mosquitto_sub", *args), stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        os.set_blocking(self.process.stdout.fileno(), False)
        self._text = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def lines(self):
        self._text += self.process.stdout.read() or b""
        return [line.decode() for line in self._text.split(b"\n")[:-1]]

    def wait_line(self, wanted, seconds=60):
        wait_until(lambda: wanted in self.lines(), seconds, "%r from mosquitto_sub" % wanted)

    def wait_match(self, pattern, seconds=60):
        return wait_until(lambda: next((line for line in self.lines() if re.fullmatch(pattern, line)), None), seconds,
                          "a line like %r from mosquitto_sub" % pattern)


def run(program, *args, check=True, text=None):
    done = subprocess.run([program, *args], capture_output=True, timeout=60, text=True, input=text)
    if check and done.returncode != 0:
        raise AssertionError("%s failed: %s%s" % (" ".join([program, *args]), done.stdout, done.stderr))
    return done


class Case(unittest.TestCase):
    def begin(self, settings=None):
        broker = Broker(settings)
        self.addCleanup(broker.__exit__, None, None, None)
        return broker.start()

    def watch(self, broker, *args):
        """A mosquitto_sub that has subscribed: it is shown a retained message to know."""
        run("mosquitto_pub", "-p", str(broker.mqtt), "-t", "ready", "-m", "now", "-r", *self.credentials)
        watching = Watching("-p", str(broker.mqtt), "-v", "-t", "ready", *args, *self.credentials)
        self.addCleanup(watching.__exit__)
        watching.wait_line("ready now")
        return watching

    credentials = ()

    def publish(self, broker, *args, **more):
        return run("mosquitto_pub", "-p", str(broker.mqtt), *args, *self.credentials, **more)


class Everyday(Case):
    def test_what_one_publishes_the_other_sees_in_every_version_and_at_every_qos(self):
        broker = self.begin()
        watching = self.watch(broker, "-t", "#", "-q", "2")
        for version in ("mqttv31", "mqttv311", "mqttv5"):
            for qos in "012":
                self.publish(broker, "-V", version, "-q", qos, "-t", "%s/%s" % (version, qos), "-m", "hello")
                watching.wait_line("%s/%s hello" % (version, qos))

    def test_many_lines_from_one_publisher_come_in_order(self):
        broker = self.begin()
        watching = self.watch(broker, "-t", "lines", "-q", "1")
        count = 2000
        self.publish(broker, "-t", "lines", "-q", "1", "-l", text="".join("%d\n" % n for n in range(count)))
        watching.wait_line("lines %d" % (count - 1))
        self.assertEqual(watching.lines()[1:], ["lines %d" % n for n in range(count)])

    def test_a_retained_message_is_there_for_latecomers_until_it_is_removed(self):
        broker = self.begin()
        self.publish(broker, "-t", "lamp", "-m", "on", "-r", "-q", "1")
        shown = run("mosquitto_sub", "-p", str(broker.mqtt), "-t", "lamp", "-C", "1", "-W", "20", "-F", "%r %t %p")
        self.assertEqual(shown.stdout, "1 lamp on\n")
        self.publish(broker, "-t", "lamp", "-n", "-r", "-q", "1")
        self.publish(broker, "-t", "other", "-m", "x", "-r", "-q", "1")
        shown = run("mosquitto_sub", "-p", str(broker.mqtt), "-t", "lamp", "-t", "other", "-C", "1", "-W", "20", "-v")
        self.assertEqual(shown.stdout, "other x\n")

    def test_a_will_is_published_when_its_client_is_killed(self):
        broker = self.begin()
        watching = self.watch(broker, "-t", "will/#", "-q", "1")
        mortal = Watching("-p", str(broker.mqtt), "-t", "ready", "--will-topic", "will/mortal", "--will-payload", "gone",
                          "--will-qos", "1")
        with mortal:
            mortal.wait_line("now")
        watching.wait_line("will/mortal gone")

    def test_a_persistent_session_keeps_messages_while_nobody_is_there(self):
        broker = self.begin()
        session = ["-p", str(broker.mqtt), "-i", "keeper", "-c", "-q", "1", "-t", "work"]
        run("mosquitto_sub", *session, "-E")
        for n in range(5):
            self.publish(broker, "-t", "work", "-m", "w%d" % n, "-q", "1")
        broker.restart()
        shown = run("mosquitto_sub", *session, "-C", "5", "-W", "30")
        self.assertEqual(shown.stdout.split(), ["w%d" % n for n in range(5)])

    def test_mqtt_5_properties_are_shown_to_the_receiver(self):
        broker = self.begin()
        watching = self.watch(broker, "-V", "mqttv5", "-t", "job", "-F", "%t %p %C %R %D %P")
        self.publish(broker, "-V", "mqttv5", "-t", "job", "-m", "x", "-D", "publish", "content-type", "text/plain", "-D",
                     "publish", "response-topic", "answers", "-D", "publish", "correlation-data", "c1", "-D", "publish",
                     "user-property", "k", "v")
        watching.wait_line("job x text/plain answers c1 k:v")

    def watch(self, broker, *args):
        if "-F" not in args:
            return super().watch(broker, *args)
        run("mosquitto_pub", "-p", str(broker.mqtt), "-t", "ready", "-m", "now", "-r")
        watching = Watching("-p", str(broker.mqtt), "-t", "ready", *args)
        self.addCleanup(watching.__exit__)
        watching.wait_match("ready now.*")
        return watching

    def test_a_shared_subscription_gives_each_message_to_one_member(self):
        broker = self.begin()
        first = self.watch(broker, "-t", "$share/g/job", "-q", "1")
        second = self.watch(broker, "-t", "$share/g/job", "-q", "1")
        self.publish(broker, "-t", "job", "-q", "1", "-l", text="".join("%d\n" % n for n in range(100)))

        def jobs():
            return sorted(int(line.split()[1]) for line in first.lines() + second.lines() if line.startswith("job "))

        wait_until(lambda: len(jobs()) >= 100, 30, "all jobs")
        self.assertEqual(jobs(), list(range(100)))

    def test_mosquitto_rr_gets_its_answer(self):
        broker = self.begin()
        watching = self.watch(broker, "-t", "ask")
        asking = subprocess.Popen(dying_with_parent("mosquitto_rr", "-p", str(broker.mqtt), "-V", "mqttv5", "-t", "ask", "-e",
                                                     "answer", "-m", "?", "-W", "30"), stdout=subprocess.PIPE)
        self.addCleanup(asking.stdout.close)
        self.addCleanup(asking.wait)
        self.addCleanup(asking.kill)
        watching.wait_line("ask ?")
        self.publish(broker, "-t", "answer", "-m", "42")
        self.assertEqual(asking.communicate(timeout=60)[0], b"42\n")

    def test_sys_topics_say_what_mqtt_tools_expect(self):
        broker = self.begin({"sys.interval": "1s"})
        watching = self.watch(broker, "-t", "$SYS/#")
        watching.wait_match(r"\$SYS/broker/version .*[Ff]ulmar.*")
        watching.wait_match(r"\$SYS/broker/uptime [0-9]+.*")
        watching.wait_match(r"\$SYS/broker/clients/connected [0-9]+")
        watching.wait_match(r"\$SYS/broker/messages/received [0-9]+")
        everything = self.watch(broker, "-t", "#")
        self.publish(broker, "-t", "t", "-m", "x")
        everything.wait_line("t x")
        self.assertFalse([line for line in everything.lines() if line.startswith("$SYS")])


class Credentials(Case):
    def begin_guarded(self, acl=None):
        self.files = tempfile.mkdtemp(prefix="fulmar-test-")
        self.addCleanup(shutil.rmtree, self.files, True)
        passwords = os.path.join(self.files, "passwords")
        settings = {"access.password_file": passwords}
        if acl is not None:
            settings["access.acl_file"] = os.path.join(self.files, "acl")
            with open(settings["access.acl_file"], "w") as f:
                f.write(acl)
        broker = Broker(settings)
        self.addCleanup(broker.__exit__, None, None, None)
        broker.add_user(passwords, "ann", "right horse")
        broker.add_user(passwords, "bob", "battery")
        return broker.start()

    def test_only_who_knows_the_password_comes_in(self):
        broker = self.begin_guarded()
        wrong = [[], ["-u", "ann"], ["-u", "ann", "-P", "wrong"], ["-u", "nobody", "-P", "right horse"]]
        for version in ("mqttv311", "mqttv5"):
            for credentials in wrong:
                done = self.publish(broker, "-V", version, "-t", "t", "-m", "x", "-q", "1", *credentials, check=False)
                self.assertNotEqual(done.returncode, 0, credentials)
            self.publish(broker, "-V", version, "-t", "t", "-m", "x", "-q", "1", "-u", "ann", "-P", "right horse")

    def test_rules_decide_who_may_publish_and_who_may_see(self):
        broker = self.begin_guarded(
            "allow all ready for all\n"
            "deny subscribe home/+/secret for user bob\n"
            "allow subscribe home/# for user bob\n"
            "allow publish home/# for user ann\n"
            "allow all users/%u/# for all\n")
        ann, bob = ["-u", "ann", "-P", "right horse"], ["-u", "bob", "-P", "battery"]
        self.publish(broker, "-t", "home/hall/secret", "-m", "kept", "-q", "1", "-r", *ann)
        self.credentials = bob
        watching = self.watch(broker, "-t", "home/#", "-t", "users/bob/#", "-q", "1")
        self.credentials = ()
        self.publish(broker, "-t", "home/hall/secret", "-m", "no", "-q", "1", *ann)
        self.publish(broker, "-V", "mqttv5", "-t", "home/hall/light", "-m", "forged", "-q", "1", *bob, check=False)
        self.publish(broker, "-V", "mqttv5", "-t", "users/bob/in", "-m", "forged", "-q", "1", *ann, check=False)
        self.publish(broker, "-t", "users/bob/in", "-m", "own", "-q", "1", *bob)
        self.publish(broker, "-t", "home/hall/light", "-m", "on", "-q", "1", *ann)
        watching.wait_line("home/hall/light on")
        self.assertEqual(watching.lines(), ["ready now", "users/bob/in own", "home/hall/light on"])

    def test_a_password_file_that_is_damaged_stops_the_start(self):
        files = tempfile.mkdtemp(prefix="fulmar-test-")
        self.addCleanup(shutil.rmtree, files, True)
        passwords = os.path.join(files, "passwords")
        with open(passwords, "w") as f:
            f.write("ann:not a hash\n")
        broker = Broker({"access.password_file": passwords})
        self.addCleanup(broker.kill)
        with self.assertRaisesRegex(AssertionError, "the broker ended"):
            broker.start()


class Tls(Case):
    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.files)

    def make_certificates(self):
        self.files = tempfile.mkdtemp(prefix="fulmar-test-")
        self.addCleanup(shutil.rmtree, self.files, True)
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self.openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
        with open(os.path.join(self.files, "names"), "w") as f:
            f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        for name, subject in (("server", "localhost"), ("client", "device-1")):
            self.openssl("req", *curve, "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + subject)
            self.openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
                         "-extfile", "names", "-out", name + ".pem")

    def path(self, name):
        return os.path.join(self.files, name)

    def test_tls_with_a_client_certificate(self):
        self.make_certificates()
        broker = self.begin({"listeners.mqtts.enabled": "true", "listeners.mqtts.port": "0", "tls.cert": self.path("server.pem"),
                             "tls.key": self.path("server.key"), "tls.client_ca": self.path("ca.pem"),
                             "tls.client_certificates": "required", "mqtt.allow_anonymous": "loopback"})
        port = ["-p", str(broker.ports["mqtts"]), "--cafile", self.path("ca.pem")]
        certificate = ["--cert", self.path("client.pem"), "--key", self.path("client.key")]
        watching = self.watch(broker, "-t", "safe")
        run("mosquitto_pub", *port, *certificate, "-t", "safe", "-m", "inside", "-q", "1")
        watching.wait_line("safe inside")
        self.assertNotEqual(run("mosquitto_pub", *port, "-t", "safe", "-m", "outside", "-q", "1", check=False).returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
