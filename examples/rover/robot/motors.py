"""What moves."""


class Motors:
    """Stand for real ones, and know where they have gone."""

    def __init__(self, fastest):
        self.fastest = fastest
        self.position = 0.0
        self.steps = 0

    def drive(self, speed):
        self.position += min(speed, self.fastest)
        self.steps += 1

    def stop(self):
        print("stopped at", round(self.position, 1))
