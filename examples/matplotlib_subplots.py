# Four diagrams in one figure, and a program that does not wait for it.
#
# What it shows: with block=False the figure stays on the page while the program goes on.
import matplotlib.pyplot as plt
import numpy as np

random = np.random.default_rng(seed=1)
values = random.normal(size=500)

figure, axes = plt.subplots(2, 2, figsize=(8, 6), num="Measurements")
axes[0, 0].hist(values, bins=30)
axes[0, 1].bar(["Mon", "Tue", "Wed"], [3, 7, 5], color="green")
axes[1, 0].scatter(values[:-1], values[1:], s=4)
axes[1, 1].imshow(values.reshape(20, 25))
figure.tight_layout()
plt.show(block=False)

name = input("The figure is there. What shall it be called? ")
figure.suptitle(name)
figure.canvas.draw()
print("It is called", name)
