# Three figures at once.
#
# What it shows: plt.show() shows all figures, and goes on when the last one is closed. A program
# can be told when that happens, and can close figures itself.
import matplotlib.pyplot as plt

for power in 1, 2, 3:
    figure = plt.figure(power, figsize=(3, 2))
    plt.plot([x**power for x in range(10)])
    figure.canvas.manager.set_window_title(f"x to the power of {power}")
    figure.canvas.mpl_connect("close_event", lambda event, power=power: print("closed", power))

plt.show()
print("All are closed.")

plt.figure(4, figsize=(3, 2))
plt.plot([3, 1, 2])
plt.show(block=False)
plt.close(4)
print("The fourth, too.")
