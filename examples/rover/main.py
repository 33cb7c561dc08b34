# A program of several files: a rover that keeps away from a wall.
#
# What it shows: files in the folder of a program can be imported and opened by their names, as the
# program runs in its folder. Start this one with its path: rover/main.py
import json

from further_link import plot
from robot import DistanceSensor, Motors

with open("settings.json", encoding="utf-8") as file:
    settings = json.load(file)

motors = Motors(settings["fastest"])
sensor = DistanceSensor(motors, settings["wall"])

while (distance := sensor.read()) > settings["closest"]:
    motors.drive(distance / 10)
    plot("Distance to the wall", motors.position, distance)
motors.stop()

print(f"{distance:.1f} cm from the wall after {motors.steps} steps")
