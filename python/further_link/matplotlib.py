"""matplotlib's figures at the client, by `MPLBACKEND=module://further_link.matplotlib`.

Further Link sets that variable for programs whose client shows figures, and it is stronger than the
`backend` in a `matplotlibrc`. So a person who has chosen a backend there gets that one.
"""

from __future__ import annotations

import importlib
import os

import matplotlib

from ._version import __version__ as backend_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_BACKEND_NAME = "module://further_link.matplotlib"


def _choice() -> str | None:
    """The backend that a matplotlibrc of the person names, if there is one."""
    if os.environ.get("MPLBACKEND") != _BACKEND_NAME:
        # The program itself has chosen this one.
        return None
    path = os.path.realpath(matplotlib.matplotlib_fname())
    # Those of matplotlib and of the system are nobody's choice.
    for folder in (matplotlib.get_data_path(), "/etc"):
        if path.startswith(os.path.join(os.path.realpath(folder), "")):
            return None
    options = matplotlib.rc_params_from_file(path, fail_on_error=False, use_default_template=False)
    name = dict.get(options, "backend")
    return name if isinstance(name, str) and name != _BACKEND_NAME else None


def _load(name: str) -> ModuleType:
    if name.startswith("module://"):
        return importlib.import_module(name[len("module://") :])
    try:
        from matplotlib.backends.registry import backend_registry
    except ImportError:
        # matplotlib before 3.9.
        return importlib.import_module("matplotlib.backends.backend_" + name.lower())
    backend: ModuleType = backend_registry.load_backend_module(name)  # type: ignore[no-untyped-call]
    return backend


_chosen = _choice()
if _chosen is None:
    from ._backend import (
        draw_if_interactive,
        new_figure_manager,
        new_figure_manager_given_figure,
        show,
    )
    from ._figures import FigureCanvas, FigureManager

    __all__ = [
        "FigureCanvas",
        "FigureManager",
        "backend_version",
        "draw_if_interactive",
        "new_figure_manager",
        "new_figure_manager_given_figure",
        "show",
    ]
else:
    _backend = _load(_chosen)
    # matplotlib takes from a backend what is there: so this one has what the chosen one has.
    globals().update(
        (name, value) for name, value in vars(_backend).items() if not name.startswith("_")
    )
