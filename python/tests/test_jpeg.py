"""What pictures become."""

from __future__ import annotations

import io
import sys
import types

import pytest

numpy = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from further_link import _jpeg  # noqa: E402


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(_jpeg, "_found", [])


def only(monkeypatch, *names):
    """Leave nothing but these encoders."""
    for name in _jpeg._ENCODERS_BY_MODULE:
        if name not in names:
            monkeypatch.setitem(sys.modules, name, None)


def has(name):
    try:
        module = __import__(name)
        if name == "turbojpeg":
            # The library in C is not part of it.
            module.TurboJPEG()
    except (ImportError, OSError, RuntimeError):
        return False
    return True


ARRAY_ENCODERS = [
    pytest.param(name, marks=pytest.mark.skipif(not has(name), reason=name + " is not installed"))
    for name in ("PIL.Image", "cv2", "simplejpeg", "turbojpeg")
]


def decoded(jpeg):
    image = Image.open(io.BytesIO(jpeg))
    assert image.format == "JPEG"
    image.load()
    return image


def near(colour, other, by=6):
    return all(abs(a - b) <= by for a, b in zip(colour, other))


def encode(frame):
    return decoded(_jpeg.Picture(frame).encode())


RED = (250, 20, 30)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"]
)
def test_every_mode_of_pil(mode):
    image = Image.new("RGB", (16, 12), RED)
    for step in {"La": ("LA", "La"), "RGBa": ("RGBA", "RGBa"), "PA": ("P", "PA")}.get(
        mode, (mode,)
    ):
        image = image.convert(step)
    result = encode(image)
    assert result.size == (16, 12)
    colour = result.convert("RGB").getpixel((8, 6))
    if mode in ("L", "LA", "La"):
        grey = Image.new("RGB", (1, 1), RED).convert("L").getpixel((0, 0))
        assert near(colour, (grey, grey, grey))
    elif mode == "1":
        assert colour[0] in range(256)
    else:
        # A palette has only some colours.
        assert near(colour, RED, by=40 if "P" in mode else 8)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "RGBa", "P"])
def test_what_is_transparent_becomes_white(mode):
    image = Image.new("RGBA", (32, 16), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 16, 16))
    if mode == "P":
        image = Image.new("P", (32, 16), 1)
        image.putpalette([0, 0, 0] * 256)
        image.paste(0, (0, 0, 16, 16))
        image.info["transparency"] = 1
    else:
        image = image.convert(mode)
    result = encode(image).convert("RGB")
    assert near(result.getpixel((4, 8)), (0, 0, 0))
    assert near(result.getpixel((28, 8)), (255, 255, 255))


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_modes_of_pil_with_large_numbers(mode):
    value = 0x80FF if mode == "I;16" else 128
    array = numpy.full((8, 8), value, {"I;16": "uint16", "I": "int32", "F": "float32"}[mode])
    image = Image.fromarray(array)
    assert image.mode == mode
    assert near([encode(image).convert("L").getpixel((4, 4))], [128])


@pytest.mark.parametrize("encoder", ARRAY_ENCODERS)
def test_arrays_are_blue_green_red(monkeypatch, encoder):
    only(monkeypatch, encoder)
    frame = numpy.zeros((12, 16, 3), numpy.uint8)
    frame[:] = RED[::-1]
    result = encode(frame)
    assert result.size == (16, 12)
    assert near(result.convert("RGB").getpixel((8, 6)), RED)


@pytest.mark.parametrize("encoder", ARRAY_ENCODERS)
def test_shapes_of_arrays(monkeypatch, encoder):
    only(monkeypatch, encoder)
    for shape in ((12, 16), (12, 16, 1)):
        result = encode(numpy.full(shape, 77, numpy.uint8))
        assert result.size == (16, 12)
        assert near([result.convert("L").getpixel((8, 6))], [77])
    frame = numpy.zeros((12, 16, 4), numpy.uint8)
    frame[:] = (*RED[::-1], 3)
    assert near(encode(frame).convert("RGB").getpixel((8, 6)), RED)


@pytest.mark.parametrize("encoder", ARRAY_ENCODERS)
def test_arrays_that_are_parts_of_others(monkeypatch, encoder):
    only(monkeypatch, encoder)
    rgb = numpy.zeros((40, 60, 3), numpy.uint8)
    rgb[:] = RED
    for frame in (rgb[:, :, ::-1], rgb[::-1, ::-1, ::-1], rgb[5:25:2, 3:40:3, ::-1]):
        assert near(encode(frame).convert("RGB").getpixel((2, 2)), RED)
    assert encode(numpy.asfortranarray(rgb)).size == (60, 40)
    frozen = rgb[:, :, ::-1].copy()
    frozen.flags.writeable = False
    encode(frozen)


