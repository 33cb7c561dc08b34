# Work for several processors: each process draws a picture, and shows it itself.
#
# What it shows: multiprocessing, with both ways of starting a process. "fork" copies the program as
# it is, "spawn" starts it anew, and then imports this file. That is why the work is behind
# `if __name__ == "__main__"`.
import multiprocessing
import os

from further_link import send_image
from PIL import Image


def show(colour):
    picture = Image.new("RGB", (100, 100), colour)
    send_image(picture)
    return colour, os.getpid()


if __name__ == "__main__":
    show("black")
    for method, colour in ("fork", "lime"), ("spawn", "blue"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            colour, process = pool.apply(show, [colour])
        print(f"{method}: {colour}, in another process: {process != os.getpid()}")
    show("white")
