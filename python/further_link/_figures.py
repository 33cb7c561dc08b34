"""matplotlib's figures at the client: the canvas, and the manager, which would have the window.

A figure is drawn in the thread of the program, for matplotlib is not made for several; making a
picture file of it and sending that happens in the background. There is one exception, see
`FigureManager.draw_in_background`.
"""

from __future__ import annotations

import atexit
import os
import threading
import traceback
from time import monotonic

from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import CloseEvent, FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

from . import _wire
from ._connection import in_child, on_event, on_gone, warn
from ._loop import Timer, client_shows_figures, is_in_matplotlib, loop
from ._outbox import NotYet, outbox
from ._picture import FIGURE_FORMAT, Picture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Tuple

    Messages = List[Tuple[int, bytes]]

# Seconds between two pictures of a figure, at least.
DRAW_INTERVAL_SECONDS = 0.05
# Seconds for which a program has to leave its figure alone until it is drawn in the background.
_QUIET_SECONDS = 0.1
# Seconds after which a change is drawn in any case, by the program's next change.
_QUIET_MAX_SECONDS = 0.25
# Seconds between two looks whether the program is done with matplotlib.
_DONE_CHECK_SECONDS = 0.01
# How often drawing in the background may fail, before it is told.
_DRAW_ATTEMPTS = 3
# Held while something is drawn: the background and the program must not draw at the same time.
_drawing = threading.RLock()
_exiting = False


class FigureCanvas(FigureCanvasAgg):
    """A canvas whose picture goes to the client."""

    required_interactive_framework = None
    manager: FigureManager | None

    def draw(self) -> None:
        """Draw the figure now."""
        manager = self.manager
        with _drawing:
            before = 0 if manager is None else manager.begins_to_draw()
            try:
                super().draw()  # type: ignore[no-untyped-call]
            finally:
                if manager is not None:
                    manager.ends_to_draw()
        if manager is not None:
            manager.has_drawn(before)

    def draw_idle(self, *arguments: Any, **options: Any) -> None:
        """Have the figure drawn soon."""
        if self.manager is not None and not self.is_saving():
            # Set while pyplot in interactive mode reports a change, in the midst of it.
            self.manager.want_drawing(is_change=getattr(self, "_is_idle_drawing", False))

    def blit(self, bbox: Any = None) -> None:
        """Show what an animation has drawn into the picture."""
        if self.manager is not None:
            self.manager.has_picture()

    def print_figure(self, *arguments: Any, **options: Any) -> Any:
        """Save the figure."""
        with _drawing:
            return super().print_figure(*arguments, **options)

    def new_timer(self, interval: Any = None, callbacks: Any = None) -> Timer:
        """A timer that goes off while `plt.show()` or `plt.pause()` wait."""
        return Timer(interval=interval, callbacks=callbacks)

    def flush_events(self) -> None:
        """Do what is to be done now: draw, and close what the person has closed."""
        loop.take_closings(close)
        draw_what_is_due()

    def start_event_loop(self, timeout: float = 0) -> None:
        """Do what is to be done, for so many seconds; 0 or less: until `stop_event_loop`."""
        self._looping = True

        def done() -> bool:
            # Without end, only as long as there is somebody who could do something.
            return not self._looping or (
                timeout <= 0 and (client_shows_figures() is False or not _is_open(self.manager))
            )

        loop.run(done, close, draw_what_is_due, timeout if timeout > 0 else None)

    def stop_event_loop(self) -> None:
        """End `start_event_loop`."""
        self._looping = False
        loop.wake()