@pytest.mark.parametrize(
    "dtype, value, expected",
    [
        ("bool", True, 255),
        ("bool", False, 0),
        ("float64", 0.5, 128),
        ("float32", 1.0, 255),
        ("float16", 0.25, 64),
        ("float64", 1.03, 255),
        ("float64", -0.03, 0),
        ("float64", float("nan"), 0),
        ("uint16", 0x80FF, 128),
        ("int64", 300, 255),
        ("int64", -5, 0),
        ("int32", 77, 77),
        ("uint32", 77, 77),
        ("int8", 77, 77),
    ],
)
def test_numbers_of_other_types(dtype, value, expected):
    for shape in ((8, 8), (8, 8, 3)):
        result = encode(numpy.full(shape, value, dtype))
        assert near([result.convert("L").getpixel((4, 4))], [expected], by=2)


@pytest.mark.parametrize("value", [128.0, 1.1, -0.1, float("inf")])
def test_fractions_beyond_1_are_a_mistake_worth_telling(value):
    with pytest.raises(ValueError, match=r"from 0 to 1, .* use frame.astype\('uint8'\)"):
        encode(numpy.full((8, 8, 3), value))


def test_what_the_program_has_is_not_changed():
    for frame in (
        numpy.full((8, 8, 4), 0.5),
        numpy.full((8, 8), 700, "int32"),
        numpy.full((8, 8, 3), 7, "uint8"),
    ):
        before = frame.copy()
        encode(frame)
        assert (frame == before).all()
    image = Image.new("RGBA", (8, 8), (1, 2, 3, 100))
    before = image.copy()
    encode(image)
    assert image.tobytes() == before.tobytes()


@pytest.mark.parametrize("shape", [(8,), (8, 8, 2), (8, 8, 5), (1, 8, 8, 3), (), (3, 8, 8)])
def test_shapes_that_are_no_picture(shape):
    with pytest.raises(ValueError, match=r"\(height, width, 3\); this one has the shape"):
        _jpeg.Picture(numpy.zeros(shape, numpy.uint8))


@pytest.mark.parametrize("shape", [(0, 8), (8, 0, 3)])
def test_empty_pictures(shape):
    with pytest.raises(ValueError, match="the picture is empty"):
        _jpeg.Picture(numpy.zeros(shape, numpy.uint8))


def test_sides_that_are_too_long():
    with pytest.raises(ValueError, match="65501 by 1 pixels; no side may have more than 65500"):
        _jpeg.Picture(numpy.zeros((1, 65501), numpy.uint8))
    with pytest.raises(ValueError, match="too large"):
        _jpeg.Picture(Image.new("L", (1, 65501)))
    assert encode(Image.new("L", (65500, 1))).size == (65500, 1)


@pytest.mark.parametrize("dtype", ["complex64", "S3", "U3", "datetime64[s]", "object"])
def test_numbers_that_are_none(dtype):
    with pytest.raises(TypeError, match="the numbers of a picture cannot be"):
        _jpeg.Picture(numpy.zeros((8, 8), dtype))


@pytest.mark.parametrize("frame", [None, 5, "picture.jpg", [[1, 2], [3, 4]], object()])
def test_what_is_no_picture(frame):
    with pytest.raises(TypeError, match="a picture is a PIL image or a numpy array"):
        _jpeg.Picture(frame)


def test_bytes_are_a_jpeg_file():
    jpeg = b"\xff\xd8\xff and so on"
    for frame in (jpeg, bytearray(jpeg), memoryview(jpeg)):
        assert _jpeg.Picture(frame).encode() == jpeg
        assert isinstance(_jpeg.Picture(frame).encode(), bytes)
    for frame in (b"", b"\xff\xd8", b"\x89PNG"):
        with pytest.raises(ValueError, match="not a JPEG file"):
            _jpeg.Picture(frame)


def test_objects_that_are_like_arrays():
    class Frame:
        def __array__(self, *_, **__):
            return numpy.full((8, 8), 77, numpy.uint8)

    assert near([encode(Frame()).getpixel((4, 4))], [77])


def test_quality_is_neither_coarse_nor_wasteful(monkeypatch):
    noise = numpy.random.RandomState(1).randint(0, 255, (480, 640, 3)).astype(numpy.uint8)
    smooth = numpy.zeros((480, 640, 3), numpy.uint8)
    smooth[:] = numpy.linspace(0, 255, 640).astype(numpy.uint8)[None, :, None]
    for name in ("PIL.Image", "cv2", "simplejpeg", "turbojpeg"):
        if has(name):
            with monkeypatch.context() as context:
                context.setattr(_jpeg, "_found", [])
                only(context, name)
                assert len(_jpeg.Picture(noise).encode()) < 350000
                result = numpy.asarray(encode(smooth).convert("RGB")).astype(int)
                assert abs(result - smooth).max() < 12


def test_without_an_encoder_it_says_what_to_install(monkeypatch):
    only(monkeypatch)
    with pytest.raises(ImportError, match=r"pip install pillow"):
        _jpeg.Picture(numpy.zeros((8, 8), numpy.uint8)).encode()


