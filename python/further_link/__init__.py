"""Keys, pictures, sounds, plots and widgets for programs that Further Link runs.

from further_link import KeyboardButton, send_image, play, plot, Button, Slider

Nothing is loaded before it is used: a program that only wants a key does not wait for the rest.
"""

from ._version import __version__

# typing is not imported: it would be most of the time that `import further_link` takes.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

    from .keyboard import KeyboardButton
    from .plots import plot
    from .sound import play
    from .video import send_image
    from .widgets import Button, Joystick, Number, Slider, Switch

__all__ = [
    "Button",
    "Joystick",
    "KeyboardButton",
    "Number",
    "Slider",
    "Switch",
    "__version__",
    "play",
    "plot",
    "send_image",
]

# Where each public name lives.
_MODULE_OF_NAME = {
    "Button": "widgets",
    "Joystick": "widgets",
    "KeyboardButton": "keyboard",
    "Number": "widgets",
    "Slider": "widgets",
    "Switch": "widgets",
    "play": "sound",
    "plot": "plots",
    "send_image": "video",
}


def __getattr__(name: str) -> object:
    home = _MODULE_OF_NAME.get(name)
    if home is None:
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    from importlib import import_module

    value = getattr(import_module("." + home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> "List[str]":
    return sorted(set(globals()) | set(__all__))
