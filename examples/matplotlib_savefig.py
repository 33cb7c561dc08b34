# A diagram that goes into a file, and is not shown.
#
# What it shows: plt.savefig() writes the file on the device, beside the program.
import matplotlib.pyplot as plt

plt.pie([5, 3, 2], labels=["sunny", "cloudy", "rainy"])
plt.savefig("weather.png", dpi=50)
plt.savefig("weather.svg")

print("weather.png and weather.svg are written.")
