# A first program: it asks, waits for an answer, and counts down.
# Paste it into the page, or let examples/client.py run it.
import time

name = input("What is your name? ")
print(f"Hello, {name}!")

for count in range(3, 0, -1):
    print(count)
    time.sleep(0.5)

print("Lift-off!")
