"""Live plots: curves to which a program adds points while it runs."""

from __future__ import annotations

import math
import threading
from collections import deque
from time import monotonic

from . import _wire
from ._connection import current_connection, in_child
from ._outbox import outbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional, Tuple, Union

    Number = Union[int, float]
    Point = Tuple[Number, Optional[Number]]

# Seconds between two messages of a plot, at least. A person sees no difference below that.
SEND_INTERVAL_SECONDS = 0.05
# Points of all plots that wait to be sent. With more than that `plot` waits. About 10 MB of memory.
WAITING_MAX_COUNT = 100000
# Points in a message. With 26 characters for a number it stays well below the limit of 1 MiB.
_POINTS_IN_MESSAGE = 10000
# The names in a message must fit beside them: 100 names of at most 200 characters, 12 bytes each.
_MOST_SERIES = 100
_LONGEST_NAME = 200


def plot(
    name: str,
    *values: Any,
    clear: bool = False,
    window: int | None = None,
    **series: Any,
) -> None:
    """Add points to a plot at the client. It appears with the first one.

    >>> plot("Temperature", sensor.temperature)              # over the time, in seconds
    >>> plot("Distance", angle, distance)                    # x and y
    >>> plot("Position", roll=imu.roll, pitch=imu.pitch)     # several curves
    >>> plot("Position", t, roll=imu.roll, pitch=imu.pitch)  # the same, with x

    x and y are numbers, or as many of them as you like: lists, numpy arrays. A y that is None or
    NaN leaves a gap. Without x, a single number gets the seconds since the first point of this
    plot, and the numbers of a list are counted: 0, 1, 2 and so on, where the last list has ended.

    `clear=True` removes what was there before. `window=500` keeps the last 500 points of each
    curve.

    Points are sent in the background, 20 times a second. If a program makes more points than can be
    sent, `plot` waits: none is left out.
    """
    if not isinstance(name, str):
        raise TypeError("the name of a plot is a text, not %r" % (name,))
    if len(values) > 2:
        raise TypeError("plot takes a name, x and y; further curves have names: roll=…, pitch=…")
    if window is not None:
        window = int(window)
        if window < 1:
            raise ValueError("the window of a plot is 1 point or more")
    x: Any = None
    ys: dict[str, Any] = {}
    if series:
        # Beside curves with names, a single value is x.
        if len(values) == 2:
            x, ys[name] = values
        elif values:
            x = values[0]
        ys.update(series)
    elif values:
        ys[name] = values[-1]
        x = values[0] if len(values) == 2 else None
    elif not clear:
        raise TypeError("there is nothing to be plotted")
    for label in [name, *ys]:
        if len(label) > _LONGEST_NAME:
            raise ValueError("a name may have %d characters" % _LONGEST_NAME)
    if len(ys) > _MOST_SERIES:
        raise ValueError("a plot may have %d curves" % _MOST_SERIES)
    single = all(_is_single(y) for y in ys.values())
    columns = {_wire.text(label): [_y(y) for y in _list(y)] for label, y in ys.items()}
    xs = None if x is None else [_x(value) for value in _list(x)]
    for label, column in columns.items():
        if xs is not None and len(xs) != len(column):
            raise ValueError("%s has %d values, and x has %d" % (label, len(column), len(xs)))
    connection = current_connection()
    if connection.usable():
        connection.want(_wire.PLOT)
        _add(_wire.text(name), xs, columns, single, clear, window)


# What a program may give


def _is_single(value: Any) -> bool:
    return value is None or not hasattr(value, "__len__") or getattr(value, "shape", None) == ()


def _list(values: Any) -> list[Any]:
    if isinstance(values, (str, bytes, dict)):
        raise TypeError("a plot needs numbers, not %.60r" % (values,))
    if _is_single(values):
        return [values]
    # numpy arrays and those of other libraries: Python's own numbers are quicker here.
    to_list = getattr(values, "tolist", None)
    return list(values) if to_list is None else list(to_list())


def _number(value: Any) -> float:
    try:
        if not isinstance(value, (str, bytes)):
            return float(value)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        pass
    raise TypeError("a plot needs numbers, not %.60r" % (value,))


