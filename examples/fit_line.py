# Draws the best line through points that you type in.
#
# What it shows: a conversation with input(), and a calculation with numpy (pip install numpy).
import numpy as np

print("Type points such as: 2 5.1    An empty line ends it.")
points = []
while True:
    line = input("point: ")
    if not line:
        break
    try:
        x, y = map(float, line.split())
    except ValueError:
        print("A point is two numbers with a space between them.")
        continue
    points.append((x, y))

xs, ys = np.array(points).T
slope, start = np.polyfit(xs, ys, 1)
print(f"y = {slope:.2f} x + {start:.2f}")
print(f"largest distance: {np.abs(slope * xs + start - ys).max():.2f}")
