"""Makes a JPEG file of whatever picture a program has, with whatever can do that.

Nothing is imported that the program has not installed itself, and nothing before it is needed.
"""

from __future__ import annotations

import importlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

# Of 100. Below about 75 the edges of drawings get visibly dirty, above about 85 files grow quickly.
JPEG_QUALITY = 80
# The most that JPEG libraries write in each direction, in pixels.
_SIDE_MAX_PIXELS = 65500
# How much above 1 a picture of fractions may be: resizing and filters overshoot a little.
_FRACTION_OVERSHOOT = 0.05

NO_ENCODER = (
    "to send this picture a JPEG encoder is needed, and none is installed: "
    "install Pillow (pip install pillow) or OpenCV (pip install opencv-python-headless)"
)


class Picture:
    """A frame of a program that was found to be a picture."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        # If another thread is importing it just now, then there are no such images yet.
        pil_image = getattr(sys.modules.get("PIL.Image"), "Image", ())
        if isinstance(frame, (bytes, bytearray, memoryview)):
            if bytes(frame[:3]) != b"\xff\xd8\xff":
                raise ValueError("these bytes are not a JPEG file")
            self._encode: Callable[[Any], bytes] = bytes
        elif isinstance(frame, pil_image):
            self._encode = _encode_pil_image
            _check_size(*frame.size)
        elif hasattr(frame, "__array_interface__") or hasattr(frame, "__array__"):
            import numpy

            self._frame = numpy.asarray(frame)
            self._encode = _encode_array
            _check_array(self._frame)
        else:
            raise TypeError(
                "a picture is a PIL image or a numpy array (OpenCV), not %s" % type(frame).__name__
            )

    def keep(self) -> None:
        """Take a copy, so that the program may change its own."""
        if self._encode is bytes:
            self._frame = bytes(self._frame)
        else:
            self._frame = self._frame.copy()

    def encode(self) -> bytes:
        """The JPEG file."""
        return self._encode(self._frame)


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ValueError("the picture is empty: %d by %d pixels" % (width, height))
    if max(width, height) > _SIDE_MAX_PIXELS:
        raise ValueError(
            "the picture is too large: %d by %d pixels; no side may have more than %d"
            % (width, height, _SIDE_MAX_PIXELS)
        )


def _check_array(array: Any) -> None:
    shape = array.shape
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise ValueError(
            "an array is a picture if its shape is (height, width), or (height, width, 3); "
            "this one has the shape %r" % (shape,)
        )
    _check_size(shape[1], shape[0])
    if array.dtype.kind not in "buif":
        raise TypeError("the numbers of a picture cannot be %s" % array.dtype)


# PIL images


def _encode_pil_image(image: Any) -> bytes:
    from io import BytesIO

    file = BytesIO()
    _as_jpeg_mode(image).save(file, format="JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def _as_jpeg_mode(image: Any) -> Any:
    if image.mode in ("RGB", "L"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode.startswith("I;16"):
        # Sixteen bits, as of a depth camera. PIL would make everything above 255 white.
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("I", "F"):
        return image.convert("L")
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        # JPEG knows nothing transparent. White is what most pages would show behind it.
        from PIL import Image

        if image.mode == "La":
            image = image.convert("LA")
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, (0, 0), image)
        return white
    return image.convert("RGB")


# Arrays


def _encode_array(array: Any) -> bytes:
    array = _as_bytes_of_colours(array)
    if not _found:
        _found.append(_find_encoder())
    return _found[0](array)


def _as_bytes_of_colours(array: Any) -> Any:
    """A contiguous array of uint8, of shape (height, width) or (height, width, 3)."""
    import numpy

    if array.ndim == 3:
        if array.shape[2] == 1:
            array = array[:, :, 0]
        elif array.shape[2] == 4:
            array = array[:, :, :3]
    kind = array.dtype.kind
    if kind == "b":
        array = array.astype(numpy.uint8) * 255
    elif kind == "f":
        array = numpy.nan_to_num(array, nan=0.0)
        if array.min() < -_FRACTION_OVERSHOOT or array.max() > 1 + _FRACTION_OVERSHOOT:
            raise ValueError(
                "a picture of fractions has numbers from 0 to 1, and this one from %g to %g; "
                "if they are meant from 0 to 255, use frame.astype('uint8')"
                % (array.min(), array.max())
            )
        array = (array.clip(0, 1) * 255 + 0.5).astype(numpy.uint8)
    elif array.dtype == numpy.uint16:
        # The other size of a channel that OpenCV knows.
        array = (array >> 8).astype(numpy.uint8)
    elif array.dtype != numpy.uint8:
        # What calculating with a picture makes of it.
        array = array.clip(0, 255).astype(numpy.uint8)
    return numpy.ascontiguousarray(array)


def _with_opencv(cv2: Any) -> Callable[[Any], bytes]:
    def encode(array: Any) -> bytes:
        good, data = cv2.imencode(".jpg", array, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not good:
            raise ValueError("OpenCV cannot encode this picture")
        return bytes(data)

    return encode


def _with_pil(pil: Any) -> Callable[[Any], bytes]:
    def encode(array: Any) -> bytes:
        # OpenCV has blue first, PIL red.
        return _encode_pil_image(pil.fromarray(array if array.ndim == 2 else array[:, :, ::-1]))

    return encode


def _with_simplejpeg(simplejpeg: Any) -> Callable[[Any], bytes]:
    def encode(array: Any) -> bytes:
        if array.ndim == 2:
            array = array[:, :, None]
            return bytes(simplejpeg.encode_jpeg(array, quality=JPEG_QUALITY, colorspace="GRAY"))
        return bytes(
            simplejpeg.encode_jpeg(
                array, quality=JPEG_QUALITY, colorspace="BGR", colorsubsampling="420"
            )
        )

    return encode


def _with_turbojpeg(turbojpeg: Any) -> Callable[[Any], bytes]:
    # Raises an exception if the C library is missing.
    library = turbojpeg.TurboJPEG()

    def encode(array: Any) -> bytes:
        if array.ndim == 2:
            return bytes(
                library.encode(
                    array[:, :, None],
                    quality=JPEG_QUALITY,
                    pixel_format=turbojpeg.TJPF_GRAY,
                    jpeg_subsample=turbojpeg.TJSAMP_GRAY,
                )
            )
        return bytes(
            library.encode(array, quality=JPEG_QUALITY, jpeg_subsample=turbojpeg.TJSAMP_420)
        )

    return encode


# By module; in the order in which they are tried when the program has loaded none of them.
_ENCODERS_BY_MODULE: dict[str, Callable[[Any], Callable[[Any], bytes]]] = {
    "PIL.Image": _with_pil,
    "simplejpeg": _with_simplejpeg,
    "turbojpeg": _with_turbojpeg,
    "cv2": _with_opencv,
}
# Those that take OpenCV's order of colours, and so have less to do, come first if they are loaded.
_IF_LOADED = ("simplejpeg", "turbojpeg", "cv2", "PIL.Image")

# The encoder that was found; empty until one is needed.
_found: list[Callable[[Any], bytes]] = []


def _find_encoder() -> Callable[[Any], bytes]:
    for name in _IF_LOADED:
        if sys.modules.get(name) is not None:
            encoder = _try(name)
            if encoder is not None:
                return encoder
    for name in _ENCODERS_BY_MODULE:
        encoder = _try(name)
        if encoder is not None:
            return encoder
    raise ImportError(NO_ENCODER)


def _try(name: str) -> Callable[[Any], bytes] | None:
    try:
        # Also if it is loaded: another thread may be in the midst of that, and this waits for it.
        return _ENCODERS_BY_MODULE[name](importlib.import_module(name))
    except Exception:
        # Not installed; or installed, but its libraries are not.
        return None
