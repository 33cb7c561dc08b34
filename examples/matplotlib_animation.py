# A wave that moves: an animation of matplotlib.
#
# What it shows: FuncAnimation calls update() again and again while plt.show() waits. It ends when
# you close the figure.
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation

x = np.linspace(0, 2 * np.pi, 100)
figure, axes = plt.subplots(figsize=(4, 3))
(line,) = axes.plot(x, np.sin(x), linewidth=4)


def update(number):
    line.set_ydata(np.sin(x + number / 5))
    return [line]


animation = FuncAnimation(figure, update, interval=50, blit=True, cache_frame_data=False)
plt.show()
print("The wave is over.")
