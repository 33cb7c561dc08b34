"""A figure in interactive mode, and a program that waits for lines and never calls `plt.pause`."""

import matplotlib.pyplot as plt

plt.ion()
plt.figure(figsize=(2, 1))
axes = plt.axes((0, 0, 1, 1))
while colour := input("colour: "):
    axes.set_facecolor(colour)
print("end")
