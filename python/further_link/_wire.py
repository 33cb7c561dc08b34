"""What a program and the server say to each other, as bytes.

Knows no sockets and no threads. The protocol is section 6 ("The channel socket") and section 11 of
docs/protocol.md; the names and numbers here are those of its tables.
"""

from __future__ import annotations

import json
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A message begins with the length of its payload, and its kind.
_HEADER = struct.Struct(">IB")

# Kinds of messages that belong to no channel.
HELLO = 1
SERVER_HELLO = 65
ERROR = 69


class Channel:
    """One IO channel: a row of the tables in section 6. A new one is a row here and a module."""

    __slots__ = ("event_kind", "feature", "kind", "max_bytes")

    def __init__(
        self, kind: int, max_bytes: int, event_kind: int | None = None, feature: str | None = None
    ) -> None:
        # Of a message from the program.
        self.kind = kind
        # Bytes of its payload, at most. The server does not take longer ones.
        self.max_bytes = max_bytes
        # Of an event from the server, if there are any.
        self.event_kind = event_kind
        # What a client asks for that shows it. None: all clients do.
        self.feature = feature


KEYS = Channel(2, max_bytes=256, event_kind=66)
VIDEO = Channel(3, max_bytes=8388608)
FIGURE = Channel(4, max_bytes=8388608, event_kind=67, feature="figure")
PLOT = Channel(5, max_bytes=1048576, feature="plot")
WIDGET = Channel(6, max_bytes=65536, event_kind=68, feature="widget")
SOUND = Channel(7, max_bytes=4194304, feature="sound")

CHANNELS = (KEYS, VIDEO, FIGURE, PLOT, WIDGET, SOUND)

_HELLO_MAX_BYTES = 1024
_MAX_BYTES = {HELLO: _HELLO_MAX_BYTES, **{row.kind: row.max_bytes for row in CHANNELS}}
_FROM_SERVER = frozenset(
    [SERVER_HELLO, ERROR, *(row.event_kind for row in CHANNELS if row.event_kind is not None)]
)

# Bytes of a payload from the server that are kept, at most: 64 times what it sends in one.
# What is longer is skipped.
_EVENT_MAX_BYTES = 1048576


def message(kind: int, payload: bytes) -> bytes:
    """Return the bytes of one message. Raises ValueError if the payload is too long."""
    if len(payload) > _MAX_BYTES[kind]:
        raise ValueError(
            "this is too large to be sent: %d bytes, and %d are the most"
            % (len(payload), _MAX_BYTES[kind])
        )
    return _HEADER.pack(len(payload), kind) + payload


def to_json(value: Any) -> bytes:
    """Return JSON on one line, in ASCII."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def from_json(payload: bytes) -> dict[str, Any] | None:
    """Return the object that a payload holds, or None if it holds something else."""
    try:
        value = json.loads(payload.decode("utf-8"))
    # Python has a limit for nesting, which is no ValueError.
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def text(value: object) -> str:
    """Return text for the wire: half of a surrogate pair becomes a question mark."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


class Decoder:
    """Decodes the server's bytes, however they are split."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._skip_bytes = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the messages that these bytes complete, as kind and payload."""
        self._bytes += data
        messages: list[tuple[int, bytes]] = []
        while True:
            if self._skip_bytes:
                skipped = min(self._skip_bytes, len(self._bytes))
                del self._bytes[:skipped]
                self._skip_bytes -= skipped
            if len(self._bytes) < _HEADER.size:
                return messages
            length, kind = _HEADER.unpack_from(self._bytes)
            if kind not in _FROM_SERVER or length > _EVENT_MAX_BYTES:
                self._skip_bytes = _HEADER.size + length
                continue
            end = _HEADER.size + length
            if len(self._bytes) < end:
                return messages
            messages.append((kind, bytes(self._bytes[_HEADER.size : end])))
            del self._bytes[:end]
