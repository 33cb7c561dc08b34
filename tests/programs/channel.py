"""The channel socket of docs/protocol.md section 6 by hand, for tests: without the package that the
server ships, so that a mistake in both does not stay unseen."""

import json
import os
import socket
import struct
import threading
import time
import zlib

HELLO, KEYLISTEN, VIDEO, FIGURE, PLOT, WIDGET = range(1, 7)
SERVER_HELLO, KEYEVENT, FIGUREEVENT, WIDGETEVENT, ERROR = range(65, 70)


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


RANDOM = os.urandom(60_000)


def jpeg(number, size=None):
    """What is as large as a picture of 640×480, with a number and a checksum."""
    size = size or 30_000 + number * 7_919 % 30_000
    rest = RANDOM[:size] if size <= len(RANDOM) else os.urandom(size)
    return struct.pack(">HII", 0xFFD8, number, zlib.adler32(rest)) + rest


def pictures(channel, count, rate=30, size=None, ahead=None):
    """Shows pictures at this rate; with rate 0, as quickly as that goes. Returns how long it took. With ahead, not
    more than so many before those of which the client has said by a byte of input that they have come."""
    begin = time.monotonic()
    for number in range(count):
        if ahead is not None and number >= ahead:
            os.read(0, 1)
        channel.send(VIDEO, jpeg(number, size))
        if rate:
            time.sleep(max(0, begin + (number + 1) / rate - time.monotonic()))
    return time.monotonic() - begin


def echo_keys(channel, last="last"):
    """Says the keys that come, in the background; returns what is to be joined, which ends with this key."""

    def echo():
        key = None
        while key != last:
            kind, text = channel.receive()
            if kind == KEYEVENT:
                key = json.loads(text)["key"]
                say("key", key)

    channel.send(KEYLISTEN, "ArrowUp")
    thread = threading.Thread(target=echo)
    thread.start()
    return thread
