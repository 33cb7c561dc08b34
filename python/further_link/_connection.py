"""The one connection of this process to the server.

It is made when something is first sent or listened for, and made again in a child after a fork: a
child never uses the connection of its parent. Whatever goes wrong here is told once, on standard
error, and the program goes on: a robot must not stop because nobody looks at its pictures.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import traceback
from collections import deque

from . import _wire
from ._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Tuple

    Link = Tuple[socket.socket, _wire.Decoder]

# Bytes of a path that fit into the address of a Unix socket.
_ADDRESS_MAX_BYTES = 107
# Seconds to wait for the server's hello. It sends it as soon as it has accepted.
HELLO_TIMEOUT_SECONDS = 3.0
# Messages of signal handlers that wait for the end of the one in whose midst they came.
_DEFERRED_MAX_COUNT = 100
# How often something is read, at most, after something was sent.
_READS_PER_SEND = 16
# Different complaints of the server that are shown. A loop that does something wrong should not
# fill the screen.
_WARNINGS_MAX_COUNT = 10

NO_SERVER_WARNING = (
    "this program does not run under Further Link, so keys, pictures, plots and widgets do nothing"
)
NOT_REACHED_WARNING = (
    "the server cannot be reached (%s), so keys, pictures, plots and widgets do nothing"
)
LOST_WARNING = (
    "the server has closed the connection, so keys, pictures, plots and widgets do nothing more"
)

_warned: set[str] = set()


def warn(sentence: str) -> None:
    """Tell the person something, once."""
    if sentence in _warned:
        return
    _warned.add(sentence)
    try:
        # In one piece, so that other threads do not write into the line.
        sys.stderr.write("further_link: " + sentence + "\n")
        sys.stderr.flush()
    except (AttributeError, OSError, RuntimeError, ValueError):
        # There is no standard error, or nobody reads it; then there is nobody to tell.
        pass


class Connection:
    """The connection. All of it may be used by any thread, and by signal handlers."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        # What the client shows; None as long as the server has not said so.
        self.features: frozenset[str] | None = None
        # There is no server, or none any more. Nothing changes that.
        self.gone = False
        # The server has said hello, or there is none: whoever waits for it need not go on.
        self._greeted = threading.Event()
        self._has_waited = False
        # Held while a message is written. A signal handler may come in the middle of one, in the
        # same thread, so that it has to be a lock that this thread can take again.
        self._lock = threading.RLock()
        self._link: Link | None = None
        self._writing = False
        # A message was begun and not finished, by Ctrl-C. This connection is good for nothing more.
        self._torn = False
        # What signal handlers wanted to send in the middle of a message: it follows that message.
        self._deferred: deque[bytes] = deque()
        # What every new connection has to be told, in order: the keys.
        self._kept: list[bytes] = []
        self._listening = False
        self._reader: threading.Thread | None = None
        self._starting = threading.RLock()
        self._wanted: set[str] = set()
        self._warnings = 0

    def usable(self) -> bool:
        """Whether there is a server to talk to. Connects if need be."""
        if self.gone or self._link is not None:
            # Without the lock: a thread may hold it while the server does not take its message.
            return not self.gone
        return self._send(b"")

    def send(self, kind: int, payload: bytes) -> bool:
        """Send a message. It may wait for the server to take it. False: there is no server."""
        return self._send(_wire.message(kind, payload))

    def keep(self, kind: int, payload: bytes) -> bool:
        """Send a message, and again whenever the connection has to be made again."""
        message = _wire.message(kind, payload)
        if not self._send(message):
            return False
        self._kept.append(message)
        return True

    def listen(self) -> bool:
        """Hand events of the server to those who have asked for them with `on_event`."""
        self._listening = True
        if not self.usable():
            return False
        self._start_reader()
        return True

    def wait_for_features(self, seconds: float = HELLO_TIMEOUT_SECONDS) -> frozenset[str] | None:
        """What the client shows. None if there is no server, or it does not say."""
        if self.features is None and self.listen() and not self._has_waited:
            self._greeted.wait(seconds)
            # A second wait would not help, and plt.show() is called often.
            self._has_waited = True
        return self.features

    def want(self, channel: _wire.Channel) -> None:
        """Tell the person if the client does not show this, now or as soon as that is known."""
        feature = channel.feature
        if feature is not None and feature not in self._wanted:
            self._wanted.add(feature)
            self._compare_features()

    def leave(self) -> None:
        """In a child after a fork: forget the connection of the parent."""
        link = self._link
        if link is not None:
            # Only this process's handle of it. No shutdown: that would end it for the parent too.
            link[0].close()

    # Sending

    def _send(self, message: bytes) -> bool:
        """Connect if need be, and send the message, if there is one."""
        if self.gone:
            return False
        # Whether this thread is already in here, and was interrupted by its own signal handler.
        inside = self._lock._is_owned()  # type: ignore[attr-defined]
        with self._lock:
            if inside and self._writing:
                if len(self._deferred) >= _DEFERRED_MAX_COUNT:
                    warn("a signal handler sends more than is taken; what is too much is left out")
                    return False
                self._deferred.append(message)
                return True
            self._writing = True
            try:
                if not self._ready():
                    return False
                self._write(message)
                if not self._listening:
                    self._take_what_is_there()
                while self._deferred:
                    self._write(self._deferred.popleft())
            except OSError:
                self._lose()
                return False
            finally:
                self._writing = False
        if self._deferred:
            # A signal handler came between the last two lines.
            self._send(b"")
        return True

    def _write(self, message: bytes) -> None:
        link = self._link
        if link is None or not message:
            return
        # If a signal handler raises an exception in here, then nothing can tell how much of the
        # message was sent. So this stays set, and the next one who sends makes a new connection.
        self._torn = True
        rest = memoryview(message)
        while rest:
            # Without the flag, a program that has set SIGPIPE to its default would be killed.
            rest = rest[link[0].send(rest, socket.MSG_NOSIGNAL) :]
        self._torn = False

    def _ready(self) -> bool:
        if self.gone:
            return False
        if self._torn and self._link is not None:
            link, self._link = self._link, None
            # The reader still gets what has arrived, then the end, and goes on with the new one.
            _shut_down(link[0])
        if self._link is None:
            self._connect()
        if self._listening and not self.gone:
            self._start_reader()
        return not self.gone

    def _start_reader(self) -> None:
        with self._starting:
            if self._reader is not None and self._reader.is_alive():
                return
            reader = threading.Thread(target=self._read, name="further_link events", daemon=True)
            self._reader = reader
            try:
                reader.start()
            except RuntimeError:
                # The interpreter is about to end, or the system has no more threads.
                self._reader = None

    def _connect(self) -> None:
        path = os.environ.get("FURTHER_LINK_CHANNEL")
        if not path:
            self._end(NO_SERVER_WARNING)
            return
        try:
            connection = _connect(path)
        except OSError as error:
            reason = error.strerror or str(error)
            self._end(NOT_REACHED_WARNING % reason)
            return
        self._torn = True
        self._link = (connection, _wire.Decoder())
        hello = _wire.to_json({"version": __version__, "pid": self.pid})
        try:
            self._write(_wire.message(_wire.HELLO, hello) + b"".join(self._kept))
        except OSError:
            self._lose()

    def _lose(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            _shut_down(link[0])
            link[0].close()
        self._end(LOST_WARNING)

    def _end(self, why: str) -> None:
        self.gone = True
        self._greeted.set()
        warn(why)
        for callback in list(_on_gone):
            callback()

    # Reading

    def _take_what_is_there(self) -> None:
        """Without a reader: keep the server from having to hold things for us."""
        try:
            # Not forever, even if the server sends as quickly as this reads.
            for _ in range(_READS_PER_SEND):
                link = self._link
                if link is None:
                    return
                self._take(link, link[0].recv(65536, socket.MSG_DONTWAIT))
        except BlockingIOError:
            # That was all.
            pass

    def _read(self) -> None:
        with self._lock:
            # Now nobody is in `_take_what_is_there` any more.
            pass
        while True:
            link = self._link
            if link is None:
                # Either there is no server any more, or a new connection is being made.
                with self._lock, self._starting:
                    if self._link is None:
                        self._reader = None
                        return
                continue
            try:
                data = link[0].recv(65536)
            except OSError:
                data = b""
            self._take(link, data)

    def _take(self, link: Link, data: bytes) -> None:
        if not data:
            with self._lock:
                if self._link is not link:
                    # It has been replaced.
                    link[0].close()
                elif self._torn:
                    self._ready()
                else:
                    self._lose()
            return
        for kind, payload in link[1].feed(data):
            try:
                self._handle(kind, payload)
            except Exception:
                # A mistake here must not end the thread that all events depend on.
                traceback.print_exc()

    def _handle(self, kind: int, payload: bytes) -> None:
        if kind == _wire.ERROR:
            if self._warnings < _WARNINGS_MAX_COUNT:
                self._warnings += 1
                warn("the server did not take something: " + payload.decode("utf-8", "replace"))
            return
        data = _wire.from_json(payload)
        if data is None:
            return
        if kind == _wire.SERVER_HELLO:
            features = data.get("features")
            if not isinstance(features, list):
                features = []
            self.features = frozenset(name for name in features if isinstance(name, str))
            self._greeted.set()
            self._compare_features()
            return
        listener = _listeners.get(kind)
        if listener is not None:
            listener(data)

    def _compare_features(self) -> None:
        if self.features is not None:
            for feature in sorted(self._wanted - self.features):
                warn("this client does not show %ss, so they are not seen" % feature)


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # A program may have set another timeout as the default for all sockets.
        connection.settimeout(None)
        if len(os.fsencode(path)) <= _ADDRESS_MAX_BYTES:
            connection.connect(path)
            return connection
        # Through the folder's descriptor a path of any length has a short name.
        folder, name = os.path.split(path)
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            connection.connect("/proc/self/fd/%d/%s" % (descriptor, name))
        finally:
            os.close(descriptor)
        return connection
    except BaseException:
        connection.close()
        raise


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


_listeners: dict[int, Callable[[dict[str, Any]], None]] = {}
_on_gone: list[Callable[[], None]] = []
_in_child: list[Callable[[], None]] = []
_current = Connection()


def current_connection() -> Connection:
    """The connection of this process."""
    # Also for a fork that Python was not told of, such as one of a library in C.
    if _current.pid != os.getpid():
        _after_fork()
    return _current


def on_event(channel: _wire.Channel, listener: Callable[[dict[str, Any]], None]) -> None:
    """Hand events of this channel to this function. It is called by the thread that reads."""
    if channel.event_kind is not None:
        _listeners[channel.event_kind] = listener


def on_gone(callback: Callable[[], None]) -> None:
    """Call this when it turns out that there is no server, or none any more.

    It is called in the midst of things, by any thread, so it must not wait for a lock.
    """
    _on_gone.append(callback)


def in_child(callback: Callable[[], None]) -> None:
    """Call this in every child after a fork, before anything else there uses the package."""
    _in_child.append(callback)


def _after_fork() -> None:
    global _current
    parents = _current
    _current = Connection()
    parents.leave()
    for callback in _in_child:
        callback()


os.register_at_fork(after_in_child=_after_fork)
