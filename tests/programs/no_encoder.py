"""An array as a picture where numpy is installed, and nothing that makes JPEG files."""

import numpy
from further_link import send_image

try:
    send_image(numpy.zeros((2, 2, 3), dtype=numpy.uint8))
except ImportError as error:
    print(error)
