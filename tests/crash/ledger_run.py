"""Runs the ledger (tests/ledger) beside a broker: load in the background, progress while it goes on, a verdict at the end."""

import json
import os
import shutil
import subprocess
import sys
import threading

from broker import dying_with_parent, wait_until


def program():
    path = os.environ.get("FULMAR_LEDGER") or os.environ.get("FULMAR_DEFAULT_LEDGER")
    if not path or not os.access(path, os.X_OK):
        raise RuntimeError("FULMAR_LEDGER must name the fulmar_ledger program (found: %r)" % path)
    return path


class LedgerRun:
    def __init__(self, broker, name="ledger", **options):
        self.journals = os.path.join(broker.directory, name)
        shutil.rmtree(self.journals, ignore_errors=True)
        command = [program(), "load", "--port", str(broker.mqtt), "--journals", self.journals]
        for key, value in options.items():
            flag = "--" + key.replace("_", "-")
            command += [flag] if value is True else [flag, str(value)]
        self.process = subprocess.Popen(dying_with_parent(*command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._latest = {"phase": "subscribing", "acknowledged": 0, "deliveries": 0}
        self._final = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            value = json.loads(line)
            if "verdict" in value:
                self._final = value
            else:
                self._latest = value

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdin.close()
        self.process.stdout.close()

    @property
    def acknowledged(self):
        return self._latest["acknowledged"]

    def wait_publishing(self, seconds=60):
        self.wait_progress(1, seconds)
        return self

    def wait_progress(self, messages, seconds=60):
        """Until that many more messages have been acknowledged."""
        wanted = self.acknowledged + messages
        wait_until(lambda: self.acknowledged >= wanted or self.process.poll() is not None, seconds,
                   "%d more messages acknowledged (now %r)" % (messages, self._latest))
        if self.process.poll() is not None:
            raise AssertionError("the ledger ended early: %r" % (self._final,))

    def finish(self, seconds=180):
        """Stops publishing, waits until everything is delivered, and returns (verdict, complete)."""
        self.process.stdin.write("stop\n")
        self.process.stdin.flush()
        self.process.wait(seconds)
        self._reader.join()
        if self._final is None:
            raise AssertionError("the ledger gave no verdict (exit %r)" % self.process.returncode)
        return self._final["verdict"], self._final["complete"]


def describe(verdict):
    return json.dumps(verdict, indent=1)


def require_clean(case, verdict, complete, acknowledged_min):
    summary = {k: v for k, v in verdict.items() if k != "examples"}
    sys.stderr.write("ledger: %s\n" % json.dumps(summary))
    case.assertTrue(verdict["clean"], "the broker broke a promise: " + describe(verdict))
    case.assertTrue(complete, "not everything was delivered in time: " + describe(verdict))
    case.assertGreaterEqual(verdict["acknowledged"], acknowledged_min, "too little load to prove anything")
