#!/usr/bin/env python3
"""Writes the seeds of the fuzzers whose input is binary: tests/fuzz/corpus/<fuzzer>/<seed>.

Usage: tests/fuzz/seeds.py    (overwrites its own seeds, leaves the others alone)
"""
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">H", len(data)) + data


def varint(value):
    out = b""
    while True:
        value, low = divmod(value, 128)
        out += bytes([low | (0x80 if value else 0)])
        if not value:
            return out


def props(block=b""):
    return varint(len(block)) + block


def packet(first, body=b""):
    return bytes([first]) + varint(len(body)) + body


def u16(value):
    return struct.pack(">H", value)


def u32(value):
    return struct.pack(">I", value)


USER = b"\x26" + text("k") + text("v")
MESSAGE = (b"\x01\x01\x02" + u32(60) + b"\x03" + text("t/p") + b"\x08" + text("re") + b"\x09" + text(b"\x00\xff") + USER)


def connects():
    yield "mqtt31", packet(0x10, text("MQIsdp") + b"\x03\x02\x00\x3c" + text("c"))
    yield "mqtt311", packet(0x10, text("MQTT") + b"\x04\xc2\x00\x3c" + text("c") + text("user") + text("pw"))
    yield "mqtt5", packet(0x10, text("MQTT") + b"\x05\xf6\x00\x3c" + props(
        b"\x11" + u32(10) + b"\x21" + u16(5) + b"\x27" + u32(999) + b"\x22" + u16(3) + b"\x19\x01\x17\x00" + USER
        + b"\x15" + text("SCRAM-SHA-256") + b"\x16" + text("n,,n=u,r=x"))
        + text("c") + props(b"\x18" + u32(5) + MESSAGE) + text("w/t") + text("bye") + text("u") + text("p"))


def packets(v5):
    none = props() if v5 else b""
    yield "publish0", packet(0x30, text("a/b") + none + b"payload")
    yield "publish1", packet(0x33, text("a/b") + u16(1) + none)
    yield "publish2", packet(0x3C, text("a/b") + u16(2) + none + b"x" * 200)
    yield "acks", b"".join(packet(t, u16(7)) for t in (0x40, 0x50, 0x62, 0x70))
    yield "subscribe", packet(0x82, u16(3) + none + text("a/#") + b"\x01" + text("$share/g/+") + b"\x02")
    yield "unsubscribe", packet(0xA2, u16(4) + none + text("a/#") + text("b"))
    yield "end", packet(0xC0) + packet(0xE0)
    if v5:
        yield "publish_all", packet(0x30, text("") + props(b"\x23" + u16(1) + MESSAGE + USER) + b"p")
        yield "acks_explained", b"".join(
            packet(t, u16(7) + bytes([c]) + props(b"\x1f" + text("why") + USER))
            for t, c in ((0x40, 0x87), (0x50, 0x97), (0x62, 0x92), (0x70, 0x92)))
        yield "subscribe_id", packet(0x82, u16(3) + props(b"\x0b" + varint(300) + USER) + text("a/+") + b"\x2e")
        yield "auth", packet(0xF0, b"\x18" + props(b"\x15" + text("m") + b"\x16" + text("d")))
        yield "disconnect", packet(0xE0, b"\x04" + props(b"\x11" + u32(0) + b"\x1f" + text("bye") + USER))


def mqtt_decoder():
    for name, data in connects():
        yield "connect_" + name, b"\x03\x07" + data
    for version, choice in (("v31", 0), ("v311", 1), ("v5", 2)):
        everything = b""
        for name, data in packets(version == "v5"):
            yield f"{version}_{name}", bytes([choice, 9]) + data
            everything += data
        yield f"{version}_stream", bytes([choice, 3]) + everything
    yield "limit", b"\x06\x01" + packet(0x30, b"x" * 70)