def _y(value: Any) -> Number | None:
    """A number for JSON; None, which is a gap, if there is none."""
    if type(value) is int and -(2**53) <= value <= 2**53:
        return value
    if value is None:
        return None
    number = _number(value)
    return number if math.isfinite(number) else None


def _x(value: Any) -> Number | None:
    if value is None:
        raise TypeError("the x of a point cannot be None")
    return _y(value)


# What waits to be sent


class _Batch:
    """Points of one plot that go into one message, or into several if they are many."""

    def __init__(self, clear: bool) -> None:
        self.clear = clear
        # Points and not two lists: whatever interrupts this, x and y stay together.
        self.series: dict[str, deque[Point]] = {}

    def points(self) -> int:
        return sum(map(len, self.series.values()))


class _Plot:
    def __init__(self) -> None:
        # When its first point came.
        self.start: float | None = None
        self.counted: dict[str, int] = {}
        self.window: int | None = None
        self.batch: _Batch | None = None


# A signal handler may plot in the midst of a plot of the same thread.
_changed = threading.Condition(threading.RLock())
_plots: dict[str, _Plot] = {}


def _waiting() -> int:
    return sum(state.batch.points() for state in _plots.values() if state.batch is not None)


def _add(
    name: str,
    xs: list[Number | None] | None,
    columns: dict[str, list[Number | None]],
    single: bool,
    clear: bool,
    window: int | None,
) -> None:
    now = monotonic()
    with _changed:
        state = _plots.get(name)
        if state is None:
            state = _plots[name] = _Plot()
        if clear:
            state.start = None
            state.counted.clear()
            # The client would remove it as soon as it has it.
            state.batch = _Batch(clear=True)
        if window is not None:
            state.window = window
        if state.start is None and columns:
            state.start = now
        for label, ys in columns.items():
            if xs is not None:
                column: list[Number | None] = xs
            elif single:
                column = [now - (state.start or now)]
            else:
                first = state.counted.get(label, 0)
                state.counted[label] = first + len(ys)
                column = list(range(first, first + len(ys)))
            _append(state, label, column, ys)
    # Without the lock, which the sender needs.
    outbox().put(("plot", name), lambda: _messages(name), SEND_INTERVAL_SECONDS)
    # A function that is called while the background draws: it cannot wait for itself.
    if not outbox().is_own_thread():
        with _changed:
            while _waiting() > WAITING_MAX_COUNT:
                _changed.wait()


def _append(state: _Plot, label: str, xs: list[Number | None], ys: list[Number | None]) -> None:
    if state.batch is None:
        state.batch = _Batch(clear=False)
    points = state.batch.series.setdefault(label, deque())
    for x, y in zip(xs, ys):
        # There is no place for a point whose x is no number.
        if x is not None:
            points.append((x, y))
    if state.window is not None:
        # The client would remove them as soon as it has them.
        while len(points) > state.window:
            points.popleft()


def _messages(name: str) -> list[tuple[int, bytes]]:
    """Called in the background: the messages for what has gathered."""
    with _changed:
        state = _plots.get(name)
        if state is None or state.batch is None:
            return []
        batch, state.batch = state.batch, None
        window = state.window
        _changed.notify_all()
    return _written(name, batch, window)


def _written(name: str, batch: _Batch, window: int | None) -> list[tuple[int, bytes]]:
    messages: list[list[dict[str, Any]]] = [[]]
    room = _POINTS_IN_MESSAGE
    for label, gathered in batch.series.items():
        points = list(gathered)
        first = 0
        while first < len(points) or first == 0:
            if room == 0 or len(messages[-1]) == _MOST_SERIES:
                messages.append([])
                room = _POINTS_IN_MESSAGE
            part = points[first : first + room]
            messages[-1].append(
                {"name": label, "x": [x for x, _ in part], "y": [y for _, y in part]}
            )
            room -= len(part)
            first += max(len(part), 1)
    written = []
    for number, series in enumerate(messages):
        data: dict[str, Any] = {"name": name, "series": series}
        if batch.clear and number == 0:
            data["clear"] = True
        if window is not None:
            data["window"] = window
        written.append((_wire.PLOT.kind, _wire.to_json(data)))
    return written


def _after_fork() -> None:
    global _changed
    _changed = threading.Condition(threading.RLock())
    # What the parent has not sent yet is for the parent to send. Times go on.
    for state in _plots.values():
        state.batch = None


in_child(_after_fork)
