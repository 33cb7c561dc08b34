"""Calls functions of the program when something has happened, one after the other, in one thread.

It is not the thread that reads from the server. So a function may take its time, and `is_pressed`
tells the truth in the meantime.
"""

from __future__ import annotations

import threading
import traceback
from collections import deque

from ._connection import current_connection, in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Hashable, Optional, Tuple

    Call = Tuple[Optional[Hashable], Callable[..., Any], Tuple[Any, ...]]

# Calls that wait. When there are more, nothing is read from the server until there are fewer.
_WAITING_MAX_COUNT = 10000


class Callbacks:
    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._calls: deque[Call] = deque()
        self._thread: threading.Thread | None = None

    def add(
        self, function: Callable[..., Any], *arguments: Any, replaces: Hashable | None = None
    ) -> None:
        """Have this called. It takes the place of the last call if that has the same `replaces`.

        So a slider that is dragged over a slow function does not make it lag behind.
        """
        with self._changed:
            if replaces is not None and self._calls and self._calls[-1][0] == replaces:
                self._calls.pop()
            while len(self._calls) >= _WAITING_MAX_COUNT:
                self._changed.wait()
            self._calls.append((replaces, function, arguments))
            self._start()
            self._changed.notify_all()

    def _start(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        # A daemon: a program ends when its last line is done. One that only waits for keys calls
        # signal.pause().
        self._thread = threading.Thread(
            target=self._run, name="further_link callbacks", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:
            # The interpreter is about to end.
            self._thread = None

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._calls:
                    self._changed.wait()
                _, function, arguments = self._calls.popleft()
                self._changed.notify_all()
            try:
                function(*arguments)
            except BaseException:
                # SystemExit too: it would end this thread, silently, and not the program.
                traceback.print_exc()


_callbacks = Callbacks()


def callbacks() -> Callbacks:
    """The callbacks of this process."""
    current_connection()
    return _callbacks


def _after_fork() -> None:
    global _callbacks
    _callbacks = Callbacks()


in_child(_after_fork)
