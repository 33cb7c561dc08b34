# Find a red ball in the pictures of a camera, and draw a frame around it.
#
# What it shows: OpenCV and numpy (pip install opencv-python-headless). Their pictures have blue
# first and red last, and send_image() knows that. With a real camera, the class Camera is
# cv2.VideoCapture(0), and the rest stays as it is.
import cv2
import numpy as np
from further_link import send_image


class Camera:
    """Makes pictures: a ball rolls over a grey table, and the light flickers."""

    def __init__(self):
        self.random = np.random.default_rng(seed=1)
        self.position = 40

    def read(self):
        frame = np.full((480, 640, 3), 128, dtype=np.uint8)
        frame += self.random.integers(0, 20, frame.shape, dtype=np.uint8)
        cv2.circle(frame, (self.position, 240), 30, (0, 0, 255), -1)
        self.position += 40
        return True, frame


camera = Camera()
for _ in range(15):
    good, frame = camera.read()
    if not good:
        break

    # Red is what has much red and little blue and green.
    mask = cv2.inRange(frame, (0, 0, 200), (80, 80, 255))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if contours:
        ball = max(contours, key=cv2.contourArea)
        left, top, width, height = cv2.boundingRect(ball)
        print(f"ball at x = {left + width // 2}")
        cv2.rectangle(frame, (left, top), (left + width, top + height), (0, 255, 0), 4)
    send_image(frame)
