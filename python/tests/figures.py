"""What the tests of matplotlib's backend share."""

from __future__ import annotations

import io

import pytest
from fake_server import FIGUREEVENT, wait_until

Image = pytest.importorskip("PIL.Image")

BACKEND = "module://further_link.matplotlib"


def close(server, data):
    for connection in server.connections:
        connection.send(FIGUREEVENT, {"id": data["id"], "event": "close"})


def picture(image):
    loaded = Image.open(io.BytesIO(image))
    assert loaded.format == "PNG"
    loaded.load()
    return loaded.convert("RGB")


def share_of(image, colour):
    pixels = picture(image)
    same = sum(count for count, a_colour in pixels.getcolors(1 << 24) if a_colour == colour)
    return same / (pixels.width * pixels.height)


def wait_for_share(server, colour, at_least=0.2, figure=None):
    """Wait until the newest picture shows this colour."""

    def shown():
        pictures = [
            image
            for data, image in server.figures()
            if image and (figure is None or data["figure"] == figure)
        ]
        return bool(pictures) and share_of(pictures[-1], colour) >= at_least

    wait_until(shown, "a picture in %r" % (colour,))


RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)

# A figure of one colour: so a test sees what is drawn.
FILL = """
import matplotlib.pyplot as plt
def fill(colour, figure=None):
    figure = figure or plt.gcf()
    figure.patch.set_facecolor(colour)
    return figure
"""
