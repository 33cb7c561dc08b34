"""Buttons, sliders and the like, which the client shows and the person uses.

from further_link import Button, Slider

speed = Slider("Speed", 0, 100)
Button("Stop").when_pressed = robot.stop
while True:
    robot.drive(speed.value)
"""

from __future__ import annotations

import math

from . import _wire
from ._widget import LONGEST_LABEL, Widget, finite, is_number, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from ._widget import Value


class Button(Widget):
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


class Slider(Widget):
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
        self._minimum = finite("minimum", minimum)
        self._maximum = finite("maximum", maximum)
        self._step = finite("step", step)
        if self._minimum >= self._maximum:
            raise ValueError("the minimum of a slider is less than its maximum")
        if self._step <= 0:
            raise ValueError("the step of a slider is more than 0")
        if (self._maximum - self._minimum) / self._step > 2**53:
            raise ValueError("the step of a slider cannot be as small as %r" % (step,))
        # A hair more, as 0.3 / 0.1 is 2.9999999999999996.
        self._steps = math.floor((self._maximum - self._minimum) / self._step + 1e-9)
        self._value = self._nearest(self._minimum if value is None else finite("value", value))
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
        self._value = self._nearest(finite("value", value))
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
        if event != "change" or not is_number(value):
            return
        self._value = self._nearest(value)
        if self._value != value:
            # The client shows something else than what the program has.
            self._show()
        self._call(event, self._value, newest=True)


class Switch(Widget):
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


class Number(Widget):
    """Shows a number, which the program may change as often as it likes.

    >>> distance = Number("Distance", unit="cm")
    >>> distance.value = sensor.distance

    The newest is shown, 20 times a second at the most. None stands for "not known".
    """

    _kind = "number"

    def __init__(self, label: str, value: float | None = None, unit: str = "") -> None:
        self._value = shown(value)
        if len(str(unit)) > LONGEST_LABEL:
            raise ValueError("a unit may have %d characters" % LONGEST_LABEL)
        self._unit = _wire.text(unit)
        super().__init__(label)

    @property
    def value(self) -> float | None:
        """What it shows."""
        return self._value

    @value.setter
    def value(self, value: float | None) -> None:
        self._value = shown(value)
        self._show()

    @property
    def unit(self) -> str:
        """What stands behind the number."""
        return self._unit

    def _state(self) -> dict[str, Any]:
        return {"value": self._value, "unit": self._unit}


class Joystick(Widget):
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
        if is_number(x) and is_number(y):
            self._place = (_within_one(x), _within_one(y))
            self._call(event, *self._place, newest=True)


def _within_one(value: Value) -> float:
    return float(min(max(value, -1), 1))
