"""The server's end of the channel socket, made from docs/protocol.md and not from the package."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import tempfile
import threading
import time
from typing import Any, Callable

HELLO, KEYLISTEN, VIDEO, FIGURE, PLOT, WIDGET, SOUND = 1, 2, 3, 4, 5, 6, 7
SERVER_HELLO, KEYEVENT, FIGUREEVENT, WIDGETEVENT, ERROR = 65, 66, 67, 68, 69
LIMITS = {
    HELLO: 1024,
    KEYLISTEN: 256,
    VIDEO: 8388608,
    FIGURE: 8388608,
    PLOT: 1048576,
    WIDGET: 65536,
    SOUND: 4194304,
}
ALL_FEATURES = ("figure", "plot", "widget")

# Seconds that a test waits for something. Far more than it takes on a busy machine.
PATIENCE = 60.0


def wait_until(condition: Callable[[], Any], what: str = "") -> Any:
    """Wait for a condition, and return its value."""
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("this did not happen: %s" % (what or condition))
        time.sleep(0.002)


class Connection:
    """One connection of a process of the program."""

    def __init__(self, server: FakeServer, link: socket.socket) -> None:
        self.server = server
        self.link = link
        self.messages: list[tuple[int, bytes]] = []
        self.closed = False
        # What of a message had come when the connection was closed.
        self.rest = b""
        self.thread = threading.Thread(target=self._read, daemon=True)

    def of_kind(self, kind: int) -> list[bytes]:
        return [payload for a_kind, payload in self.messages if a_kind == kind]

    @property
    def pid(self) -> int:
        return int(json.loads(self.messages[0][1])["pid"])

    def send(self, kind: int, payload: bytes | dict[str, Any]) -> None:
        if isinstance(payload, dict):
            payload = json.dumps(payload).encode()
        self.send_bytes(struct.pack(">IB", len(payload), kind) + payload)

    def send_bytes(self, data: bytes) -> None:
        try:
            self.link.sendall(data)
        except OSError:
            pass

    def key(self, key: str, event: str) -> None:
        self.send(KEYEVENT, {"key": key, "event": event})

    def widget(self, widget: dict[str, Any], event: str, value: Any = None) -> None:
        data = {"id": widget["id"], "event": event}
        if value is not None:
            data["value"] = value
        self.send(WIDGETEVENT, data)

    def shut(self) -> None:
        try:
            self.link.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _read(self) -> None:
        data = bytearray()
        while True:
            self.server.may_read.wait()
            try:
                more = self.link.recv(self.server.bytes_at_once)
            except OSError:
                more = b""
            if not more:
                break
            data += more
            while len(data) >= 5:
                length, kind = struct.unpack_from(">IB", data)
                if kind not in LIMITS or length > LIMITS[kind]:
                    self.server.complaints.append("kind %d with %d bytes" % (kind, length))
                    self.shut()
                    return
                if len(data) < 5 + length:
                    break
                self._take(kind, bytes(data[5 : 5 + length]))
                del data[: 5 + length]
        self.rest = bytes(data)
        self.closed = True
        self.link.close()

    def _take(self, kind: int, payload: bytes) -> None:
        complaint = _complaint(kind, payload, first=not self.messages)
        if complaint:
            self.server.complaints.append(complaint)
        self.messages.append((kind, payload))
        with self.server.lock:
            self.server.log.append((self, kind, payload))


def _complaint(kind: int, payload: bytes, first: bool) -> str:
    if (kind == HELLO) != first:
        return "hello is the first message, and no other"
    if kind == HELLO:
        data = json.loads(payload)
        if not isinstance(data["version"], str) or not isinstance(data["pid"], int):
            return "hello %r" % payload
    elif kind == KEYLISTEN:
        if not payload.decode("utf-8"):
            return "an empty key"
    elif kind == VIDEO:
        if payload[:3] != b"\xff\xd8\xff":
            return "no JPEG file: %r" % payload[:20]
    elif kind == FIGURE:
        return _figure_complaint(payload)
    elif kind == SOUND:
        line, _, audio = payload.partition(b"\n")
        has_tone = "frequency" in strict_json(line)
        if has_tone == bool(audio) or (audio and audio[:4] != b"RIFF"):
            return "sound %r" % line
    elif b"\n" in payload:
        return "JSON stands on one line"
    elif not isinstance(strict_json(payload), dict):
        return "no object: %r" % payload
    return ""


def _figure_complaint(payload: bytes) -> str:
    line, feed, image = payload.partition(b"\n")
    data = strict_json(line)
    types = {
        "id": str,
        "figure": int,
        "title": str,
        "format": str,
        "width": int,
        "height": int,
        "closed": bool,
    }
    if not feed or {key: type(value) for key, value in data.items()} != types:
        return "figure %r" % line
    if data["closed"] == bool(image):
        return "a figure that is closed has no image, and others have one"
    return ""


def strict_json(payload: bytes) -> Any:
    """JSON as other languages read it: no NaN."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    return json.loads(payload, parse_constant=refuse)


