"""Measures until the person closes the figure: the usual loop with `plt.fignum_exists`."""

import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(3, 2))
(line,) = axes.plot([], [])
axes.set_xlim(0, 1000)
axes.set_ylim(0, 10)
plt.show(block=False)

count = 0
while plt.fignum_exists(figure.number):
    count += 1
    line.set_data(range(count), [x % 10 for x in range(count)])
    figure.canvas.draw_idle()
    plt.pause(0.02)

print("closed after", count > 1)
