"""A raw MQTT 3.1.1 / 5.0 peer: says exactly what it is told to, right or wrong, and reads what comes back."""

import os
import select
import socket
import struct
import time

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, \
    DISCONNECT, AUTH = range(1, 16)
NAMES = ["?", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE",
         "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"]
WAIT_SECONDS = 60.0  # far above what is needed: sanitizer builds on a busy machine

# Property identifier -> kind of value (MQTT 5.0 table 2-4).
_PROPERTY_KINDS = {
    0x01: "u8", 0x02: "u32", 0x03: "text", 0x08: "text", 0x09: "text", 0x0B: "var", 0x11: "u32", 0x12: "text", 0x13: "u16",
    0x15: "text", 0x16: "text", 0x17: "u8", 0x18: "u32", 0x19: "u8", 0x1A: "text", 0x1C: "text", 0x1F: "text", 0x21: "u16",
    0x22: "u16", 0x23: "u16", 0x24: "u8", 0x25: "u8", 0x26: "pair", 0x27: "u32", 0x28: "u8", 0x29: "u8", 0x2A: "u8"}


def variable(n):
    out = bytearray()
    while True:
        n, digit = divmod(n, 128)
        out.append(digit | (0x80 if n else 0))
        if not n:
            return bytes(out)


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">H", len(raw)) + raw


def properties(items):
    """[(identifier, value), ...] -> the property block with its length."""
    body = b""
    for name, value in items or ():
        kind = _PROPERTY_KINDS[name]
        body += bytes([name])
        if kind == "pair":
            body += text(value[0]) + text(value[1])
        elif kind == "text":
            body += text(value)
        elif kind == "var":
            body += variable(value)
        else:
            body += struct.pack({"u8": ">B", "u16": ">H", "u32": ">I"}[kind], value)
    return variable(len(body)) + body


def framed(first, body):
    return bytes([first]) + variable(len(body)) + body


def connect_packet(version=4, client_id="peer", clean=True, keep_alive=0, props=(), user=None, password=None, will=None,
                   name="MQTT"):
    """`will` is (topic, payload, qos, retain, properties)."""
    flags = (2 if clean else 0)
    tail = text(client_id)
    if will is not None:
        topic, payload, qos, retain, will_props = will
        flags |= 4 | qos << 3 | (0x20 if retain else 0)
        tail += (properties(will_props) if version == 5 else b"") + text(topic) + text(payload)
    if user is not None:
        flags |= 0x80
        tail += text(user)
    if password is not None:
        flags |= 0x40
        tail += text(password)
    head = text(name) + bytes([version, flags]) + struct.pack(">H", keep_alive)
    return framed(CONNECT << 4, head + (properties(props) if version == 5 else b"") + tail)


def publish_packet(version, topic, payload, qos=0, packet_id=None, retain=False, dup=False, props=()):
    body = text(topic)
    if packet_id is not None:
        body += struct.pack(">H", packet_id)
    if version == 5:
        body += properties(props)
    body += payload if isinstance(payload, bytes) else payload.encode()
    return framed(PUBLISH << 4 | (8 if dup else 0) | qos << 1 | (1 if retain else 0), body)


def subscribe_packet(version, packet_id, filters, props=()):
    """`filters` is [(filter, options byte), ...]."""
    body = struct.pack(">H", packet_id) + (properties(props) if version == 5 else b"")
    for name, options in filters:
        body += text(name) + bytes([options])
    return framed(SUBSCRIBE << 4 | 2, body)


def ack_packet(kind, packet_id, reason=None):
    body = struct.pack(">H", packet_id) + (bytes([reason]) if reason is not None else b"")
    return framed(kind << 4 | (2 if kind == PUBREL else 0), body)


