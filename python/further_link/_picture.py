"""What is on the canvas of a figure, as a file."""

from __future__ import annotations

import os
from io import BytesIO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple

    from matplotlib.backends.backend_agg import FigureCanvasAgg

    # Width and height in pixels, and the file.
    File = Tuple[int, int, bytes]

# "png"; or "svg", which is larger, slower, and sharp in any size.
FIGURE_FORMAT = (
    "svg" if os.environ.get("FURTHER_LINK_FIGURE_FORMAT", "").lower() == "svg" else "png"
)
# Of 9. From 3 on a picture takes twice the time or more, and is hardly smaller.
_PNG_LEVEL = 2


class Picture:
    """What is on a canvas, taken from there so that the program may go on drawing."""

    def __init__(self, canvas: FigureCanvasAgg) -> None:
        if FIGURE_FORMAT == "svg":
            file = BytesIO()
            canvas.print_figure(file, format="svg")
            self._bytes = file.getvalue()
            self._size = canvas.get_width_height()
        else:
            view = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
            self._size = (view.shape[1], view.shape[0])
            self._bytes = bytes(view)

    def file(self, limit: int) -> File | None:
        """The file, which may take a while. None if it would have more bytes than this."""
        if FIGURE_FORMAT == "svg":
            return (*self._size, self._bytes) if len(self._bytes) <= limit else None
        from PIL import Image

        image = Image.frombuffer("RGBA", self._size, self._bytes, "raw", "RGBA", 0, 1)
        if image.getchannel("A").getextrema() == (255, 255):
            # A quarter less to compress.
            image = image.convert("RGB")
        while True:
            file = BytesIO()
            image.save(file, format="PNG", compress_level=_PNG_LEVEL)
            if file.tell() <= limit:
                return image.width, image.height, file.getvalue()
            if min(image.size) < 2:
                return None
            # No page shows that many pixels anyhow.
            image = image.resize((image.width // 2, image.height // 2))
