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
_HEAD = struct.Struct(">IB")

# From the program.
HELLO = 1
KEYLISTEN = 2
VIDEO = 3
FIGURE = 4
PLOT = 5
WIDGET = 6

# From the server.
SERVER_HELLO = 65
KEYEVENT = 66
FIGUREEVENT = 67
WIDGETEVENT = 68
ERROR = 69
_FROM_SERVER = frozenset((SERVER_HELLO, KEYEVENT, FIGUREEVENT, WIDGETEVENT, ERROR))

# Bytes of a payload, at the most. The server does not take longer ones.
LIMITS = {
    HELLO: 1024,
    KEYLISTEN: 256,
    VIDEO: 8388608,
    FIGURE: 8388608,
    PLOT: 1048576,
    WIDGET: 65536,
}

# Bytes of a payload from the server that are kept, at the most: 64 times what it sends in one.
# What is longer is skipped.
_LONGEST_EVENT = 1048576


def message(kind: int, payload: bytes) -> bytes:
    """The bytes of one message."""
    if len(payload) > LIMITS[kind]:
        raise ValueError(
            "this is too large to be sent: %d bytes, and %d are the most"
            % (len(payload), LIMITS[kind])
        )
    return _HEAD.pack(len(payload), kind) + payload


def to_json(value: Any) -> bytes:
    """JSON on one line, in ASCII."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def from_json(payload: bytes) -> dict[str, Any] | None:
    """The object that a payload holds, or None if it holds something else."""
    try:
        value = json.loads(payload.decode("utf-8"))
    # Python has a limit for nesting, which is no ValueError.
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def text(value: object) -> str:
    """A text that is good for the wire: half of a surrogate pair becomes a question mark."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


class Decoder:
    """Takes the server's bytes as they come, and gives whole messages."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._to_skip = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The messages that are complete with these bytes, as kind and payload."""
        self._bytes += data
        messages: list[tuple[int, bytes]] = []
        while True:
            if self._to_skip:
                skipped = min(self._to_skip, len(self._bytes))
                del self._bytes[:skipped]
                self._to_skip -= skipped
            if len(self._bytes) < _HEAD.size:
                return messages
            length, kind = _HEAD.unpack_from(self._bytes)
            if kind not in _FROM_SERVER or length > _LONGEST_EVENT:
                self._to_skip = _HEAD.size + length
                continue
            end = _HEAD.size + length
            if len(self._bytes) < end:
                return messages
            messages.append((kind, bytes(self._bytes[_HEAD.size : end])))
            del self._bytes[:end]