class FigureManager(FigureManagerBase):
    """A figure at the client."""

    canvas: FigureCanvas
    num: int

    def __init__(self, canvas: FigureCanvas, num: int) -> None:
        self.num = num
        self._title = "Figure %d" % num
        self._id = ""
        # The client has been told of it, or will be.
        self._shown = False
        self._closing = False
        self._destroyed = False
        self._forget()
        super().__init__(canvas, num)

    def _forget(self) -> None:
        # The figure is not as it was last drawn, since then, and last changed then.
        self._dirty_since: float | None = None
        self._changed = 0.0
        self._changes = 0
        self._drawn = 0.0
        self._taken = 0.0
        self._thread = 0
        # The thread that draws it just now.
        self._drawer = 0
        self._attempts = 0

    # What matplotlib calls

    def show(self) -> None:
        """Show the figure at the client."""
        if self.appear():
            if self.canvas.figure.stale and self._dirty_since is None:
                self._mark()
            self.draw_if_due()

    def destroy(self, *arguments: Any) -> None:
        """The figure is closed, by the program or by the person."""
        if self._destroyed:
            return
        self._destroyed = True
        try:
            event = CloseEvent("close_event", self.canvas)
            self.canvas.callbacks.process("close_event", event)
        finally:
            # When the program ends, its figures stay for the person to look at.
            if self._shown and not _exiting:
                outbox().put(("figure", self._id), self._closed, DRAW_INTERVAL_SECONDS)
            _managers.pop(self._id, None)
            self._shown = False
            loop.wake()

    def get_window_title(self) -> str:
        """The title above the figure."""
        return self._title

    def set_window_title(self, title: str) -> None:
        """Set the title above the figure."""
        if title != self._title:
            self._title = _wire.text(title)
            if self._shown:
                self._mark()

    def resize(self, *size: Any) -> None:
        """The client shows a figure in whatever size it has."""

    # What the canvas calls

    def appear(self) -> bool:
        """From now on the client sees this figure. False: it shows none."""
        if not client_shows_figures():
            return False
        if not self._shown and not self._destroyed:
            self._id = "%d-%s-%d" % (os.getpid(), os.urandom(4).hex(), self.num)
            self._shown = True
            _managers[self._id] = self
            self._mark()
        return self._shown

    def want_drawing(self, is_change: bool) -> None:
        """The figure is not what it was."""
        if not self._shown or self._drawer == threading.get_ident():
            # In the midst of drawing some things are found to have changed. They are drawn already.
            return
        self._mark()
        if loop.is_running(threading.get_ident()):
            return
        if not is_change:
            self.draw_if_due()
            return
        # It would be drawn in the midst of what the program is doing, so it is not, unless that
        # does not come to an end. If the background draws, the program waits for it.
        with _drawing:
            since = self._dirty_since
        if since is not None and monotonic() - since > _QUIET_MAX_SECONDS:
            try:
                self.draw_if_due()
            except Exception:
                # A half-made change cannot always be drawn: x is longer than y. The next one.
                pass

    def begins_to_draw(self) -> int:
        """How often the figure has been changed so far."""
        self._drawer = threading.get_ident()
        return self._changes

    def ends_to_draw(self) -> None:
        """Whether it was drawn or not."""
        self._drawer = 0

    def has_drawn(self, before: int) -> None:
        """The picture on the canvas is the figure after so many changes. Send it."""
        self._dirty_since = None
        self._drawn = monotonic()
        self._attempts = 0
        if self._changes != before:
            # Another thread has changed it while it was drawn.
            self._mark()
        self.has_picture()

    def has_picture(self) -> None:
        """There is a new picture on the canvas. Send it."""
        if not self._shown:
            return
        if FIGURE_FORMAT == "svg":
            now = monotonic()
            if now < self._taken + DRAW_INTERVAL_SECONDS and not _exiting:
                # Making one takes as long as drawing. The last one is made later.
                self._mark()
                return
            self._taken = now
        picture = Picture(self.canvas)
        outbox().put(("figure", self._id), lambda: self._shown_as(picture), DRAW_INTERVAL_SECONDS)

    # When it is drawn

    def _mark(self) -> None:
        self._thread = threading.get_ident()
        self._changes += 1
        self._changed = monotonic()
        if self._dirty_since is None:
            self._dirty_since = self._changed
            outbox().put(("draw", self._id), self.draw_in_background, 0, _QUIET_SECONDS)
            loop.wake()

    def seconds_until_due(self) -> float | None:
        """When it should be drawn; None if it is as it was drawn."""
        if self._dirty_since is None or not self._shown:
            return None
        return max(0.0, self._drawn + DRAW_INTERVAL_SECONDS - monotonic())

    def draw_if_due(self) -> None:
        """Draw what has changed, but not too often. What is not drawn now will be."""
        if self.seconds_until_due() == 0:
            self.canvas.draw()

    def draw_in_background(self) -> Messages:
        """The program has changed its figure, and then went to do something else.

        Nobody else is there to draw it: the program sleeps, or waits for a line to be typed. It is
        drawn when the program has not changed it for a while and is not in the midst of matplotlib.
        Should it begin to change it again just now, then the worst is a picture that is half old,
        and the next one follows.
        """
        if self._dirty_since is None or not self._shown or _exiting:
            return []
        if loop.is_running(self._thread):
            # It draws, unless it ends just now.
            raise NotYet(_QUIET_SECONDS)
        left = self._changed + _QUIET_SECONDS - monotonic()
        if left > 0:
            raise NotYet(left)
        if is_in_matplotlib(self._thread):
            raise NotYet(_DONE_CHECK_SECONDS)
        try:
            with _drawing:
                if self._dirty_since is not None and self._shown:
                    self.canvas.draw()
        except Exception as error:
            self._attempts += 1
            if self._attempts < _DRAW_ATTEMPTS:
                raise NotYet(_QUIET_SECONDS) from error
            warn("a figure could not be drawn: %r" % error)
        return []

    # What is sent

    def _shown_as(self, picture: Picture) -> Messages:
        limit = _wire.FIGURE.max_bytes
        # The line before the file is as long as this one, but for the digits of its size.
        file = picture.file(limit - len(self._line()) - 20)
        if file is None:
            warn("a figure is too large to be shown")
            return []
        width, height, data = file
        return [(_wire.FIGURE.kind, self._line(width, height) + data)]

    def _closed(self) -> Messages:
        return [(_wire.FIGURE.kind, self._line(closed=True))]

    def _line(self, width: int = 0, height: int = 0, closed: bool = False) -> bytes:
        data = {
            "id": self._id,
            "figure": self.num,
            "title": self._title,
            "format": FIGURE_FORMAT,
            "width": width,
            "height": height,
            "closed": closed,
        }
        return _wire.to_json(data) + b"\n"

    # What others ask

    def is_shown(self) -> bool:
        """Whether the client has been told of it."""
        return self._shown

    def close_from_client(self) -> None:
        """The person has closed it. It is gone as soon as the program's thread gets to it."""
        if not self._closing:
            self._closing = True
            loop.close(self._id)

    def leave_to_parent(self) -> None:
        """In a child after a fork: the parent shows it."""
        self._shown = False
        self._forget()


