"""The brokers that are compared: how each is installed, set up, started and spoken to.

Settings are those that its makers recommend for throughput, with logging off, no limits that the scenario would meet, and
TCP_NODELAY where it can be set. SETTINGS and DURABLE say in words what was chosen; both go into the result.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(HERE, "..", "peers")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def first_line(*command):
    """What a program says of its version."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip() if lines else "unknown"


def descendants(pid):
    """The process and everything below it."""
    found = [pid]
    for parent in found:
        try:
            with open("/proc/%d/task/%d/children" % (parent, parent)) as f:
                found.extend(int(word) for word in f.read().split())
        except OSError:
            pass
    return found


def command_line(pid):
    try:
        with open("/proc/%d/cmdline" % pid) as f:
            return f.read().replace("\0", " ")
    except OSError:
        return ""


class Broker:
    """A started broker: pid and ports; stops and cleans up as a context manager."""

    PACKAGES = ()  # of Debian
    NPM = False  # needs the packages of bench/peers
    PINNED = True
    SETTINGS = ""
    DURABLE = None  # None: has no durable settings
    IDLE_CLIENTS = None  # how many connections it is asked to hold, where it cannot take as many as the others
    STOP_WORKER = False  # SIGTERM is for the WORKER: the process that was started does not pass it on
    WORKER = None  # part of the command line of the process that does the work, if it is another than the one started

    def __init__(self, options, durable):
        self.options, self.durable = options, durable
        self.folder = tempfile.mkdtemp(prefix="fulmar-bench-", dir=options.data_dir)
        self.log_path = os.path.join(self.folder, "log")
        self.process = self.pid = None
        try:
            self.start()
        except Exception:
            with open(self.log_path, errors="replace") as log:
                sys.stderr.write(log.read()[-2000:])
            self.__exit__()
            raise

    def start(self):
        command = self.command()
        if self.PINNED:
            command = ["taskset", "-c", "0", *command]
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen([*self.options.scheduling, *command], stdout=log, stderr=log,
                                            env={**os.environ, **self.environment()}, cwd=self.folder, start_new_session=True)
        self.find_ports()
        for port in self.ports():
            self.wait_for_port(port)
        self.pid = self.working_pid()

    def working_pid(self):
        """The process whose time and memory count: the one that was started, or the WORKER below it."""
        if self.WORKER is None:
            return self.process.pid
        found = next((p for p in descendants(self.process.pid) if self.WORKER in command_line(p)), None)
        if found is None:
            raise RuntimeError("no process '%s' is running" % self.WORKER)
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self):
        """Nothing that it started may be left, whatever became of the process that was started."""
        family = {pid: command_line(pid) for pid in descendants(self.process.pid)}
        if self.process.poll() is None:
            if self.STOP_WORKER and self.pid:
                os.kill(self.pid, signal.SIGTERM)
            else:
                self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid, command in family.items():
            if command and command_line(pid) == command:
                os.kill(pid, signal.SIGKILL)

    def wait_for_port(self, port):
        for _ in range(1200):
            if self.process.poll() is not None:
                raise RuntimeError("the broker ended with status %d" % self.process.returncode)
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("nothing listens on port %d" % port)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def environment(self):
        return {}

    def find_ports(self):
        pass

    def ports(self):
        return [port for port in (getattr(self, "port", None), getattr(self, "web_port", None)) if port]

    def arguments(self, kind):
        """What the load generator is told to speak `kind` with this broker; None: it does not speak it."""
        if kind == "mqtt" and hasattr(self, "port"):
            return ["--port", str(self.port)]
        if kind == "mqtt-ws" and getattr(self, "web_port", None):
            return ["--protocol", "mqtt-ws", "--port", str(self.web_port), "--path", self.web_path]
        return None

    def adapted(self, arguments):
        """A case's arguments, with as many idle connections as it can take."""
        if self.IDLE_CLIENTS and arguments[0] == "idle":
            at = arguments.index("-N") + 1
            return [*arguments[:at], str(self.IDLE_CLIENTS), *arguments[at + 1:]]
        return arguments

    web_path = "/mqtt"

    @classmethod
    def installed(cls):
        return shutil.which(cls.PROGRAM) is not None


