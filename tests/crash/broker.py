"""A real fulmar process for the Python tests: started, killed, restarted, and always ended by its process id.

The program is $FULMAR_BIN, else $FULMAR_DEFAULT_BIN (set by CTest). $FULMAR_TEST_SHARDS sets the number of shards.
FULMAR_TEST_GRPC=off leaves gRPC out: ThreadSanitizer cannot see what that library synchronises.
"""

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

START_SECONDS = 60.0  # far above what is needed: sanitizer builds on a busy machine


def program():
    path = os.environ.get("FULMAR_BIN") or os.environ.get("FULMAR_DEFAULT_BIN")
    if not path or not os.access(path, os.X_OK):
        raise RuntimeError("FULMAR_BIN must name the fulmar program (found: %r)" % path)
    return path


def wait_until(condition, seconds, what):
    """Polls `condition` until it gives something true, which is returned."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("not within %.0f s: %s" % (seconds, what))
        time.sleep(0.01)


_ports_given = itertools.count()
_claims = []  # until this process ends


def free_port():
    """A port that nobody uses and that the kernel never gives to an outgoing connection.

    It stays ours over a restart: the UDP port of the same number is held until the end, and every test asks for that one
    first. From a place of this process's own, so that tests that run side by side seldom meet.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        first_ephemeral = int(f.read().split()[0])
    least = min(10_000, first_ephemeral - 2000)
    for _ in range(1000):
        port = least + (os.getpid() * 97 + next(_ports_given)) % (first_ephemeral - least)
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
            _claims.append(claim)
            return port
        except OSError:
            claim.close()
    raise RuntimeError("no free port below %d" % first_ephemeral)


def dying_with_parent(*command):
    """A command that is killed when this process ends. Not with a function that runs between fork and exec: there the
    garbage collector may meet objects of gRPC, whose threads are not in the copy."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *command]


class Broker:
    """Settings are {"section.key": value}; `config` is the text of a TOML file. The ports stay the same over restarts."""

    def __init__(self, settings=None, config=None, directory=None, data_dir=None):
        self.directory = directory or tempfile.mkdtemp(prefix="fulmar-test-")
        self._own_directory = directory is None
        self.data_dir = data_dir or os.path.join(self.directory, "data")
        self.settings = dict(settings or {})
        if "FULMAR_TEST_SHARDS" in os.environ:
            self.settings.setdefault("node.shards", os.environ["FULMAR_TEST_SHARDS"])
        self.config = config
        self.log_path = os.path.join(self.directory, "broker.log")
        self.process = None
        self.ports = {}
        self._wanted_ports = {"mqtt": free_port(), "http": free_port(), "grpc": free_port(), "admin": free_port()}
        if os.environ.get("FULMAR_TEST_GRPC") == "off":
            del self._wanted_ports["grpc"]
            self.settings.setdefault("listeners.grpc.enabled", "false")
        self.starts = 0

    def take_port(self, name, other):
        """Wants the port that `other` has at the next start."""
        self._wanted_ports[name] = other.ports[name]

    # -- life ------------------------------------------------------------------------------------

    def command(self):
        command = [program(), "serve", "--data-dir", self.data_dir]
        if self.config is not None:
            path = os.path.join(self.directory, "fulmar.toml")
            with open(path, "w") as f:
                f.write(self.config)
            command += ["--config", path]
        for name, port in self._wanted_ports.items():
            command += ["--%s-port" % name, str(port)]
        command += ["--ports-file", self._ports_file()]
        for key, value in self.settings.items():
            command += ["--set", "%s=%s" % (key, value)]
        return command

    def _ports_file(self):
        return os.path.join(self.directory, "ports-%d.json" % self.starts)

    @staticmethod
    def _environment():
        # FULMAR_... variables are settings of the broker; those of the tests are not for it.
        return {k: v for k, v in os.environ.items() if not k.startswith("FULMAR_")}

    def launch(self):
        """Starts the process without waiting for it."""
        assert self.process is None, "already running"
        self.starts += 1
        self.ports = {}
        with open(self.log_path, "ab") as log:
            log.write(b"--- start %d\n" % self.starts)
            log.flush()
            self.process = subprocess.Popen(dying_with_parent(*self.command()), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=self._environment())

    def _read_ports(self):
        try:
            with open(self._ports_file()) as f:
                return json.load(f)
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def wait_ready(self, seconds=START_SECONDS):
        def ready():
            if self.process.poll() is not None:
                code = self.process.returncode
                self.process = None
                raise AssertionError("the broker ended with %d while it started:\n%s" % (code, self.log_tail()))
            return self._read_ports()

        self.ports = wait_until(ready, seconds, "the broker listens")
        return self

    def start(self):
        self.launch()
        return self.wait_ready()

    def kill(self):
        """kill -9; harmless when it is not running."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def terminate(self, seconds=60.0):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_exit(seconds)

    def wait_exit(self, seconds=60.0):
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the broker did not end within %.0f s:\n%s" % (seconds, self.log_tail()))
        self.process = None
        return code

    def restart(self):
        self.kill()
        return self.start()

    def signal(self, number):
        self.process.send_signal(number)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def __exit__(self, kind, error, trace):
        died = self.process is not None and self.process.poll() is not None
        code = self.process.returncode if died else None
        self.kill()
        if kind is not None or died:
            sys.stderr.write("---- broker log (%s)\n%s\n----\n" % (self.log_path, self.log_tail()))
        if self._own_directory and not os.environ.get("FULMAR_TEST_KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)
        if died and kind is None:
            raise AssertionError("the broker ended by itself with %d" % code)

    # -- observation -----------------------------------------------------------------------------

    @property
    def mqtt(self):
        return self.ports["mqtt"]

    @property
    def http(self):
        return self.ports["http"]

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def log_text(self):
        with open(self.log_path, "rb") as f:
            return f.read().decode("utf-8", "replace")

    def log_tail(self, lines=60):
        return "\n".join(self.log_text().splitlines()[-lines:])

    def rss_bytes(self):
        with open("/proc/%d/status" % self.process.pid) as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.process.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def admin_get(self, path):
        """(status, body) of the admin listener."""
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d%s" % (self.ports["admin"], path), timeout=START_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def add_user(self, password_file, name, password):
        subprocess.run([program(), "user", "add", "--password-file", password_file, name], input=(password + "\n").encode(),
                       check=True, stdout=subprocess.DEVNULL, env=self._environment())
