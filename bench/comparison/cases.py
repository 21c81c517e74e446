"""What is compared: scenarios of the load generator, and the figure of each that counts."""

CPU = "broker_cpu_per_delivery_us"


class Case:
    """`kind` is what is spoken (peers.py says who speaks it how); `figure` is a name of the generator's JSON."""

    def __init__(self, group, kind, arguments, figure=CPU, unit="µs", smaller_is_better=True, durable=False):
        self.group, self.kind, self.arguments = group, kind, arguments
        self.figure, self.unit, self.smaller_is_better = figure, unit, smaller_is_better
        self.durable = durable  # brokers run with their durable settings

    def asks_for(self, option, *values):
        """Is one of these values given for this option of the generator?"""
        return any(pair in ((option, v) for v in values) for pair in zip(self.arguments, self.arguments[1:]))

    def run(self):
        """What must be run for it: two cases may want different figures of the same runs."""
        return (self.kind, tuple(self.arguments), self.durable)


def fanout(kind, subscribers, payload, *more):
    return Case("fan-out", kind, ["fanout", "-S", str(subscribers), "--payload", str(payload), *more])


LATENCY_100 = ["latency", "-S", "100", "--rate", "500"]
LATENCY_1000 = ["latency", "-S", "1000", "--rate", "50"]
OFFLINE = ["offline", "-S", "1000", "--messages", "1000"]
PUBLISH = ["fanin", "-P", "8", "-S", "0"]


def idle(kind, *more, clients=10_000):
    return Case("idle", kind, ["idle", "-N", str(clients), "--duration", "1", *more], "anonymous_per_connection_bytes", "B")


def rate(group, kind, arguments, durable=False):
    return Case(group, kind, arguments, "acknowledged_per_s", "/s", False, durable)


CASES = {
    "fanout-100-64": fanout("mqtt", 100, 64),
    "fanout-100-1024": fanout("mqtt", 100, 1024),
    "fanout-1000-64": fanout("mqtt", 1000, 64),
    "fanout-1000-1024": fanout("mqtt", 1000, 1024),
    "fanout-100-64-w256": fanout("mqtt", 100, 64, "-W", "256"),
    "fanout-1000-64-w256": fanout("mqtt", 1000, 64, "-W", "256"),
    "fanout-ws-100-64": fanout("mqtt-ws", 100, 64),
    "fanout-ws-100-1024": fanout("mqtt-ws", 100, 1024),
    "fanout-ws-1000-64": fanout("mqtt-ws", 1000, 64),
    "fanout-ws-1000-1024": fanout("mqtt-ws", 1000, 1024),
    "fanout-sse-100-64": fanout("sse", 100, 64),
    "fanout-sse-1000-1024": fanout("sse", 1000, 1024),
    "fanout-web-100-64": fanout("web", 100, 64),
    "fanout-web-1000-1024": fanout("web", 1000, 1024),
    "fanout-grpc-100-64": fanout("grpc", 100, 64),
    "fixed-50k-100": Case("fixed rate", "mqtt", LATENCY_100),
    "fixed-50k-1000": Case("fixed rate", "mqtt", LATENCY_1000),
    "fixed-50k-100-p99": Case("latency", "mqtt", LATENCY_100, "delivery_p99_us"),
    "fixed-50k-1000-p99": Case("latency", "mqtt", LATENCY_1000, "delivery_p99_us"),
    "fixed-50k-100-p99.99": Case("latency", "mqtt", LATENCY_100, "delivery_p99.99_us"),
    "mixed-chat-p99": Case("latency", "mqtt", ["mixed", "--profile", "chat"], "delivery_p99_us"),
    "mixed-telemetry-p99": Case("latency", "mqtt", ["mixed", "--profile", "telemetry"], "delivery_p99_us"),
    "mixed-dashboard-p99": Case("latency", "mqtt", ["mixed", "--profile", "dashboard"], "delivery_p99_us"),
    "pairs-qos0": Case("pairs", "mqtt", ["pairs", "--qos", "0"]),
    "pairs-qos1": Case("pairs", "mqtt", ["pairs", "--qos", "1"]),
    "pairs-qos2": Case("pairs", "mqtt", ["pairs", "--qos", "2"]),
    "pairs-ws-qos0": Case("pairs", "mqtt-ws", ["pairs", "--qos", "0"]),
    "fanin-qos0": Case("fan-in", "mqtt", ["fanin", "--qos", "0"]),
    "fanin-qos1": Case("fan-in", "mqtt", ["fanin", "--qos", "1"]),
    "publish-http": rate("publishing", "http", PUBLISH),
    "publish-web": rate("publishing", "web", [*PUBLISH, "--qos", "1"]),
    "publish-grpc": rate("publishing", "grpc", PUBLISH),
    "publish-web-10k-p99": Case("latency", "web", ["latency", "-P", "8", "-S", "1", "--rate", "10000", "--qos", "1"],
                                "acknowledgement_p99_us"),
    "durable": rate("durable", "mqtt", ["durable"], durable=True),
    "offline-enqueue": rate("durable", "mqtt", OFFLINE, durable=True),
    "offline-replay": Case("replay", "mqtt", OFFLINE, "broker_cpu_per_replayed_us", durable=True),
    "idle": idle("mqtt"),
    "idle-ws": idle("mqtt-ws"),
    "idle-sse": idle("sse"),
    "idle-web": idle("web"),
    "idle-grpc": idle("grpc", clients=2_000),
    "idle-durable": idle("mqtt", "--durable-sessions"),
    "storm": Case("storm", "mqtt", ["storm", "-N", "10000", "--rounds", "1"], "all_ready_s", "s"),
    "churn": Case("churn", "mqtt", ["churn"], "broker_cpu_per_cycle_us"),
}


def chosen(patterns):
    """Cases by name, or by the beginning of one: pairs*. No patterns: all."""
    wanted = [p for p in patterns.split(",") if p]

    def fits(name):
        return any(name == w or (w.endswith("*") and name.startswith(w[:-1])) for w in wanted)

    return {name: case for name, case in CASES.items() if not wanted or fits(name)}
