"""What is sent in the background, so that the program need not wait.

There is a slot for each thing: a plot, a figure, a display, the video. Whoever has something new
puts a function into the slot, in place of the one before. The thread calls it when the slot's time
has come, and sends what it returns: so the newest state is sent, not more often than the slot's
interval says, and the last one always.
"""

from __future__ import annotations

import atexit
import sys
import threading
import traceback
from time import monotonic

from ._connection import current_connection, in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Hashable, Iterable, Tuple

    Messages = Iterable[Tuple[int, bytes]]
    Produce = Callable[[], Messages]

# Seconds that the end of a program waits for a client that takes nothing,
EXIT_WAIT = 2.0
# and for all that is still to be done: making a picture may take a while.
_EXIT_MAX_SECONDS = 10.0
# How often it looks meanwhile what it waits for, in seconds.
_EXIT_CHECK_SECONDS = 0.1


class NotYet(Exception):  # noqa: N818 (no error)
    """Raised by a function in a slot: call me again in so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class _Slot:
    def __init__(self, produce: Produce, interval: float, due: float) -> None:
        self.produce: Produce | None = produce
        self.interval = interval
        self.due = due


class Outbox:
    def __init__(self) -> None:
        # A signal handler may come in the middle of anything here, so this thread has to be able to
        # take the lock again.
        self._changed = threading.Condition(threading.RLock())
        self._slots: dict[Hashable, _Slot] = {}
        self._thread: threading.Thread | None = None
        self._busy = False
        # Since when it waits for the server to take a message.
        self._blocked_since: float | None = None
        # The program is about to end: everything is due now.
        self._hurry = False

    def put(self, key: Hashable, produce: Produce, interval: float, delay: float = 0.0) -> None:
        """Have this called and sent, in `delay` seconds at the earliest.

        Between two calls for one key are at least `interval` seconds. At the end of the program
        this waits until it is sent, so no lock may be held that the function needs.
        """
        due = monotonic() + delay
        with self._changed:
            slot = self._slots.get(key)
            # If there is something in it, then the thread knows of it, and need not wake up.
            news = slot is None or slot.produce is None
            if slot is None:
                self._slots[key] = _Slot(produce, interval, due)
            else:
                slot.due = max(slot.due, due) if news else slot.due
                slot.produce = produce
            if news:
                self._start()
                self._changed.notify_all()
        if not self._alive() or not threading.main_thread().is_alive():
            # There is no background; or what is registered with atexit runs now, and perhaps
            # nobody comes after it.
            self.flush()

    def flush(self, seconds: float = EXIT_WAIT) -> bool:
        """Wait until all is sent, but only so long for a message to be taken."""
        if threading.current_thread() is self._thread:
            return False
        start = monotonic()
        with self._changed:
            self._hurry = True
            try:
                self._changed.notify_all()
                while self._busy or self._waiting():
                    now = monotonic()
                    left = start + max(seconds, _EXIT_MAX_SECONDS) - now
                    blocked = self._blocked_since
                    if blocked is not None:
                        left = min(left, max(blocked, start) + seconds - now)
                    if left <= 0:
                        return False
                    if self._alive():
                        self._changed.wait(min(left, _EXIT_CHECK_SECONDS))
                    else:
                        self._send_next()
            finally:
                self._hurry = False
        return True

    def is_own_thread(self) -> bool:
        """Whether it is the background that asks: it must not wait for itself."""
        return threading.current_thread() is self._thread

    def _waiting(self) -> bool:
        return any(slot.produce is not None for slot in self._slots.values())

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _start(self) -> None:
        if self._alive():
            return
        _flush_at_exit()
        self._thread = threading.Thread(target=self._run, name="further_link sender", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # The interpreter is about to end, or the system has no more threads: `flush` sends.
            self._thread = None

    def _run(self) -> None:
        with self._changed:
            while True:
                self._changed.wait(self._send_next())

    def _send_next(self) -> float | None:
        """Send what is due. Returns for how many seconds nothing will be. Needs the lock."""
        while True:
            now = monotonic()
            first: tuple[Hashable, _Slot] | None = None
            for key, slot in list(self._slots.items()):
                if slot.produce is not None:
                    if first is None or slot.due < first[1].due:
                        first = (key, slot)
                elif slot.due <= now:
                    # Its interval is over, so there is nothing to remember.
                    del self._slots[key]
            if first is None:
                return None
            slot = first[1]
            produce = slot.produce
            if produce is None or (slot.due > now and not self._hurry):
                return slot.due - now
            slot.produce = None
            slot.due = now + slot.interval
            self._busy = True
            try:
                self._changed.release()
                try:
                    again = self._send(produce)
                finally:
                    self._changed.acquire()
            finally:
                self._busy = False
                self._changed.notify_all()
            if again is not None and slot.produce is None and not self._hurry:
                slot.produce = produce
                slot.due = monotonic() + again

    def _send(self, produce: Produce) -> float | None:
        try:
            for kind, payload in produce():
                self._blocked_since = monotonic()
                current_connection().send(kind, payload)
                self._blocked_since = None
        except NotYet as not_yet:
            return not_yet.seconds
        except Exception:
            # One thing that cannot be sent must not keep the others from it.
            traceback.print_exc()
        finally:
            self._blocked_since = None
        return None


_outbox = Outbox()
_flushes_at_exit = False


def outbox() -> Outbox:
    """The outbox of this process."""
    # A fork that Python was not told of is noticed there.
    current_connection()
    return _outbox


def flush() -> None:
    """Send all that waits."""
    outbox().flush()


def _flush_at_exit() -> None:
    global _flushes_at_exit
    if _flushes_at_exit:
        return
    _flushes_at_exit = True
    atexit.register(flush)
    # A child of multiprocessing does not do what is registered with atexit (before Python 3.13).
    processes = sys.modules.get("multiprocessing.process")
    if processes is not None and getattr(processes.current_process(), "_parent_pid", None):
        from multiprocessing.util import Finalize

        Finalize(None, flush, exitpriority=0)


def _after_fork() -> None:
    global _outbox, _flushes_at_exit
    # What the parent has not sent yet is for the parent to send.
    _outbox = Outbox()
    _flushes_at_exit = False


in_child(_after_fork)
