"""Pictures for the client."""

from __future__ import annotations

from . import _jpeg, _wire
from ._connection import current_connection, warn
from ._outbox import outbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def send_image(
    frame: Any,
    format: str | None = None,  # noqa: A002 (programs use this name)
    kind: str | None = None,
) -> None:
    """Show a picture at the client.

    >>> send_image(camera.get_frame())

    `frame` is a PIL image, or a numpy array as OpenCV has them: blue, green, red (and alpha, which
    is left out), or only grey; whole numbers from 0 to 255, or fractions from 0 to 1. Bytes that
    already are a JPEG file are sent as they are.

    With `kind="latest"` the picture is encoded and sent in the background, and the program goes on
    at once. If it makes pictures quicker than they can be sent, old ones are left out; the last one
    is always sent. The picture is copied, so the program may go on drawing into it.

    `format` has no meaning any more.
    """
    if kind not in (None, "latest"):
        raise ValueError('kind is "latest" or nothing, not %r' % (kind,))
    picture = _jpeg.Picture(frame)
    if not current_connection().usable():
        return
    if kind is None:
        current_connection().send(_wire.VIDEO.kind, picture.encode())
        return
    picture.keep()

    def encode() -> list[tuple[int, bytes]]:
        try:
            jpeg = picture.encode()
            _wire.message(_wire.VIDEO.kind, jpeg)
        except Exception as error:
            # Nobody is there to whom it could be raised, and the next picture may have it too.
            warn("a picture could not be sent: %s" % error)
            return []
        return [(_wire.VIDEO.kind, jpeg)]

    outbox().put("video", encode, interval=0)