def fake(encode=lambda array, **options: b"\xff\xd8\xff" + array.tobytes()):
    """Modules that stand for encoders that are not installed here."""

    class TurboJPEG:
        def encode(self, array, quality, pixel_format="BGR", jpeg_subsample=None):
            assert quality == _jpeg.JPEG_QUALITY
            return encode(array, pixel_format=pixel_format, jpeg_subsample=jpeg_subsample)

    turbojpeg = types.ModuleType("turbojpeg")
    turbojpeg.TurboJPEG = TurboJPEG
    turbojpeg.TJPF_GRAY, turbojpeg.TJSAMP_GRAY, turbojpeg.TJSAMP_420 = "GRAY", "grey", "420"
    simplejpeg = types.ModuleType("simplejpeg")

    def encode_jpeg(array, quality, colorspace, colorsubsampling="444"):
        assert quality == _jpeg.JPEG_QUALITY and array.flags["C_CONTIGUOUS"]
        return encode(array, colorspace=colorspace, colorsubsampling=colorsubsampling)

    simplejpeg.encode_jpeg = encode_jpeg
    return {"simplejpeg": simplejpeg, "turbojpeg": turbojpeg}


@pytest.mark.parametrize(
    "name, grey, colour",
    [
        (
            "simplejpeg",
            {"colorspace": "GRAY", "colorsubsampling": "444"},
            {"colorspace": "BGR", "colorsubsampling": "420"},
        ),
        (
            "turbojpeg",
            {"pixel_format": "GRAY", "jpeg_subsample": "grey"},
            {"pixel_format": "BGR", "jpeg_subsample": "420"},
        ),
    ],
)
def test_other_encoders_get_what_they_expect(monkeypatch, name, grey, colour):
    calls = []

    def encode_as(array, **options):
        calls.append((array.shape, options))
        return b"\xff\xd8\xff"

    only(monkeypatch)
    monkeypatch.setitem(sys.modules, name, fake(encode_as)[name])
    assert _jpeg.Picture(numpy.zeros((4, 6), numpy.uint8)).encode() == b"\xff\xd8\xff"
    assert _jpeg.Picture(numpy.zeros((4, 6, 4), numpy.uint8)).encode() == b"\xff\xd8\xff"
    assert calls == [((4, 6, 1), grey), ((4, 6, 3), colour)]


def test_encoder_that_is_broken_is_passed_over(monkeypatch):
    only(monkeypatch, "PIL.Image")
    turbojpeg = fake()["turbojpeg"]

    def missing():
        raise RuntimeError("the library is not there")

    turbojpeg.TurboJPEG = missing
    monkeypatch.setitem(sys.modules, "turbojpeg", turbojpeg)
    encode(numpy.zeros((8, 8), numpy.uint8))


def test_encoder_that_is_loaded_already_is_preferred(monkeypatch):
    only(monkeypatch, "PIL.Image")
    monkeypatch.setitem(sys.modules, "simplejpeg", fake()["simplejpeg"])
    frame = numpy.full((4, 4), 65, numpy.uint8)
    assert _jpeg.Picture(frame).encode() == b"\xff\xd8\xff" + b"A" * 16


def test_without_pil_arrays_are_encoded_by_opencv(run):
    if not has("cv2"):
        pytest.skip("OpenCV is not installed")
    program = run(
        """
        import sys
        for name in ("PIL", "simplejpeg", "turbojpeg"):
            sys.modules[name] = None
        import numpy
        from further_link import _jpeg
        jpeg = _jpeg.Picture(numpy.zeros((8, 8, 3), numpy.uint8)).encode()
        print(jpeg[:3] == b"\\xff\\xd8\\xff", "cv2" in sys.modules)
        """
    )
    assert program.end() == 0, program.err
    assert program.out == "True True\n"


def test_nothing_is_loaded_for_bytes(run):
    program = run(
        """
        import sys
        import further_link
        further_link.send_image(b"\\xff\\xd8\\xff")
        print([name for name in ("numpy", "PIL", "cv2", "matplotlib") if name in sys.modules])
        """
    )
    assert program.end() == 0, program.err
    assert program.out == "[]\n"


def test_pil_while_another_thread_imports_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", types.ModuleType("PIL.Image"))
    _jpeg.Picture(numpy.zeros((8, 8), numpy.uint8))
    with pytest.raises(TypeError):
        _jpeg.Picture(5)


def test_encoder_while_another_thread_imports_it(tmp_path, monkeypatch):
    """It is in sys.modules already, and has nothing in it."""
    import threading

    only(monkeypatch)
    monkeypatch.delitem(sys.modules, "simplejpeg", raising=False)
    (tmp_path / "simplejpeg.py").write_text(
        "import builtins\n"
        "builtins.further_link_started.set()\n"
        "builtins.further_link_go_on.wait()\n"
        "def encode_jpeg(array, **options): return b'whole'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import builtins

    started, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(builtins, "further_link_started", started, raising=False)
    monkeypatch.setattr(builtins, "further_link_go_on", go_on, raising=False)
    importer = threading.Thread(target=lambda: __import__("simplejpeg"))
    importer.start()
    started.wait()
    picture = _jpeg.Picture(numpy.zeros((8, 8), numpy.uint8))
    results = []
    encoder = threading.Thread(target=lambda: results.append(picture.encode()))
    encoder.start()
    encoder.join(0.05)
    go_on.set()
    encoder.join()
    importer.join()
    assert results == [b"whole"]
