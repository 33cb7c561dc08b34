"""send_image."""

from __future__ import annotations

import time

import pytest
from fake_server import VIDEO, wait_until

numpy = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

JPEG = b"\xff\xd8\xff"


def test_pictures_come_in_order(linked):
    from further_link import send_image

    for number in range(50):
        send_image(JPEG + b"%d" % number)
    assert linked.wait_for(VIDEO, 50) == [JPEG + b"%d" % number for number in range(50)]


def test_pil_image_and_an_array(linked):
    from further_link import send_image

    send_image(Image.new("RGB", (64, 48), "red"))
    send_image(numpy.zeros((48, 64, 3), numpy.uint8), format="OpenCV")
    send_image(frame=numpy.zeros((48, 64), numpy.uint8), format="PIL", kind=None)
    linked.wait_for(VIDEO, 3)


@pytest.mark.parametrize("kind", ["last", "", 1, True])
def test_kinds_that_there_are_not(linked, kind):
    from further_link import send_image

    with pytest.raises(ValueError, match='kind is "latest" or nothing'):
        send_image(JPEG, kind=kind)


@pytest.mark.parametrize("kind", [None, "latest"])
def test_mistakes_are_told_with_and_without_a_server(linked, monkeypatch, kind):
    from further_link import _connection, send_image

    for _ in range(2):
        with pytest.raises(TypeError, match="a picture is a PIL image"):
            send_image("picture.jpg", kind=kind)
        monkeypatch.delenv("FURTHER_LINK_CHANNEL")
        _connection._after_fork()
        monkeypatch.setenv("FURTHER_LINK_CHANNEL", "")


def test_picture_that_is_too_large(linked, capsys):
    from further_link import _outbox, send_image

    with pytest.raises(ValueError, match="too large to be sent: 8388609 bytes"):
        send_image(JPEG + bytes(8388606))
    send_image(JPEG + bytes(8388605))
    linked.wait_for(VIDEO)
    for _ in range(3):
        send_image(JPEG + bytes(8388606), kind="latest")
        assert _outbox.outbox().flush(60)
    send_image(JPEG, kind="latest")
    linked.wait_for(VIDEO, 2)
    assert capsys.readouterr().err == (
        "further_link: a picture could not be sent: this is too large to be sent: "
        "8388609 bytes, and 8388608 are the most\n"
    )


def test_latest_leaves_out_old_ones_and_does_not_hold_the_program_up(linked):
    from further_link import send_image

    send_image(JPEG, kind="latest")
    linked.wait_for(VIDEO)
    linked.may_read.clear()
    # Many times what a socket holds. It would not come to an end if it had to wait.
    for number in range(300):
        send_image(JPEG + bytes([number % 250]) * 1000000, kind="latest")
    send_image(JPEG + b"last", kind="latest")
    linked.may_read.set()
    wait_until(lambda: linked.of_kind(VIDEO)[-1] == JPEG + b"last")
    assert len(linked.of_kind(VIDEO)) < 100


def test_latest_is_not_held_up_by_what_others_wait_for(linked):
    import threading

    from further_link import Number, plot, send_image

    send_image(JPEG)
    number = Number("n")
    linked.wait_for(VIDEO)
    linked.may_read.clear()
    sender = threading.Thread(target=lambda: send_image(JPEG + bytes(5000000)), daemon=True)
    sender.start()
    from further_link import _connection

    wait_until(lambda: _connection.current_connection()._torn)
    for turn in range(100):
        send_image(JPEG + b"latest", kind="latest")
        number.value = turn
        plot("a", turn)
    assert sender.is_alive()
    linked.may_read.set()
    sender.join()
    wait_until(lambda: linked.of_kind(VIDEO)[-1] == JPEG + b"latest")


def test_latest_sends_all_of_a_slow_program(linked):
    from further_link import send_image

    for number in range(20):
        send_image(JPEG + b"%d" % number, kind="latest")
        wait_until(lambda number=number: JPEG + b"%d" % number in linked.of_kind(VIDEO))


