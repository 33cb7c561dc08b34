# The curve of a sensor, drawn while it is measured.
#
# What it shows: plot() adds points to a curve. It is quick enough for a loop that measures 1000
# times a second, and needs no other package.
import math
import time

from further_link import plot


def temperature(seconds):
    """Stands for a sensor: a room that is heated, and its door that opens now and then."""
    return 20 + 3 * (1 - math.exp(-seconds)) + 0.5 * math.sin(20 * seconds)


start = time.monotonic()
for number in range(100):
    seconds = time.monotonic() - start

    # Only a value: it is drawn over the time.
    plot("Temperature", temperature(seconds))

    # x, and several curves with names. The last 50 points of each stay.
    plot("Position", number, roll=math.sin(number / 10), pitch=math.cos(number / 10), window=50)
    time.sleep(0.005)

print("100 points")