def _at_exit() -> None:
    global _exiting
    _exiting = True
    for manager in list(_managers.values()):
        if manager.seconds_until_due() is not None:
            try:
                manager.canvas.draw()
            except Exception:
                # The others are to be seen all the same.
                traceback.print_exc()
    outbox().flush()


# By id; those that the client has been told of.
_managers: dict[str, FigureManager] = {}


def _is_open(manager: FigureManager | None) -> bool:
    return manager is None or not manager._destroyed


def draw_what_is_due() -> float | None:
    """Draw all figures that have changed. Returns in how many seconds the next one is due."""
    first = None
    for manager in list(_managers.values()):
        manager.draw_if_due()
        left = manager.seconds_until_due()
        if left is not None and (first is None or left < first):
            first = left
    return first


def close(figure: str) -> None:
    manager = _managers.get(figure)
    if manager is not None:
        Gcf.destroy(manager.num)


def _on_figure_event(event: dict[str, Any]) -> None:
    figure = event.get("id")
    manager = _managers.get(figure) if isinstance(figure, str) else None
    if manager is not None and event.get("event") == "close":
        manager.close_from_client()


def _after_fork() -> None:
    global _drawing
    _drawing = threading.RLock()
    for manager in _managers.values():
        manager.leave_to_parent()
    _managers.clear()


FigureCanvas.manager_class = FigureManager  # type: ignore[assignment]
on_event(_wire.FIGURE, _on_figure_event)
on_gone(loop.wake)
in_child(_after_fork)
# pyplot closes all figures at the end. What is registered later is called earlier.
atexit.register(_at_exit)
