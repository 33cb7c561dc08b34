"""What measures."""


class DistanceSensor:
    """Stands for a real one: it looks ahead, at a wall."""

    def __init__(self, motors, wall):
        self._motors = motors
        self._wall = wall

    def read(self):
        return self._wall - self._motors.position
