# A control panel: a slider, a switch, a joystick, a display and two buttons.
#
# What it shows: the page gets what you create here, and the person in front of it uses it. Ask for
# a value when you need it (stick.x), or have a function called when it changes.
import time
from threading import Event

from further_link import Button, Joystick, Number, Slider, Switch

speed = Slider("Speed", 0, 100, value=50)
light = Switch("Light")
stick = Joystick("Drive")
battery = Number("Battery", 12.6, unit="V")
horn = Button("Horn")
off = Button("Switch off")

finished = Event()
off.when_pressed = finished.set
horn.when_pressed = lambda: print("beep")
horn.when_released = lambda: print("quiet")
light.when_changed = lambda on: print("light", "on" if on else "off")
speed.when_changed = lambda value: print("speed", value)

before = (0, 0)
while not finished.is_set():
    left = speed.value * (stick.y + stick.x)
    right = speed.value * (stick.y - stick.x)
    if (left, right) != before:
        print(f"motors: {left:.0f} {right:.0f}")
        battery.value = round(battery.value - 0.1, 1)
        before = (left, right)
    time.sleep(0.01)

for widget in speed, light, stick, battery, horn, off:
    widget.remove()
print("switched off")
