"""Buttons, sliders and the like, which the client shows and the person uses.

from further_link import Button, Slider

speed = Slider("Speed", 0, 100)
Button("Stop").when_pressed = robot.stop
while True:
    robot.drive(speed.value)
"""

from __future__ import annotations

import math
import os
import threading
from operator import index

from . import _wire
from ._callbacks import callbacks
from ._channel import channel, in_child, on_event
from ._outbox import outbox
from .keyboard import check_callback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Union

    Value = Union[int, float]

# Seconds between two messages of a widget, at least. A person sees no difference below that.
INTERVAL = 0.05
# Characters of a label. More than fits on any screen, and far below the limit of a message.
_LONGEST_LABEL = 1000

_lock = threading.RLock()
# Those that are not removed: a widget stays, even if the program has no name for it.
_widgets: dict[str, _Widget] = {}
_made = 0
# Makes the ids different from those of other processes of the program.
_prefix = ""


class _Widget:
    """What all widgets have."""

    _kind = ""

    def __init__(self, label: str) -> None:
        if len(str(label)) > _LONGEST_LABEL:
            raise ValueError("a label may have %d characters" % _LONGEST_LABEL)
        self._label = _wire.text(label)
        self._removed = False
        # By event; those that this process has set.
        self._functions: dict[str, Callable[..., Any]] = {}
        self._id = _new_id()
        _widgets[self._id] = self
        self._show()

    def __repr__(self) -> str:
        return "%s(%r)" % (type(self).__name__, self._label)

    @property
    def label(self) -> str:
        """What is written beside it."""
        return self._label

    def remove(self) -> None:
        """Take it away from the page. It does nothing more then."""
        self._removed = True
        _widgets.pop(self._id, None)
        self._functions.clear()
        self._show()

    def _show(self) -> None:
        """Send what it is now. It is the sender who asks for that: so the newest is sent."""
        connection = channel()
        if connection.listen():
            connection.want("widget")
            outbox().put(("widget", self._id), self._messages, INTERVAL)

    def _messages(self) -> list[tuple[int, bytes]]:
        data: dict[str, Any] = {"id": self._id, "kind": self._kind}
        if self._removed:
            data["removed"] = True
        else:
            data["label"] = self._label
            data.update(self._state())
        return [(_wire.WIDGET, _wire.to_json(data))]

    def _state(self) -> dict[str, Any]:
        """What the client has to know beside the label."""
        return {}

    def _on_event(self, event: str, value: Any) -> None:
        """The person has used it. The value may be anything: clients are not to be trusted."""

    def _listen(self) -> None:
        """Before something is read that the client may change: in a child, it is not heard yet."""
        channel().listen()

    def _function(self, event: str) -> Callable[..., Any] | None:
        return self._functions.get(event)

    def _set_function(self, event: str, function: Callable[..., Any] | None) -> None:
        check_callback(function)
        self._listen()
        if function is None or self._removed:
            self._functions.pop(event, None)
        else:
            self._functions[event] = function

    def _call(self, event: str, *arguments: Any, newest: bool = False) -> None:
        function = self._functions.get(event)
        if function is not None:
            callbacks().add(function, *arguments, replaces=(self._id, event) if newest else None)


class Button(_Widget):
    """A button to be clicked.

    >>> Button("Stop").when_pressed = robot.stop
    """

    _kind = "button"

    def __init__(self, label: str) -> None:
        self._pressed = False
        super().__init__(label)

    @property
    def is_pressed(self) -> bool:
        """Whether it is held down now."""
        self._listen()
        return self._pressed

    @property
    def when_pressed(self) -> Callable[[], Any] | None:
        """The function that is called when it is pressed. None: there is none."""
        return self._function("press")

    @when_pressed.setter
    def when_pressed(self, function: Callable[[], Any] | None) -> None:
        self._set_function("press", function)

    @property
    def when_released(self) -> Callable[[], Any] | None:
        """The function that is called when it is let go. None: there is none."""
        return self._function("release")

    @when_released.setter
    def when_released(self, function: Callable[[], Any] | None) -> None:
        self._set_function("release", function)

    def _on_event(self, event: str, value: Any) -> None:
        if event in ("press", "release"):
            self._pressed = event == "press"
            self._call(event)