def test_latest_takes_a_copy(linked):
    from further_link import _outbox, send_image

    outbox = _outbox.outbox()
    frames = [
        numpy.zeros((64, 64, 3), numpy.uint8),
        Image.new("RGB", (64, 64), "black"),
        bytearray(JPEG + b"black"),
    ]
    for number, frame in enumerate(frames):
        # Nothing is sent in the meantime.
        with outbox._changed:
            send_image(frame, kind="latest")
            if number == 0:
                frame[:] = 255
            elif number == 1:
                frame.paste("white", (0, 0, 64, 64))
            else:
                frame[3:] = b"white"
        linked.wait_for(VIDEO, number + 1)
    import io

    for jpeg in linked.of_kind(VIDEO)[:2]:
        assert Image.open(io.BytesIO(jpeg)).convert("L").getextrema()[1] < 10
    assert linked.of_kind(VIDEO)[2] == JPEG + b"black"


def test_last_one_is_sent_when_the_program_ends(server, run):
    program = run(
        """
        import numpy
        from further_link import send_image
        for number in range(20):
            send_image(numpy.full((480, 640, 3), 10 * number, numpy.uint8), kind="latest")
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.err == ""
    import io

    last = server.wait_for(VIDEO)[-1]
    wait_until(lambda: server.connection().closed)
    last = server.of_kind(VIDEO)[-1]
    assert abs(Image.open(io.BytesIO(last)).convert("L").getpixel((5, 5)) - 190) < 3


def test_end_of_a_program_waits_only_so_long(server, run):
    program = run(
        """
        from further_link import send_image
        send_image(b"\\xff\\xd8\\xff")
        print("ready")
        input()
        send_image(b"\\xff\\xd8\\xff" + bytes(8000000), kind="latest")
        print("sent")
        """,
        server,
    )
    program.wait_for("ready")
    server.wait_for(VIDEO)
    server.may_read.clear()
    program.line()
    program.wait_for("sent")
    start = time.monotonic()
    # Nothing is taken; it ends all the same.
    assert program.end() == 0, program.err
    assert program.err == ""
    # 2 s, and less than the 10 s for which it would go on working.
    assert time.monotonic() - start < 8


def test_in_the_last_moments_of_a_program(server, run):
    """Python starts no threads any more then."""
    program = run(
        """
        import atexit
        from further_link import KeyboardButton, Number, plot, send_image
        @atexit.register
        def stop():
            send_image(b"\\xff\\xd8\\xffstopped", kind="latest")
            # More than one message: the later ones have to wait for their time.
            for point in range(1000):
                plot("a", point, point)
            Number("n").value = 3
            KeyboardButton("a")
            print("stopped")
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.out == "stopped\n"
    assert program.err == ""
    wait_until(lambda: server.connection().closed)
    assert server.of_kind(VIDEO) == [JPEG + b"stopped"]
    assert server.series("a", "a")[1] == list(range(1000))
    assert server.widgets()["n"]["value"] == 3


def test_signal_handler_that_stops_the_program(server, run):
    program = run(
        """
        import signal, sys
        from further_link import Number, send_image
        number = Number("state")
        def stop(*_):
            number.value = 7
            send_image(b"\\xff\\xd8\\xffstopped", kind="latest")
            sys.exit(3)
        signal.signal(signal.SIGTERM, stop)
        print("ready")
        while True:
            number.value = 1
            send_image(b"\\xff\\xd8\\xff" + bytes(1000), kind="latest")
        """,
        server,
    )
    program.wait_for("ready")
    server.wait_for(VIDEO)
    program.process.terminate()
    assert program.end() == 3
    assert program.err == ""
    wait_until(lambda: server.connection().closed)
    assert server.of_kind(VIDEO)[-1] == JPEG + b"stopped"
    assert server.widgets()["state"]["value"] == 7
