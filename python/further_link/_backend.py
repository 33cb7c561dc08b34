"""The functions by which pyplot uses the figures of `_figures`."""

from __future__ import annotations

from matplotlib import is_interactive
from matplotlib._pylab_helpers import Gcf
from matplotlib.figure import Figure

from ._connection import current_connection
from ._figures import FigureCanvas, FigureManager, close, draw_what_is_due
from ._loop import client_shows_figures, loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def new_figure_manager(
    num: int,
    *arguments: Any,
    FigureClass: Any = Figure,  # noqa: N803 (pyplot calls it so)
    **options: Any,
) -> FigureManager:
    """Make a figure."""
    return new_figure_manager_given_figure(num, FigureClass(*arguments, **options))


def new_figure_manager_given_figure(num: int, figure: Figure) -> FigureManager:
    """Make what shows this figure."""
    manager = FigureManager(FigureCanvas(figure), num)
    if is_interactive():
        manager.appear()
    return manager


def draw_if_interactive() -> None:
    """In interactive mode, show what has changed."""
    manager = Gcf.get_active()
    if is_interactive() and manager is not None:
        manager.canvas.draw_idle()


def show(*arguments: Any, block: bool | None = None, **options: Any) -> None:
    """Show all figures. With `block`, wait until the person has closed them.

    If `block` is not said, it waits unless matplotlib is in interactive mode (`plt.ion()`).
    """
    if arguments:
        block = arguments[0]
    managers = Gcf.get_all_fig_managers()
    for manager in managers:
        manager.show()
    loop.take_closings(close)
    if block is None:
        block = not is_interactive()
    if not managers or not block or not client_shows_figures():
        return

    def done() -> bool:
        return not Gcf.get_all_fig_managers() or current_connection().gone

    loop.run(done, close, draw_what_is_due)
