# A video in one thread, and keys in another. "q" ends the program.
#
# What it shows: all threads of a program may use the package. Here one thread shows what a robot
# sees, and the main one asks again and again which keys are held down.
import threading
import time

from further_link import KeyboardButton, send_image
from PIL import Image

position = 50
finished = threading.Event()


def show_video():
    while not finished.is_set():
        picture = Image.new("RGB", (200, 100), "white")
        picture.paste("red", (position - 10, 40, position + 10, 60))
        send_image(picture)
        time.sleep(0.03)


video = threading.Thread(target=show_video)
video.start()

left = KeyboardButton("a")
right = KeyboardButton("d")
end = KeyboardButton("q")
while not end.is_pressed:
    if left.is_pressed:
        position = max(position - 5, 10)
    if right.is_pressed:
        position = min(position + 5, 190)
    time.sleep(0.01)

finished.set()
video.join()
print("The robot stands at", position)