class Slider(_Widget):
    """A slider that gives a number from `minimum` to `maximum`.

    >>> speed = Slider("Speed", 0, 100)
    >>> robot.drive(speed.value)

    It moves in steps. If minimum, maximum and step are whole numbers, then so is the value.
    """

    _kind = "slider"

    def __init__(
        self,
        label: str,
        minimum: float = 0,
        maximum: float = 100,
        step: float = 1,
        value: float | None = None,
    ) -> None:
        self._minimum = _finite("minimum", minimum)
        self._maximum = _finite("maximum", maximum)
        self._step = _finite("step", step)
        if self._minimum >= self._maximum:
            raise ValueError("the minimum of a slider is less than its maximum")
        if self._step <= 0:
            raise ValueError("the step of a slider is more than 0")
        if (self._maximum - self._minimum) / self._step > 2**53:
            raise ValueError("the step of a slider cannot be as small as %r" % (step,))
        # A hair more, as 0.3 / 0.1 is 2.9999999999999996.
        self._steps = math.floor((self._maximum - self._minimum) / self._step + 1e-9)
        self._value = self._nearest(self._minimum if value is None else _finite("value", value))
        super().__init__(label)

    @property
    def minimum(self) -> float:
        """The number at its left end."""
        return self._minimum

    @property
    def maximum(self) -> float:
        """The number at its right end."""
        return self._maximum

    @property
    def step(self) -> float:
        """By how much it moves."""
        return self._step

    @property
    def value(self) -> Any:
        """Where it stands. Setting it moves it; beyond its ends it stays at the end."""
        self._listen()
        return self._value

    @value.setter
    def value(self, value: float) -> None:
        self._value = self._nearest(_finite("value", value))
        self._show()

    @property
    def when_changed(self) -> Callable[[Any], Any] | None:
        """The function that is called with the new value when the person has moved it."""
        return self._function("change")

    @when_changed.setter
    def when_changed(self, function: Callable[[Any], Any] | None) -> None:
        self._set_function("change", function)

    def _nearest(self, value: Value) -> Value:
        """The nearest place at which it may stand."""
        value = min(max(value, self._minimum), self._maximum)
        steps = min(round((value - self._minimum) / self._step), self._steps)
        place = self._minimum + steps * self._step
        # 0.1 + 0.2 should be 0.3 here.
        return place if isinstance(place, int) else float("%.12g" % place)

    def _state(self) -> dict[str, Any]:
        return {
            "minimum": self._minimum,
            "maximum": self._maximum,
            "step": self._step,
            "value": self._value,
        }

    def _on_event(self, event: str, value: Any) -> None:
        if event != "change" or not _is_number(value):
            return
        self._value = self._nearest(value)
        if self._value != value:
            # The client shows something else than what the program has.
            self._show()
        self._call(event, self._value, newest=True)


class Switch(_Widget):
    """A switch that is on or off.

    >>> light = Switch("Light")
    >>> light.is_on
    False
    """

    _kind = "switch"

    def __init__(self, label: str, value: bool = False) -> None:
        self._value = bool(value)
        super().__init__(label)

    @property
    def value(self) -> bool:
        """Whether it is on. Setting it switches it."""
        self._listen()
        return self._value

    @value.setter
    def value(self, value: bool) -> None:
        self._value = bool(value)
        self._show()

    @property
    def is_on(self) -> bool:
        """The same as `value`."""
        return self.value

    @is_on.setter
    def is_on(self, value: bool) -> None:
        self.value = value

    @property
    def when_changed(self) -> Callable[[bool], Any] | None:
        """The function that is called with True or False when the person has switched it."""
        return self._function("change")

    @when_changed.setter
    def when_changed(self, function: Callable[[bool], Any] | None) -> None:
        self._set_function("change", function)

    def _state(self) -> dict[str, Any]:
        return {"value": self._value}

    def _on_event(self, event: str, value: Any) -> None:
        if event == "change" and isinstance(value, bool):
            self._value = value
            self._call(event, value)