class FakeServer:
    """Listens on a socket of its own."""

    def __init__(
        self,
        features: tuple[str, ...] = ALL_FEATURES,
        path: str | None = None,
        says_hello: bool = True,
    ) -> None:
        self.folder = tempfile.mkdtemp(prefix="further-link-test-")
        self.path = path or os.path.join(self.folder, "channel.sock")
        self.features = features
        self.says_hello = says_hello
        self.lock = threading.Lock()
        self.connections: list[Connection] = []
        # Of all connections, in the order in which they came.
        self.log: list[tuple[Connection, int, bytes]] = []
        self.complaints: list[str] = []
        self.may_read = threading.Event()
        self.may_read.set()
        self.bytes_at_once = 1 << 20
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        folder = os.open(os.path.dirname(self.path), os.O_PATH)
        self._listener.bind("/proc/self/fd/%d/%s" % (folder, os.path.basename(self.path)))
        os.close(folder)
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            connection = Connection(self, link)
            if self.says_hello:
                connection.send(SERVER_HELLO, {"version": "0.1.0", "features": list(self.features)})
            self.connections.append(connection)
            connection.thread.start()

    def of_kind(self, kind: int) -> list[bytes]:
        with self.lock:
            return [payload for _, a_kind, payload in self.log if a_kind == kind]

    def json(self, kind: int) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.of_kind(kind)]

    def wait_for(self, kind: int, number: int = 1) -> list[bytes]:
        """Wait until there are so many messages of a kind, and return all of them."""
        return wait_until(
            lambda: len(self.of_kind(kind)) >= number and self.of_kind(kind),
            "%d messages of kind %d" % (number, kind),
        )

    def connection(self, number: int = 0) -> Connection:
        """A connection that has said hello."""
        wait_until(
            lambda: len(self.connections) > number and self.connections[number].messages,
            "connection %d" % number,
        )
        return self.connections[number]

    def figures(self) -> list[tuple[dict[str, Any], bytes]]:
        found = []
        for payload in self.of_kind(FIGURE):
            line, _, image = payload.partition(b"\n")
            found.append((json.loads(line), image))
        return found

    def series(self, plot: str, series: str) -> tuple[list[float], list[float]]:
        """What a client shows of a curve."""
        xs: list[float] = []
        ys: list[float] = []
        for data in self.json(PLOT):
            if data["name"] != plot:
                continue
            if data.get("clear"):
                del xs[:], ys[:]
            for a_series in data["series"]:
                if a_series["name"] == series:
                    assert len(a_series["x"]) == len(a_series["y"])
                    xs += a_series["x"]
                    ys += a_series["y"]
            window = data.get("window")
            if window is not None:
                del xs[:-window], ys[:-window]
        return xs, ys

    def widgets(self) -> dict[str, dict[str, Any]]:
        """What a client shows, by label."""
        shown: dict[str, dict[str, Any]] = {}
        for data in self.json(WIDGET):
            if data.get("removed"):
                shown.pop(data["id"], None)
            else:
                shown[data["id"]] = data
        return {data["label"]: data for data in shown.values()}

    def widget(self, label: str) -> dict[str, Any]:
        return wait_until(lambda: self.widgets().get(label), "widget %s" % label)

    def close(self) -> None:
        self.may_read.set()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self._thread.join()
        for connection in self.connections:
            connection.shut()
        for connection in self.connections:
            connection.thread.join(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)
