"""The event loop of matplotlib's figures: what runs while `plt.show()` and `plt.pause()` wait.

There is nothing else that could run it, so it is a plain loop in the thread that has called them:
timers, figures that the person has closed, figures that are to be drawn.
"""

from __future__ import annotations

import queue
import sys
import threading
import traceback
from time import monotonic

from matplotlib.backend_bases import TimerBase

from . import _wire
from ._connection import current_connection, in_child, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

# Seconds for which the loop sleeps at most. It is woken up for everything that it knows; this
# is for a condition that changes without telling.
_LONGEST_SLEEP = 0.5


class Loop:
    """What wakes the loop up, and what it does then. Several threads may be in it."""

    def __init__(self) -> None:
        # Not to be blocked by: a signal handler may put something in at any moment.
        self._closings: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.timers: list[Timer] = []
        # How deep each thread is in the loop: a callback may call `plt.pause`.
        self._depths: dict[int, int] = {}

    def wake(self) -> None:
        """Have the loop look at everything again."""
        # One for each thread that may sleep.
        for _ in range(len(self._depths)):
            self._closings.put(None)

    def close(self, figure: str) -> None:
        """The person has closed this figure."""
        self._closings.put(figure)

    def is_running(self, thread: int) -> bool:
        """Whether this thread is in the loop."""
        return thread in self._depths

    def take_closings(self, close: Callable[[str], None]) -> None:
        """Close what the person has closed."""
        while True:
            try:
                figure = self._closings.get_nowait()
            except queue.Empty:
                return
            if figure is not None:
                close(figure)

    def run(
        self,
        done: Callable[[], bool],
        close: Callable[[str], None],
        draw: Callable[[], float | None],
        seconds: float | None = None,
    ) -> None:
        """Go on until `done()`, or for so many seconds.

        `draw` draws what is due, and says in how many seconds something else will be.
        """
        end = None if seconds is None else monotonic() + seconds
        thread = threading.get_ident()
        self._depths[thread] = self._depths.get(thread, 0) + 1
        try:
            while True:
                self.take_closings(close)
                self._run_timers()
                next_draw = draw()
                now = monotonic()
                if done() or (end is not None and now >= end):
                    return
                sleep = _LONGEST_SLEEP if next_draw is None else min(next_draw, _LONGEST_SLEEP)
                for timer in list(self.timers):
                    sleep = min(sleep, timer.due - now)
                if end is not None:
                    sleep = min(sleep, end - now)
                if sleep > 0:
                    self._sleep(sleep, close)
        finally:
            self._depths[thread] -= 1
            if not self._depths[thread]:
                del self._depths[thread]

    def _sleep(self, seconds: float, close: Callable[[str], None]) -> None:
        try:
            figure = self._closings.get(timeout=seconds)
        except queue.Empty:
            return
        if figure is not None:
            close(figure)

    def _run_timers(self) -> None:
        now = monotonic()
        for timer in list(self.timers):
            if timer.due <= now and timer in self.timers:
                timer.run()


loop = Loop()


class Timer(TimerBase):
    """A timer that goes off while the loop runs."""

    def __init__(self, *arguments: object, **options: object) -> None:
        self.due = 0.0
        self._rhythm: int | None = None
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def run(self) -> None:
        """It is due."""
        # Late ones are not made up for.
        self.due = max(self.due + self.interval / 1000, monotonic())
        if self.single_shot:
            self.stop()
        try:
            self._on_timer()  # type: ignore[attr-defined]
        except Exception:
            # As with other backends: it is told, and the figure stays.
            self.stop()
            traceback.print_exc()

    def _timer_start(self) -> None:
        self._rhythm = self.interval
        self.due = monotonic() + self.interval / 1000
        if self not in loop.timers:
            loop.timers.append(self)
        loop.wake()

    def _timer_stop(self) -> None:
        if self in loop.timers:
            loop.timers.remove(self)

    def _timer_set_interval(self) -> None:
        # An animation sets it before every picture, to what it was before.
        if self in loop.timers and self.interval != self._rhythm:
            self._timer_start()


def client_shows_figures() -> bool:
    """Whether somebody sees figures. The first time, it may have to wait for the answer."""
    connection = current_connection()
    if connection.gone:
        return False
    features = connection.features
    if features is None:
        features = connection.wait_for_features()
    if features is None:
        if not connection.gone:
            warn("the server does not answer, so figures are not seen")
        return False
    connection.want(_wire.FIGURE)
    return _wire.FIGURE.feature in features


def is_in_matplotlib(thread: int) -> bool:
    """Whether this thread is in the midst of something that matplotlib does."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if isinstance(name, str) and name.split(".")[0] in ("matplotlib", "mpl_toolkits"):
            return True
        frame = frame.f_back
    return False


# A child does not run what its parent has started.
in_child(loop.__init__)  # type: ignore[misc]
