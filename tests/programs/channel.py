"""The channel socket of docs/protocol.md section 6 by hand, for tests: without the package that the
server ships, so that a mistake in both does not stay unseen."""

import json
import os
import socket
import struct

HELLO, KEYLISTEN, VIDEO, FIGURE, PLOT, WIDGET = range(1, 7)


def say(*words):
    """A line on standard output in one write: it comes as one message."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Channel:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(os.environ["FURTHER_LINK_CHANNEL"])

    def send(self, kind, payload):
        if not isinstance(payload, bytes):
            payload = (payload if isinstance(payload, str) else json.dumps(payload)).encode()
        self.socket.sendall(struct.pack(">IB", len(payload), kind) + payload)

    def receive(self):
        """The next message: its kind, and its payload as text."""
        length, kind = struct.unpack(">IB", self._exactly(5))
        return kind, self._exactly(length).decode()

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError("the server has closed the channel")
            data += piece
        return data


class OldChannel:
    """How the package of the servers before does it."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(self.path(name))

    @staticmethod
    def path(name):
        folder = os.environ.get("FURTHER_LINK_TEMP_DIR", "/tmp")
        return os.path.join(folder, "%d.%s.sock" % (os.getpgrp(), name))

    def send(self, payload):
        self.socket.sendall(payload + b" end" + self.name.encode() + b" ")

    @classmethod
    def listen(cls):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(cls.path("keyevent"))
        listener.listen(5)
        return listener