class Fulmar(Broker):
    PROGRAM = "fulmar"
    SHARDS = 1
    SETTINGS = "one shard; everything else as it comes"
    DURABLE = "as it comes: an acknowledgement waits for a sync (storage.durability = \"fsync\")"
    STORAGE = "fsync"

    def command(self):
        self.ports_file = os.path.join(self.folder, "ports")
        app = '[[apps]]\nid = "1"\nkey = "key"\nsecret = "secret"\n'
        return [self.options.fulmar, "serve", "--config", self.write("fulmar.toml", app), "--data-dir",
                os.path.join(self.folder, "data"), "--mqtt-port", "0", "--http-port", "0", "--grpc-port", "0", "--admin-port", "0",
                "--ports-file", self.ports_file, "--shards", str(self.SHARDS), "--durability", self.STORAGE,
                *self.options.fulmar_option]

    def find_ports(self):
        for _ in range(400):
            if self.process.poll() is not None:
                raise RuntimeError("fulmar ended with status %d" % self.process.returncode)
            try:
                with open(self.ports_file) as f:
                    ports = json.load(f)
                self.port, self.web_port, self.grpc_port = ports["mqtt"], ports["http"], ports["grpc"]
                return
            except (OSError, ValueError, KeyError):
                time.sleep(0.05)
        raise RuntimeError("fulmar wrote no ports file")

    def arguments(self, kind):
        web = ["--port", str(self.web_port)]
        if kind == "sse":
            return ["--protocol", "sse", *web]
        if kind == "web":
            return ["--protocol", "pusher", *web, "--app-id", "1", "--key", "key", "--secret", "secret"]
        if kind == "http":
            return ["--protocol", "rest", *web]
        if kind == "grpc":
            return ["--protocol", "grpc", "--port", str(self.grpc_port)]
        return super().arguments(kind)

    @classmethod
    def installed(cls):
        return True  # it was built, or the first run says that it was not

    @classmethod
    def version(cls, options):
        return first_line(options.fulmar, "version")


class FulmarUnpinned(Fulmar):
    PINNED = False
    SETTINGS = "one shard, not pinned"


class FulmarTwoShards(FulmarUnpinned):
    SHARDS = 2
    SETTINGS = "two shards, not pinned"


class FulmarOs(Fulmar):
    STORAGE = "os"
    SETTINGS = "one shard"
    DURABLE = "storage.durability = \"os\": acknowledged when the operating system has it, as most others do"


class Mosquitto(Broker):
    PROGRAM = "mosquitto"
    PACKAGES = ("mosquitto",)
    SETTINGS = "no limits of queued and in-flight messages, set_tcp_nodelay, log_type error, persistence off"
    DURABLE = "persistence on, written every second (autosave_interval 1): it acknowledges before, and never syncs for it"
    web_path = "/"

    def command(self):
        self.port, self.web_port = free_ports(2)
        lines = ["listener %d 127.0.0.1" % self.port, "listener %d 127.0.0.1" % self.web_port, "protocol websockets",
                 "allow_anonymous true", "max_queued_messages 0", "max_inflight_messages 0", "set_tcp_nodelay true",
                 "log_type error"]
        if self.durable:
            lines += ["persistence true", "persistence_location %s/" % self.folder, "autosave_interval 1"]
            os.chmod(self.folder, 0o777)  # it gives up root's rights before it writes
        else:
            lines.append("persistence false")
        return ["mosquitto", "-c", self.write("conf", "\n".join(lines) + "\n")]

    @classmethod
    def version(cls, _options):
        return first_line("mosquitto", "-h")


class MosquittoUnpinned(Mosquitto):
    PINNED = False


class Nats(Broker):
    PROGRAM = "nats-server"
    PACKAGES = ("nats-server",)
    SETTINGS = "MQTT over TCP and WebSocket, JetStream (which MQTT needs) in memory-backed files, GOMAXPROCS 1, no log"
    DURABLE = "JetStream on the same disk as the others; this version cannot be told to sync before it acknowledges"

    def command(self):
        self.port, self.web_port, client = free_ports(3)
        store = os.path.join(self.folder, "store")
        if not self.durable and os.path.isdir("/dev/shm"):
            self.memory = tempfile.mkdtemp(prefix="fulmar-bench-", dir="/dev/shm")
            store = self.memory
        config = ('server_name: bench\nlisten: "127.0.0.1:%d"\njetstream { store_dir: "%s" }\n'
                  'mqtt { listen: "127.0.0.1:%d", max_ack_pending: 65535 }\n'
                  'websocket { listen: "127.0.0.1:%d", no_tls: true }\nmax_connections: 100000\nwrite_deadline: "60s"\n'
                  % (client, store, self.port, self.web_port))
        return ["nats-server", "-c", self.write("conf", config), "-l", "/dev/null"]

    def environment(self):
        return {"GOMAXPROCS": "1"}

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        if hasattr(self, "memory"):
            shutil.rmtree(self.memory, ignore_errors=True)

    @classmethod
    def version(cls, _options):
        return first_line("nats-server", "-v")


