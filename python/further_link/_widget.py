"""What all widgets have in common, and what they do with numbers."""

from __future__ import annotations

import math
import os
import threading
from operator import index

from . import _wire
from ._callbacks import callbacks
from ._connection import current_connection, in_child, on_event
from ._outbox import outbox
from .keyboard import check_callback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Union

    Value = Union[int, float]

# Seconds between two messages of a widget, at least. A person sees no difference below that.
SEND_INTERVAL_SECONDS = 0.05
# Characters of a label. More than fits on any screen, and far below the limit of a message.
LONGEST_LABEL = 1000

_lock = threading.RLock()
# Those that are not removed: a widget stays, even if the program has no name for it.
_widgets: dict[str, Widget] = {}
_made = 0
# Makes the ids different from those of other processes of the program.
_prefix = ""


class Widget:
    """What all widgets have."""

    _kind = ""

    def __init__(self, label: str) -> None:
        if len(str(label)) > LONGEST_LABEL:
            raise ValueError("a label may have %d characters" % LONGEST_LABEL)
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
        connection = current_connection()
        if connection.listen():
            connection.want(_wire.WIDGET)
            outbox().put(("widget", self._id), self._messages, SEND_INTERVAL_SECONDS)

    def _messages(self) -> list[tuple[int, bytes]]:
        data: dict[str, Any] = {"id": self._id, "kind": self._kind}
        if self._removed:
            data["removed"] = True
        else:
            data["label"] = self._label
            data.update(self._state())
        return [(_wire.WIDGET.kind, _wire.to_json(data))]

    def _state(self) -> dict[str, Any]:
        """What the client has to know beside the label."""
        return {}

    def _on_event(self, event: str, value: Any) -> None:
        """The person has used it. The value may be anything: clients are not to be trusted."""

    def _listen(self) -> None:
        """Before something is read that the client may change: in a child, it is not heard yet."""
        current_connection().listen()

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


def is_number(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        # Whole numbers may have any length in JSON.
        and abs(value) <= 1e300
    )


def finite(what: str, value: Any) -> Value:
    """A number that the program has given, of numpy too."""
    number = shown(value)
    if number is None:
        raise ValueError("the %s of a slider is a number, not %r" % (what, value))
    try:
        # A whole number of numpy is no int.
        return int(index(value))
    except TypeError:
        return number


def shown(value: Any) -> float | None:
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


on_event(_wire.WIDGET, _on_widget_event)
in_child(_after_fork)