class Packet:
    def __init__(self, first, body, version):
        self.kind = first >> 4
        self.dup = bool(first & 8)
        self.qos = first >> 1 & 3
        self.retain = bool(first & 1)
        self.id = self.reason = None
        self.codes = b""
        self.props = []
        self._in = body
        self._v5 = version == 5
        self._read()

    def _take(self, n):
        taken, self._in = self._in[:n], self._in[n:]
        assert len(taken) == n, "the broker sent a truncated %s" % NAMES[self.kind]
        return taken

    def _u16(self):
        return struct.unpack(">H", self._take(2))[0]

    def _variable(self):
        value = shift = 0
        while True:
            digit = self._take(1)[0]
            value |= (digit & 0x7F) << shift
            if not digit & 0x80:
                return value
            shift += 7

    def _properties(self):
        if not self._v5 or (self.kind in (PUBACK, PUBREC, PUBREL, PUBCOMP, DISCONNECT) and not self._in):
            return
        length = self._variable()
        end = len(self._in) - length
        while len(self._in) > end:
            name = self._take(1)[0]
            kind = _PROPERTY_KINDS[name]
            if kind == "pair":
                value = (self._take(self._u16()), self._take(self._u16()))
            elif kind == "text":
                value = self._take(self._u16())
            elif kind == "var":
                value = self._variable()
            else:
                size = {"u8": 1, "u16": 2, "u32": 4}[kind]
                value = int.from_bytes(self._take(size), "big")
            self.props.append((name, value))

    def _read(self):
        if self.kind == CONNACK:
            self.session_present = bool(self._take(1)[0] & 1)
            self.reason = self._take(1)[0]
            self._properties()
        elif self.kind == PUBLISH:
            self.topic = self._take(self._u16()).decode()
            if self.qos:
                self.id = self._u16()
            self._properties()
            self.payload = self._in
        elif self.kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
            self.id = self._u16()
            self.reason = self._take(1)[0] if self._in else 0
            self._properties()
        elif self.kind in (SUBACK, UNSUBACK):
            self.id = self._u16()
            self._properties()
            self.codes = self._in
        elif self.kind in (DISCONNECT, AUTH):
            self.reason = self._take(1)[0] if self._in else 0
            self._properties()

    def prop(self, name):
        return next((value for key, value in self.props if key == name), None)

    def __repr__(self):
        words = [NAMES[self.kind]]
        if self.id is not None:
            words.append("id=%d" % self.id)
        if self.reason is not None:
            words.append("reason=0x%02x" % self.reason)
        if self.kind == PUBLISH:
            words.append("%s %r qos=%d dup=%d" % (self.topic, self.payload[:40], self.qos, self.dup))
        return "<%s>" % " ".join(words)


class Closed(Exception):
    """The broker closed the connection."""


