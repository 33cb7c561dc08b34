"""A program from the days of the older package: it is run with that installed, and with ours."""

from threading import Event

from further_link import KeyboardButton, __version__, send_image
from PIL import Image

finished = Event()

space = KeyboardButton(" ")
up = KeyboardButton("ArrowUp")
up.when_pressed = lambda: print("up", space.is_pressed)
up.when_released = finished.set

send_image(Image.new("RGB", (64, 48), "teal"), format="PIL")
print("version", __version__)
finished.wait()
print("end")
