"""The parts of the rover."""

from .motors import Motors
from .sensors import DistanceSensor

__all__ = ["DistanceSensor", "Motors"]
