# A robot that switches its motors off when you press Stop.
#
# What it shows: Stop sends the program the signal SIGTERM, and then it has 2 seconds to finish.
# Without this function, it would end at once, and the motors would go on.
import signal
import sys
import time

from further_link import send_image
from PIL import Image


def switch_off(number, frame):
    print("motors off")
    send_image(Image.new("RGB", (80, 60), "red"))
    sys.exit(0)


signal.signal(signal.SIGTERM, switch_off)

send_image(Image.new("RGB", (80, 60), "green"))
print("motors on")
while True:
    time.sleep(1)
