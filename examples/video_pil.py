# A ball that bounces through 40 pictures, as a video.
#
# What it shows: pictures that are drawn with PIL (pip install pillow) appear one after the other.
# send_image() takes each as it is; nothing has to be saved or converted.
import time

from further_link import send_image
from PIL import Image, ImageDraw

WIDTH, HEIGHT, RADIUS = 320, 240, 20

x, y = 40, 40
dx, dy = 8, 6

for number in range(1, 41):
    picture = Image.new("RGB", (WIDTH, HEIGHT), "navy")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS), fill="orange")
    draw.text((8, 8), f"picture {number}", fill="white")
    send_image(picture)

    x, y = x + dx, y + dy
    if not RADIUS <= x <= WIDTH - RADIUS:
        dx = -dx
    if not RADIUS <= y <= HEIGHT - RADIUS:
        dy = -dy
    time.sleep(0.02)

print("The ball has come to rest.")
