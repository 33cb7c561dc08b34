"""A client of the real server. It holds every message against the document that it sends or that
comes."""

import json
import struct
from collections import defaultdict
from typing import ClassVar
from urllib.parse import urlencode

from websockets.sync.client import connect

from document import CLIENT, SERVER, NotJson, decode, details_like, document, matching, why_not
from server import DEADLINE

ENVELOPE = {
    "run": ["type", "data", "client", "process"],
    "runStream": ["type", "data", "client", "process"],
}
SUBPROTOCOL = "further-link.3"
OUTPUT = (0, 1)
# Kind, channel and stream of the frames that a client sends.
CODES = {"input": (0, 0, 0), "inputEnd": (2, 0, 0), "outputAck": (1, 1, 0)}


class Conversation:
    # The messages of the document that any conversation has had, by channel.
    had: ClassVar = defaultdict(set)

    def __init__(self, server, channel, **query):
        self.channel = channel
        self.client = query.get("client", "")
        # What `detail` has said so far.
        self.details = set()
        # The messages of the document that have come.
        self.seen = set()
        # The offset of the last frame.
        self.offset = None
        # Of `further-link.3`: bytes of output that have come of each program, and those of them
        # that were acknowledged.
        self.output = {}
        self._acknowledged = {}
        value = document()["channels"][channel]
        # On `/ws` any text may be either message; which one it is, the query says.
        self._mode = {query.get("mode", "command")} if channel == "ws" else set(value["messages"])
        known = value["bindings"]["ws"].get("query", {}).get("properties", {})
        assert set(query) <= set(known), "the document does not have this parameter"
        path = value["address"] + (f"?{urlencode(query)}" if query else "")
        self._connection = self.connect(
            server, path, [SUBPROTOCOL] if channel == "runStream" else None
        )

    @staticmethod
    def connect(server, path, subprotocols=None):
        return connect(
            f"ws://127.0.0.1:{server.port}{path}",
            subprotocols=subprotocols,
            compression=None,
            max_size=None,
            open_timeout=DEADLINE,
            proxy=None,
        )

    def __enter__(self):
        self.socket = self._connection.__enter__()
        assert self.socket.subprotocol == (SUBPROTOCOL if self.channel == "runStream" else None)
        return self

    def __exit__(self, *error):
        self._connection.__exit__(*error)

    # To the server

    def send(self, message):
        """A message as it should be."""
        right = [
            found for found in matching(self.channel, CLIENT, message) if found.key in self._mode
        ]
        assert len(right) == 1, why_not(self.channel, CLIENT, message)
        taken = matching(self.channel, CLIENT, message, taken=True)
        assert [found for found in taken if found.key in self._mode] == right
        self.had[self.channel].add(right[0].key)
        self.socket.send(message if isinstance(message, str) else json.dumps(message))

    def send_odd(self, message):
        """A message (or its text) that no client should send, and that the server takes."""
        text = message if isinstance(message, str) else json.dumps(message)
        value = decode(text)
        # Halves of surrogate pairs are not mentioned in what clients should send: no client's text
        # has one.
        assert matching(self.channel, CLIENT, value) == [] or "\\ud" in text
        assert len(matching(self.channel, CLIENT, value, taken=True)) == 1
        self.socket.send(text)

    def send_wrong(self, message):
        """What the server does not take: a message, a text or bytes."""
        raw = json.dumps(message) if isinstance(message, dict) else message
        try:
            value = decode(raw.decode() if isinstance(raw, bytes) else raw)
        except (NotJson, UnicodeDecodeError):
            value = None
        assert matching(self.channel, CLIENT, value, taken=True) == []
        self.socket.send(raw)

    def send_unseen(self, message):
        """A message that the server does not take, for a reason that no schema can see."""
        assert len(matching(self.channel, CLIENT, message, taken=True)) == 1
        self.socket.send(json.dumps(message))

    def send_frame(self, name, number, offset, data=b""):
        frame = struct.pack(">3BxIQ", *CODES[name], number, offset) + data
        found = matching(self.channel, CLIENT, frame.hex(), binary=True)
        assert [message.name for message in found] == [name]
        self.had[self.channel].add(found[0].key)
        self.socket.send(frame)

    def send_wrong_frame(self, frame):
        assert matching(self.channel, CLIENT, frame.hex(), taken=True, binary=True) == []
        self.socket.send(frame)

    # From the server

    def receive(self):
        """The next message: its key in the document, and what it says. A frame says (number,
        bytes)."""
        raw = self.socket.recv(timeout=DEADLINE)
        binary = isinstance(raw, bytes)
        if binary:
            value = raw.hex()
        elif self.channel == "ws":
            value = raw
        else:
            value = decode(raw)
        found = matching(self.channel, SERVER, value, binary=binary)
        assert len(found) == 1, (
            f"{raw[:500]!r} is {found}\n{why_not(self.channel, SERVER, value, binary=binary)}"
        )
        [message] = found
        self.seen.add(message.key)
        self.had[self.channel].add(message.key)
        if binary:
            return message.key, self._frame(raw)
        if self.channel != "ws":
            self._look_at(value)
        return message.key, value

    def _look_at(self, message):
        """What a schema cannot say."""
        assert list(message) == ENVELOPE.get(self.channel, ["type", "data"])
        assert message.get("client", "") == self.client
        if message["type"] in ("stdout", "stderr"):
            # Bytes that are no UTF-8 may have become longer.
            assert len(message["data"]["output"]) <= 16 * 1024 + 3
        if message["type"] == "error" and "detail" in message["data"]:
            detail = message["data"]["detail"]
            self.details.add(detail)
            what = message["data"]["message"]
            if what != "Message Exception":
                assert len(details_like(self.channel, detail, what)) == 1, detail

    def _frame(self, frame):
        kind, channel, _, number, offset = struct.unpack_from(">3BxIQ", frame)
        data = frame[16:]
        if (kind, channel) == OUTPUT:
            assert offset == self.output.get(number, 0), (
                "each frame begins where the one before has ended"
            )
            self.output[number] = offset + len(data)
            if self.output[number] - self._acknowledged.get(number, 0) >= 16 * 1024:
                self.acknowledge(number)
        self.offset = offset
        return number, data

    def acknowledge(self, number):
        self._acknowledged[number] = self.output[number]
        self.send_frame("outputAck", number, self.output[number])

    def expect(self, key):
        """The next message, which has to be this one; that input was taken may be told at any
        time."""
        found, value = self.receive()
        while found == "inputAckFrame" != key:
            found, value = self.receive()
        assert found == key, value
        return value

    def output_until(self, wanted):
        """Reads output until it holds this text; returns all of it. Other messages may come
        between, but no error."""
        text = ""
        while wanted not in text:
            key, value = self.receive()
            assert key not in ("error", "stopped"), (value, text)
            if key in ("stdout", "stderr"):
                text += value["data"]["output"]
            elif key in ("stdoutFrame", "stderrFrame"):
                text += value[1].decode()
        return text

    def finish_bytes(self):
        """Reads to the end of the program; returns the data of `stopped`, and all that it put
        out."""
        out = {"stdout": b"", "stderr": b""}
        while True:
            key, value = self.receive()
            assert key != "error", value
            if key in out:
                out[key] += value["data"]["output"].encode()
            elif key.removesuffix("Frame") in out:
                out[key.removesuffix("Frame")] += value[1]
            elif key == "stopped":
                return value["data"], out["stdout"], out["stderr"]

    def finish(self):
        """The same, as text."""
        data, out, err = self.finish_bytes()
        return data, out.decode(), err.decode()

    # Messages of the JSON dialects, with or without names

    def message(self, kind, data=None, process="p"):
        message = {"type": kind}
        if data is not None:
            message["data"] = data
        if self.channel in ENVELOPE and process is not None:
            message["process"] = process
        return message

    def start(self, code, process="p", runner="python3"):
        """Starts a program; returns the data of `started`."""
        data = (
            {"runner": runner, "code": code} if self.channel in ENVELOPE else {"sourceScript": code}
        )
        self.send(self.message("start", data, process))
        return self.expect("started")["data"]

    def stdin(self, text, process="p"):
        self.send(self.message("stdin", {"input": text}, process))

    def stop(self, process="p"):
        self.send(self.message("stop", process=process))

    def answers(self):
        """Nothing more is on its way than the answer to this."""
        self.send({"type": "ping"})
        self.expect("pong")

    def refused(self, process="p", message="Bad message"):
        """The error that comes next; returns its detail."""
        error = self.expect("error")
        assert error["data"]["message"] == message
        if self.channel in ENVELOPE:
            assert error["process"] == process, error
        return error["data"].get("detail")
