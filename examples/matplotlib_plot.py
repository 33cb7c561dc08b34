# A diagram with matplotlib, as in every book about it.
#
# What it shows: plt.show() shows the diagram on the page, and goes on when you close it there.
# Nothing of Further Link has to be imported.
import matplotlib.pyplot as plt

distances = [0, 1, 2, 3, 4, 5]
heights = [0, 4, 6, 6, 4, 0]

plt.plot(distances, heights, "r-", linewidth=5)
plt.title("The way of a ball")
plt.xlabel("distance in m")
plt.ylabel("height in m")
plt.show()

print("You have closed the diagram.")
