# A program that starts another one, which shows pictures itself.
#
# What it shows: the programs that a program starts have the same connection to the page: their
# pictures are seen, and keys reach them. So a camera can be a program of its own.
import subprocess
import sys

CAMERA = """
import sys
from PIL import Image
from further_link import send_image

for line in sys.stdin:
    colour = line.strip()
    send_image(Image.new("RGB", (160, 120), colour))
    print("shown:", colour, flush=True)
"""

camera = subprocess.Popen(
    [sys.executable, "-c", CAMERA],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
)
for colour in "yellow", "purple":
    camera.stdin.write(colour + "\n")
    camera.stdin.flush()
    print("the camera says:", camera.stdout.readline().strip())

camera.stdin.close()
print("it ended with", camera.wait())
