"""Keys that are pressed at the client."""

from __future__ import annotations

import threading

from . import _wire
from ._callbacks import callbacks
from ._connection import current_connection, in_child, on_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


class KeyboardButton:
    """A key of the keyboard in front of which the person sits.

    >>> up = KeyboardButton("ArrowUp")
    >>> up.when_pressed = robot.forward
    >>> up.when_released = robot.stop

    The name of a key is what a browser calls it: "a", "A", "ArrowUp", "Enter", " " (space).

    The functions are called in a thread of their own, one after the other. They do not keep the
    program from ending: one that only waits for keys has `signal.pause()` as its last line. After a
    fork they are called in the process that has set them.
    """

    def __init__(self, key: str) -> None:
        if not isinstance(key, str):
            raise TypeError("a key is a text such as 'ArrowUp', not %r" % (key,))
        if not key:
            raise ValueError("a key has a name: ' ' is the space key")
        name = key.encode("utf-8")
        if len(name) > _wire.KEYS.max_bytes:
            raise ValueError("there is no key with a name as long as this")
        self.key = key
        self._when_pressed: Callable[[], Any] | None = None
        self._when_released: Callable[[], Any] | None = None
        _listen(key)

    def __repr__(self) -> str:
        return "KeyboardButton(%r)" % self.key

    @property
    def is_pressed(self) -> bool:
        """Whether the key is held down now."""
        return _listen(self.key).pressed

    @property
    def when_pressed(self) -> Callable[[], Any] | None:
        """The function that is called when the key is pressed. None: there is none."""
        return self._when_pressed

    @when_pressed.setter
    def when_pressed(self, function: Callable[[], Any] | None) -> None:
        self._when_pressed = check_callback(function)
        self._enter()

    @property
    def when_released(self) -> Callable[[], Any] | None:
        """The function that is called when the key is let go. None: there is none."""
        return self._when_released

    @when_released.setter
    def when_released(self, function: Callable[[], Any] | None) -> None:
        self._when_released = check_callback(function)
        self._enter()

    def _enter(self) -> None:
        state = _listen(self.key)
        with _lock:
            wanted = self._when_pressed is not None or self._when_released is not None
            buttons = [button for button in state.buttons if button is not self]
            if wanted:
                # Where it was: its turn stays the same when it gets another function.
                place = len(buttons)
                if self in state.buttons:
                    place = state.buttons.index(self)
                buttons.insert(place, self)
            state.buttons = buttons


def check_callback(function: Any) -> Any:
    """A function that the program has given, or None; anything else is a mistake worth telling."""
    if function is not None and not callable(function):
        raise TypeError(
            "this needs a function, without brackets behind its name, not %r" % (function,)
        )
    return function


class _Key:
    """What all buttons for one key share."""

    def __init__(self) -> None:
        self.pressed = False
        # Only those that have something to call: so a button that is made again and again in a
        # loop, to ask whether it is pressed, costs no memory.
        self.buttons: list[KeyboardButton] = []


_lock = threading.RLock()
_keys: dict[str, _Key] = {}


def _listen(key: str) -> _Key:
    """The state of a key, which the server is asked for if it was not yet."""
    connection = current_connection()
    state = _keys.get(key)
    if state is not None:
        return state
    with _lock:
        state = _keys.get(key)
        if state is None:
            # It is there before the server is asked: the answer may come at once.
            state = _keys[key] = _Key()
            try:
                if connection.listen():
                    connection.keep(_wire.KEYS.kind, key.encode("utf-8"))
            except BaseException:
                # Ctrl-C. The next one who wants this key asks again.
                del _keys[key]
                raise
    return state


def _on_key_event(event: dict[str, Any]) -> None:
    key = event.get("key")
    state = _keys.get(key) if isinstance(key, str) else None
    what = event.get("event")
    if state is None or what not in ("keydown", "keyup"):
        return
    state.pressed = what == "keydown"
    for button in state.buttons:
        function = button.when_pressed if state.pressed else button.when_released
        if function is not None:
            callbacks().add(function)


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()
    # What the parent has set is called in the parent. Asking for a key begins anew.
    _keys.clear()


on_event(_wire.KEYS, _on_key_event)
in_child(_after_fork)