class Peer:
    def __init__(self, port, version=4, sock=None):
        self.version = version
        self.sock = sock or socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._next_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    # -- raw -------------------------------------------------------------------------------------

    def send(self, raw):
        try:
            self.sock.sendall(raw)
        except (BrokenPipeError, ConnectionResetError):
            pass  # what the broker said before it closed is still to be read
        return self

    def _cut(self):
        data = self._received
        size, shift, at = 0, 0, 1
        while True:
            if at >= len(data):
                return None
            size |= (data[at] & 0x7F) << shift
            at += 1
            if not data[at - 1] & 0x80:
                break
            shift += 7
        if len(data) < at + size:
            return None
        self._received = data[at + size:]
        return Packet(data[0], data[at:at + size], self.version)

    def receive(self, seconds=WAIT_SECONDS):
        """The next packet; Closed when there is none and never will be; TimeoutError after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            packet = self._cut()
            if packet is not None:
                return packet
            if getattr(self.sock, "ended", False):
                raise Closed()
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                raise TimeoutError("no packet within %.1f s" % seconds)
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                raise Closed()
            self._received += more

    def expect(self, kind, seconds=WAIT_SECONDS):
        packet = self.receive(seconds)
        assert packet.kind == kind, "expected %s, got %r" % (NAMES[kind], packet)
        return packet

    def expect_closed(self, seconds=WAIT_SECONDS):
        """Everything the broker says until it closes."""
        said = []
        while True:
            try:
                said.append(self.receive(seconds))
            except Closed:
                return said

    def next_id(self):
        self._next_id = self._next_id % 65535 + 1
        return self._next_id

    # -- dialogues -------------------------------------------------------------------------------

    def connect(self, **fields):
        self.send(connect_packet(version=self.version, **fields))
        answer = self.expect(CONNACK)
        assert answer.reason == 0, answer
        return answer

    def subscribe(self, *filters, qos=1, props=()):
        packet_id = self.next_id()
        self.send(subscribe_packet(self.version, packet_id, [(f, qos) for f in filters], props))
        answer = self.expect(SUBACK)
        assert answer.id == packet_id and all(code <= 2 for code in answer.codes), answer.codes
        return answer

    def publish(self, topic, payload, qos=0, **fields):
        """Publishes and finishes the handshake; returns the acknowledgement (QoS 2: the PUBREC)."""
        packet_id = self.next_id() if qos else None
        self.send(publish_packet(self.version, topic, payload, qos, packet_id, **fields))
        if qos == 0:
            return None
        answer = self.expect(PUBACK if qos == 1 else PUBREC)
        assert answer.id == packet_id
        if qos == 2 and answer.reason < 0x80:
            self.send(ack_packet(PUBREL, packet_id))
            assert self.expect(PUBCOMP).id == packet_id
        return answer

    def take(self, seconds=WAIT_SECONDS):
        """The next PUBLISH, with its handshake finished."""
        packet = self.expect(PUBLISH, seconds)
        if packet.qos == 1:
            self.send(ack_packet(PUBACK, packet.id))
        elif packet.qos == 2:
            self.send(ack_packet(PUBREC, packet.id))
            assert self.expect(PUBREL).id == packet.id
            self.send(ack_packet(PUBCOMP, packet.id))
        return packet

    def ping(self, seconds=WAIT_SECONDS):
        """A round trip: everything the broker had to say before is now received (and must have been nothing)."""
        self.send(framed(PINGREQ << 4, b""))
        return self.expect(PINGRESP, seconds)

    def collect_until_pingresp(self):
        self.send(framed(PINGREQ << 4, b""))
        packets = []
        while True:
            packet = self.receive()
            if packet.kind == PINGRESP:
                return packets
            packets.append(packet)

    def disconnect(self):
        self.send(framed(DISCONNECT << 4, b""))
        self.sock.close()


def websocket_handshake(port, path="/mqtt", protocol="mqtt", extra=""):
    """A connected socket after the upgrade, and the response head."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)
    sock.sendall(("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                  "%s%s\r\n" % (path, port, "Sec-WebSocket-Protocol: %s\r\n" % protocol if protocol else "", extra)).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        more = sock.recv(1)
        if not more:
            break
        head += more
    return sock, head.decode("latin-1")


def websocket_frame(payload, opcode=2, fin=True, masked=True, length=None):
    """One client frame; `length` lies about the payload's size."""
    size = len(payload) if length is None else length
    first = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if masked else 0
    if size < 126:
        head = first + bytes([bit | size])
    elif size < 65536:
        head = first + bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head = first + bytes([bit | 127]) + struct.pack(">Q", size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


class WebSocketBytes:
    """Lets Peer speak MQTT over WebSocket frames: looks enough like a socket."""

    def __init__(self, sock):
        self._sock = sock
        self._raw = b""
        self.close_code = None
        self.ended = False

    def setsockopt(self, *args):
        self._sock.setsockopt(*args)

    def fileno(self):
        return self._sock.fileno()

    def close(self):
        self._sock.close()

    def sendall(self, data):
        self._sock.sendall(websocket_frame(data))

    def send_raw(self, data):
        self._sock.sendall(data)

    def recv(self, _size):
        """The payloads of all whole frames that are there; b"" after a close frame or the end."""
        data = b""
        while not data and not self.ended:
            more = self._sock.recv(65536)
            self._raw += more
            self.ended = not more
            frame = self._cut()
            while frame is not None:
                opcode, payload = frame
                if opcode == 8:
                    self.close_code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005
                    self.ended = True
                elif opcode in (0, 2):
                    data += payload
                frame = self._cut()
        return data

    def _cut(self):
        raw = self._raw
        if len(raw) < 2:
            return None
        size, at = raw[1] & 0x7F, 2
        if size == 126:
            if len(raw) < 4:
                return None
            size, at = struct.unpack(">H", raw[2:4])[0], 4
        elif size == 127:
            if len(raw) < 10:
                return None
            size, at = struct.unpack(">Q", raw[2:10])[0], 10
        if len(raw) < at + size:
            return None
        self._raw = raw[at + size:]
        return raw[0] & 0x0F, raw[at:at + size]