NCHAN = """
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
error_log %(folder)s/error.log crit;
pid %(folder)s/pid;
user root;
events { worker_connections 19000; multi_accept on; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path %(folder)s/body;
  proxy_temp_path %(folder)s/proxy;
  fastcgi_temp_path %(folder)s/fastcgi;
  uwsgi_temp_path %(folder)s/uwsgi;
  scgi_temp_path %(folder)s/scgi;
  nchan_shared_memory_size 512M;
  nchan_message_buffer_length %(kept)d;
  server {
    listen 127.0.0.1:%(port)d backlog=4096;
    location = /pub { nchan_publisher; nchan_channel_id $arg_id; }
    location = /sub { nchan_subscriber eventsource; nchan_channel_id $arg_id; nchan_subscriber_first_message newest;
                      nchan_subscriber_timeout 0; }
  }
}
"""


class Nchan(Broker):
    PROGRAM = "nginx"
    WORKER = "nginx: worker process"
    PACKAGES = ("nginx-light", "libnginx-mod-nchan")
    SETTINGS = "nginx with one worker, no access log, keep-alive without end, 1,000 messages buffered per channel"

    def command(self):
        (self.web_port,) = free_ports(1)
        config = NCHAN % {"folder": self.folder, "port": self.web_port, "kept": 1000}
        return ["nginx", "-c", self.write("conf", config), "-p", self.folder]

    def arguments(self, kind):
        if kind == "sse":
            return ["--protocol", "sse", "--port", str(self.web_port), "--path", "/sub?id={topic}", "--publish-path",
                    "/pub?id={topic}"]
        if kind == "http":
            return ["--protocol", "rest", "--port", str(self.web_port), "--path", "/sub?id={topic}", "--publish-path",
                    "/pub?id={topic}"]
        return None

    @classmethod
    def installed(cls):
        return os.path.exists("/usr/lib/nginx/modules/ngx_nchan_module.so")

    @classmethod
    def version(cls, _options):
        return first_line("dpkg-query", "-W", "-f", "nchan ${Version}", "libnginx-mod-nchan")


