"""What works on a device where nobody has installed anything, by what the server has brought."""

import further_link
from further_link import KeyboardButton, plot, send_image

print(further_link.__version__)
print(further_link.__file__)

KeyboardButton("x")
plot("Numbers", [3, 1, 2])
send_image(b"\xff\xd8\xff\xe0 the beginning of a JPEG file")

for picture in "no picture", b"no JPEG file":
    try:
        send_image(picture)
    except (TypeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}")