def topic_match():
    yield "wildcards", b"a/b/c\n#\n+/b/c\na/+/c\na/b/+\na/b/#\na/b/c/#\n+/+/+\na/b/c\n+\na/#/c\n"
    yield "dollar", b"$SYS/broker/x\n#\n+/broker/x\n$SYS/#\n$SYS/+/x\n$share/g/#\n"
    yield "empty_levels", b"//\n+/+/+\n/#\n//\n+//+\n/+/\n///\n#\n"
    yield "shared_prefixes", b"aa/ab/ac\naa/ab\naa/ab/ac/ad\naa/+\naa/ab/+\na/ab/ac\n" + "aa/ü/+\n".encode()
    yield "deep", b"/".join([b"x"] * 60) + b"\n" + b"/".join([b"+"] * 60) + b"\n" + b"/".join([b"x"] * 59) + b"/#"


def store_record():
    def piece(data):
        return bytes([len(data)]) + data
    yield "plain", b"\x01" + piece(bytes([1, 1, 3, 4, 0])) + piece(b"a/b") + piece(b"payload")
    yield "rich", (b"\x01" + piece(bytes([2, 0, 3, 4, 5, 1, 2, 1, 77])) + piece(b"a/b") + piece(b"payload")
                   + piece(b"event") + piece(b"t/p") + piece(b"re") + piece(b"cd") + piece(b"k") + piece(b"v"))
    yield "body_plain", b"\x00\x01\x00\x05\x03a/b\x02xy"
    yield "body_rich", b"\x00\x72\x00\x05\x09\x03a/b\x02xy\x01e\x03\x01\x02cd\x01t\x01r\x01\x01k\x01v"


def grpc_call():
    def field(number, value):
        if isinstance(value, int):
            return bytes([number << 3]) + varint(value)
        return bytes([number << 3 | 2]) + varint(len(value)) + value

    def step(operation, argument=0, data=b""):
        return bytes([argument * 8 + operation]) + struct.pack(">H", len(data)) + data

    def opened(method):
        return step(0, method)

    def said(data, call=0):
        return step(2, call, data)
    written, no_more, tick = step(5), step(4), step(7, 1)
    publication = field(1, b"h/1") + field(2, b"payload") + field(3, b"event") + field(4, b"text/plain")
    yield "publish", opened(0) + said(field(1, publication + field(5, 2) + field(7, 60)))
    yield "publish_stream", (opened(1) + said(field(1, publication) * 3) + tick + written + said(field(1, field(1, b"#")))
                             + tick + written + no_more + tick)
    yield "subscribe", (opened(2) + said(field(1, b"h/#") + field(1, b"a/+")) + opened(0)
                        + said(field(1, publication), 1) + written + tick + written + no_more)
    for name, start in (("position", field(2, b"0.1")), ("earliest", field(3, 1)), ("since", field(4, 1)), ("newest", field(5, 3))):
        yield "subscribe_" + name, (opened(0) + said(field(1, publication)) + step(6) + opened(2)
                                    + said(field(1, b"h/1") + start) + written + tick + written)
    yield "history", opened(3) + said(field(1, b"h/1") + field(2, 5) + field(3, 1) + field(5, b"0.7"))
    yield "topics", opened(2) + said(field(1, b"t")) + opened(4) + said(field(1, b"t") + field(3, 1), 1)
    yield "presence", opened(5) + said(field(1, b"presence-a"))
    yield "sessions", opened(6) + said(field(4, 1)) + opened(7) + said(field(1, b"c"), 1)
    yield "kick_and_drop", opened(8) + said(field(1, b"c")) + opened(9) + said(field(1, b"c"), 1)
    yield "health", opened(10) + said(b"") + opened(11) + said(field(1, b"fulmar.v1.Broker"), 1) + written + step(6, 1)
    yield "reflection", opened(12) + said(field(7, b"")) + written + said(field(4, b"fulmar.v1.Broker")) + written + no_more


def main():
    for fuzzer, seeds in (("mqtt_decoder_fuzz", mqtt_decoder), ("topic_match_fuzz", topic_match),
                          ("store_record_fuzz", store_record), ("grpc_call_fuzz", grpc_call)):
        folder = CORPUS / fuzzer
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in seeds():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