class Rabbit(Broker):
    # Not the one of the path, which becomes another user, whose limit of open files is 1,024.
    PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"
    WORKER = "/beam.smp "
    STOP_WORKER = True
    PACKAGES = ("rabbitmq-server",)
    SETTINGS = ("MQTT plugin, one scheduler, no log, anonymous login, prefetch 65535; 1,000 idle connections where the others "
                "have 10,000, which do not connect within 30 s")
    IDLE_CLIENTS = 1000
    DURABLE = "durable queues and persistent messages on disk, confirmed after they were written (its own batches of syncs)"

    def command(self):
        self.port, amqp, self.distribution, self.names = free_ports(4)
        self.write("rabbitmq.conf", "listeners.tcp.1 = 127.0.0.1:%d\nmqtt.listeners.tcp.1 = 127.0.0.1:%d\n"
                   "mqtt.allow_anonymous = true\nmqtt.default_user = guest\nmqtt.default_pass = guest\n"
                   "mqtt.prefetch = 65535\nmqtt.tcp_listen_options.nodelay = true\n"
                   "mqtt.tcp_listen_options.backlog = 4096\nlog.console = false\nlog.file = false\n" % (amqp, self.port))
        self.write("plugins", "[rabbitmq_mqtt].\n")
        return [self.PROGRAM]

    def environment(self):
        return {"RABBITMQ_CONFIG_FILE": os.path.join(self.folder, "rabbitmq"), "RABBITMQ_MNESIA_BASE": self.folder,
                "RABBITMQ_ENABLED_PLUGINS_FILE": os.path.join(self.folder, "plugins"), "RABBITMQ_LOG_BASE": self.folder,
                "RABBITMQ_NODENAME": "bench%d@localhost" % self.distribution, "HOME": self.folder,
                "RABBITMQ_DIST_PORT": str(self.distribution), "RABBITMQ_LOGS": "-", "ERL_EPMD_ADDRESS": "127.0.0.1",
                "ERL_EPMD_PORT": str(self.names), "ERL_CRASH_DUMP": "/dev/null",
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1"}

    def stop(self):
        super().stop()
        if hasattr(self, "names"):  # its name server, on a port of its own, would stay
            subprocess.run(["epmd", "-port", str(self.names), "-kill"], capture_output=True, check=False)

    @classmethod
    def version(cls, _options):
        return first_line("dpkg-query", "-W", "-f", "rabbitmq-server ${Version}", "rabbitmq-server")


class Node(Broker):
    PROGRAM = "node"
    NPM = True

    def script(self, name, *ports):
        folder = npm_folder(self.options)
        shutil.copy(os.path.join(PEERS, name), folder)
        return ["node", os.path.join(folder, name), *map(str, ports)]

    @staticmethod
    def package_version(name, options):
        with open(os.path.join(npm_folder(options), "node_modules", name, "package.json")) as f:
            return "%s %s on %s" % (name, json.load(f)["version"], first_line("node", "--version"))


class Aedes(Node):
    SETTINGS = "bench/peers/aedes.mjs: in memory, no compression, queueLimit 100,000"
    web_path = "/"

    def command(self):
        self.port, self.web_port = free_ports(2)
        return self.script("aedes.mjs", self.port, self.web_port)

    @classmethod
    def version(cls, options):
        return cls.package_version("aedes", options)


class SocketIo(Node):
    SETTINGS = "bench/peers/socket_io.mjs: WebSocket only, no compression"

    def command(self):
        (self.web_port,) = free_ports(1)
        return self.script("socket_io.mjs", self.web_port)

    def arguments(self, kind):
        return ["--protocol", "socket.io", "--port", str(self.web_port)] if kind == "web" else None

    @classmethod
    def version(cls, options):
        return cls.package_version("socket.io", options)


class Floor(Broker):
    """Not a broker: a program that only passes on frames, QoS 0, as cheaply as the kernel allows."""

    PROGRAM = "fulmar_floor"
    SETTINGS = "no broker: writes frames encoded beforehand, pending ones of a turn in one send per socket"
    MODE = "coalesce"

    def command(self):
        return [self.options.floor, "serve", "--port", "0", "--mode", self.MODE]

    def find_ports(self):
        for _ in range(200):
            with open(self.log_path) as log:
                words = log.read().split()
            if "port" in words[:-1]:
                self.port = self.web_port = int(words[words.index("port") + 1])
                return
            time.sleep(0.05)
        raise RuntimeError("the floor said no port")

    @classmethod
    def installed(cls):
        return True

    @classmethod
    def version(cls, _options):
        return "bench/floor.cpp"


class FloorSingle(Floor):
    SETTINGS = "no broker: one send per message and socket"
    MODE = "single"


BROKERS = {"fulmar": Fulmar, "fulmar-os": FulmarOs, "fulmar-unpinned": FulmarUnpinned, "fulmar-2-shards": FulmarTwoShards,
           "mosquitto": Mosquitto, "mosquitto-unpinned": MosquittoUnpinned, "nats": Nats, "nchan": Nchan,
           "rabbitmq": Rabbit, "aedes": Aedes, "socket.io": SocketIo, "floor": Floor, "floor-single": FloorSingle}
# Which kinds a broker can speak is known before it is started.
KINDS = {"nchan": ("sse", "http"), "rabbitmq": ("mqtt",), "socket.io": ("web",), "floor": ("mqtt",),
         "floor-single": ("mqtt",)}


def speaks(name, case):
    """Can this broker run this case? The floor passes frames on, at QoS 0, and keeps nothing."""
    if case.durable and BROKERS[name].DURABLE is None:
        return False
    if name.startswith("floor") and (case.arguments[0] not in ("fanout", "latency", "pairs", "fanin", "storm")
                                     or case.asks_for("--qos", "1", "2")):
        return False
    if name == "fulmar-os":
        return case.durable  # differs from fulmar in nothing else
    if name.startswith("fulmar"):
        return True
    return case.kind in KINDS.get(name, ("mqtt", "mqtt-ws"))


def npm_folder(options):
    return os.path.join(options.build, "bench-peers")


def install(names, options):
    """Installs what is missing of the chosen brokers; what cannot be installed is said and left out."""
    packages = sorted({p for n in names if not BROKERS[n].installed() for p in BROKERS[n].PACKAGES})
    if packages:
        script = os.path.join(HERE, "..", "..", "scripts", "install-dependencies")
        subprocess.run([script, "--peers", *packages], check=False)
    if any(BROKERS[n].NPM for n in names):
        folder = npm_folder(options)
        os.makedirs(folder, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(os.path.join(PEERS, name), folder)
        if not os.path.isdir(os.path.join(folder, "node_modules")):
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, check=False)
    missing = [n for n in names if not BROKERS[n].installed()
               or (BROKERS[n].NPM and not os.path.isdir(os.path.join(npm_folder(options), "node_modules")))]
    for name in missing:
        print("%s is not installed and is left out" % name, file=sys.stderr)
    return [n for n in names if n not in missing]
