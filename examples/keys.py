# Drive a robot with the arrow keys. Escape ends the program.
#
# What it shows: the keyboard is in front of you, the program is on the device. A key that the
# program wants is a KeyboardButton, and the functions that you give it are called when that key is
# pressed and let go.
from threading import Event

from further_link import KeyboardButton


class Robot:
    """Stands for a real one, and prints what its motors would do."""

    def drive(self, left, right):
        print(f"motors: left {left:+.1f}, right {right:+.1f}")

    def stop(self):
        self.drive(0, 0)


def steer(key, left, right):
    button = KeyboardButton(key)
    button.when_pressed = lambda: robot.drive(left, right)
    button.when_released = robot.stop


robot = Robot()
steer("ArrowUp", 1, 1)
steer("ArrowDown", -1, -1)
steer("ArrowLeft", -0.5, 0.5)
steer("ArrowRight", 0.5, -0.5)

finished = Event()
KeyboardButton("Escape").when_pressed = finished.set

print("Drive with the arrow keys, end with Escape.")
finished.wait()
robot.stop()
