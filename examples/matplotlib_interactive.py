# A diagram that grows while the program measures.
#
# What it shows: matplotlib's interactive mode. plt.ion() shows every change, and plt.pause() gives
# matplotlib the time to draw it. (plot() in live_plot.py does this with less work.)
import matplotlib.pyplot as plt

plt.ion()
figure, axes = plt.subplots(figsize=(4, 3))
times, values = [], []

for second in range(10):
    times.append(second)
    values.append(second**2)
    axes.clear()
    axes.plot(times, values, "o-")
    axes.set_title(f"after {second} s")
    plt.pause(0.05)

print("measured", values[-1])
