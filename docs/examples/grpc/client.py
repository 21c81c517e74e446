"""A worked gRPC client in Python: publish, follow with resume, history. Needs grpcio and protobuf, nothing generated.

    client.py HOST:PORT KEY:SECRET publish TOPIC PAYLOAD
    client.py HOST:PORT KEY:SECRET follow TOPIC COUNT [POSITION]
    client.py HOST:PORT KEY:SECRET history TOPIC

The message classes come from broker.proto, which protoc compiles when this starts (packages protobuf-compiler,
python3-grpcio and python3-protobuf of Debian). A program of its own would rather keep the generated files.
"""

import base64
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import types

# The runtime in C++ that Debian ships may be newer than the generated code; the one in Python fits always.
os.environ.setdefault("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")

import grpc  # noqa: E402

PROTO = pathlib.Path(__file__).resolve().parent.parent.parent.parent / "proto"


def messages(name):
    """The classes that protoc makes of proto/<name>.proto."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["protoc", "-I", PROTO, "--python_out", out, f"{PROTO / name}.proto"], check=True)
        source = pathlib.Path(out, f"{name}_pb2.py").read_text()
    module = types.ModuleType(name.replace("/", "_"))
    exec(compile(source, name, "exec"), module.__dict__)  # what an import of the file would do
    return module


v1 = messages("fulmar/v1/broker")

# Method: (request, answer, does the client stream, does the broker stream)
METHODS = {
    "Publish": (v1.PublishRequest, v1.PublishResponse, False, False),
    "PublishStream": (v1.PublishStreamRequest, v1.PublishStreamResponse, True, True),
    "Subscribe": (v1.SubscribeRequest, v1.SubscribeResponse, False, True),
    "GetHistory": (v1.GetHistoryRequest, v1.GetHistoryResponse, False, False),
    "ListTopics": (v1.ListTopicsRequest, v1.ListTopicsResponse, False, False),
    "GetPresence": (v1.GetPresenceRequest, v1.GetPresenceResponse, False, False),
    "ListSessions": (v1.ListSessionsRequest, v1.ListSessionsResponse, False, False),
    "GetSession": (v1.GetSessionRequest, v1.Session, False, False),
    "KickSession": (v1.KickSessionRequest, v1.KickSessionResponse, False, False),
    "DropSession": (v1.DropSessionRequest, v1.DropSessionResponse, False, False),
}


class Client:
    """Every method of fulmar.v1.Broker by its name: client.Publish(request), client.Subscribe(request), ..."""

    def __init__(self, channel, authorization=None):
        metadata = [("authorization", authorization)] if authorization else None
        kinds = {(False, False): channel.unary_unary, (False, True): channel.unary_stream, (True, True): channel.stream_stream}
        for name, (request, answer, client_streams, broker_streams) in METHODS.items():
            call = kinds[client_streams, broker_streams](
                f"/fulmar.v1.Broker/{name}", request_serializer=request.SerializeToString, response_deserializer=answer.FromString)
            setattr(self, name, lambda asked, call=call, **rest: call(asked, metadata=metadata, **rest))


def basic(credentials):
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def follow(client, topic, position=None):
    """Yields messages for ever, each once, over broken connections and restarts of the broker."""
    while True:
        begin = {"after_position": position} if position else {"earliest": True}
        stream = client.Subscribe(v1.SubscribeRequest(topics=[topic], **begin), wait_for_ready=True)
        try:
            for answer in stream:
                for message in answer.messages:
                    position = message.position
                    yield message
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED):
                raise
            time.sleep(0.1)
        finally:
            stream.cancel()


def history(client, topic):
    """All that is kept of a topic, page by page."""
    after = ""
    while True:
        page = client.GetHistory(v1.GetHistoryRequest(topic=topic, limit=100, after_position=after))
        yield from page.messages
        after = page.next_position
        if not after:
            return


def main(address, credentials, what, topic, *rest):
    with grpc.insecure_channel(address) as channel:
        client = Client(channel, basic(credentials))
        if what == "publish":
            publication = v1.Publication(topic=topic, payload=rest[0].encode())
            print(client.Publish(v1.PublishRequest(publication=publication), wait_for_ready=True).position)
        elif what == "follow":
            for number, message in enumerate(follow(client, topic, *rest[1:]), 1):
                print(message.position, message.payload.decode(), flush=True)
                if number == int(rest[0]):
                    break
        elif what == "history":
            for message in history(client, topic):
                print(message.position, message.payload.decode())
        else:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) < 5:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