class Number(_Widget):
    """Shows a number, which the program may change as often as it likes.

    >>> distance = Number("Distance", unit="cm")
    >>> distance.value = sensor.distance

    The newest is shown, 20 times a second at the most. None stands for "not known".
    """

    _kind = "number"

    def __init__(self, label: str, value: float | None = None, unit: str = "") -> None:
        self._value = _shown(value)
        if len(str(unit)) > _LONGEST_LABEL:
            raise ValueError("a unit may have %d characters" % _LONGEST_LABEL)
        self._unit = _wire.text(unit)
        super().__init__(label)

    @property
    def value(self) -> float | None:
        """What it shows."""
        return self._value

    @value.setter
    def value(self, value: float | None) -> None:
        self._value = _shown(value)
        self._show()

    @property
    def unit(self) -> str:
        """What stands behind the number."""
        return self._unit

    def _state(self) -> dict[str, Any]:
        return {"value": self._value, "unit": self._unit}


class Joystick(_Widget):
    """A stick that is moved with the mouse or a finger, and goes back to the middle.

    >>> stick = Joystick("Drive")
    >>> robot.drive(stick.y, turn=stick.x)

    `x` goes from -1 (left) to 1 (right), `y` from -1 (down) to 1 (up).
    """

    _kind = "joystick"

    def __init__(self, label: str) -> None:
        self._place: tuple[float, float] = (0.0, 0.0)
        super().__init__(label)

    @property
    def x(self) -> float:
        """How far it is to the right."""
        self._listen()
        return self._place[0]

    @property
    def y(self) -> float:
        """How far it is up."""
        self._listen()
        return self._place[1]

    @property
    def when_moved(self) -> Callable[[float, float], Any] | None:
        """The function that is called with x and y when the person has moved it."""
        return self._function("change")

    @when_moved.setter
    def when_moved(self, function: Callable[[float, float], Any] | None) -> None:
        self._set_function("change", function)

    def _state(self) -> dict[str, Any]:
        x, y = self._place
        return {"x": x, "y": y}

    def _on_event(self, event: str, value: Any) -> None:
        if event != "change" or not isinstance(value, dict):
            return
        x: Any = value.get("x")
        y: Any = value.get("y")
        if _is_number(x) and _is_number(y):
            self._place = (_within_one(x), _within_one(y))
            self._call(event, *self._place, newest=True)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        # Whole numbers may have any length in JSON.
        and abs(value) <= 1e300
    )


def _within_one(value: Value) -> float:
    return float(min(max(value, -1), 1))


def _finite(what: str, value: Any) -> Value:
    """A number that the program has given, of numpy too."""
    number = _shown(value)
    if number is None:
        raise ValueError("the %s of a slider is a number, not %r" % (what, value))
    try:
        # A whole number of numpy is no int.
        return int(index(value))
    except TypeError:
        return number


def _shown(value: Any) -> float | None:
    """A number for JSON, or None if there is none."""
    if value is None or (type(value) is int and abs(value) < 2**53):
        return value
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        number = float(value)
    except OverflowError:
        return None
    except (TypeError, ValueError):
        raise TypeError("this needs a number, not %.60r" % (value,)) from None
    return number if math.isfinite(number) else None


def _new_id() -> str:
    global _made, _prefix
    with _lock:
        # A child inherits what its parent has made, and must not use those ids again.
        if not _prefix:
            _prefix = "%d-%s" % (os.getpid(), os.urandom(4).hex())
        _made += 1
        return "%s-%d" % (_prefix, _made)


def _on_widget_event(event: dict[str, Any]) -> None:
    name, what = event.get("id"), event.get("event")
    if isinstance(name, str) and isinstance(what, str):
        widget = _widgets.get(name)
        if widget is not None:
            widget._on_event(what, event.get("value"))


def _after_fork() -> None:
    global _lock, _prefix
    _lock = threading.RLock()
    _prefix = ""
    # What the parent has set is called in the parent.
    for widget in _widgets.values():
        widget._functions = {}


on_event(_wire.WIDGETEVENT, _on_widget_event)
in_child(_after_fork)
