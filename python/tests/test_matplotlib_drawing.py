"""The backend of matplotlib: animations, timers, threads, files, and whose choice it is."""

from __future__ import annotations

import io
import time

import pytest
from fake_server import FIGURE, wait_until
from figures import (
    BACKEND,
    BLUE,
    FILL,
    Image,
    close,
    picture,
    wait_for_share,
)

pytestmark = pytest.mark.slow

pytest.importorskip("matplotlib")


ANIMATION = """
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation
figure, axes = plt.subplots()
line, = axes.plot([], [], "b")
axes.set_xlim(0, 100)
axes.set_ylim(0, 100)
frames = []
def update(number):
    frames.append(number)
    line.set_data([0, number], [0, number])
    return [line]
animation = FuncAnimation(figure, update, frames=100, interval=10, blit=%s)
plt.show()
print(len(frames))
"""


@pytest.mark.parametrize("blit", [False, True])
def test_animations_run_while_show_waits(server, draw, blit):
    start = time.monotonic()
    program = draw(ANIMATION % blit, server)
    wait_until(lambda: len({image for _, image in server.figures()}) >= 5)
    close(server, server.figures()[0][0])
    assert program.end() == 0, program.err
    assert program.err == ""
    assert int(program.out) >= 5
    wait_until(lambda: server.connection().closed)
    assert len(server.figures()) <= 3 + (time.monotonic() - start) / 0.05
    assert server.figures()[-1][0]["closed"] is True


def test_mistake_in_an_animation_is_told_and_the_figure_stays(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        from matplotlib.animation import FuncAnimation
        figure = plt.figure()
        count = 0
        def update(number):
            global count
            count += 1
            if count >= 5:
                raise ValueError("a mistake")
            return []
        animation = FuncAnimation(figure, update, frames=100, interval=1)
        # It goes on for long enough for many pictures more.
        timer = figure.canvas.new_timer(interval=20, callbacks=[(print, ("tick",), {})])
        timer.start()
        plt.show()
        print("closed")
        """,
        server,
    )
    wait_until(lambda: "ValueError: a mistake" in program.err)
    ticks = program.out.count("tick")
    wait_until(lambda: program.out.count("tick") > ticks + 5)
    server.wait_for(FIGURE)
    assert program.process.poll() is None
    close(server, server.figures()[0][0])
    assert program.end() == 0, program.err
    assert program.out.endswith("closed\n")
    assert program.err.count("ValueError: a mistake") == 1


def test_timers(server, draw):
    program = draw(
        """
        import time
        import matplotlib.pyplot as plt
        figure = plt.figure()
        calls, start = [], time.monotonic()
        once = figure.canvas.new_timer(interval=1)
        once.single_shot = True
        once.add_callback(lambda: calls.append("once"))
        often = figure.canvas.new_timer(interval=20, callbacks=[(calls.append, ("often",), {})])
        three = figure.canvas.new_timer(5)
        left = [3]
        def limited():
            calls.append("three")
            left[0] -= 1
            return left[0] > 0
        three.add_callback(limited)
        never = figure.canvas.new_timer(1)
        never.add_callback(calls.append, "never")
        never.start()
        never.stop()
        end = figure.canvas.new_timer(interval=200)
        end.add_callback(plt.close)
        for timer in (once, often, three, end):
            timer.start()
        plt.show()
        elapsed = time.monotonic() - start
        assert elapsed >= 0.2, elapsed
        assert calls.count("once") == 1, calls
        assert calls.count("three") == 3, calls
        assert calls.count("never") == 0, calls
        assert 3 <= calls.count("often") <= 1 + elapsed / 0.02, calls
        print("good")
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.out == "good\n"


def test_program_may_change_the_interval_of_a_timer(server, draw):
    program = draw(
        """
        import time
        import matplotlib.pyplot as plt
        figure = plt.figure()
        timer = figure.canvas.new_timer(interval=3600000)
        timer.add_callback(plt.close)
        timer.start()
        other = figure.canvas.new_timer(interval=1)
        def hurry():
            timer.interval = 1
        other.add_callback(hurry)
        other.start()
        plt.show()
        """,
        server,
    )
    assert program.end() == 0, program.err


def test_event_loops_end(server, draw):
    program = draw(
        """
        import threading, time
        import matplotlib.pyplot as plt
        figure = plt.figure()
        plt.show(block=False)
        start = time.monotonic()
        figure.canvas.start_event_loop(0.05)
        assert time.monotonic() - start >= 0.05
        timer = figure.canvas.new_timer(interval=10)
        timer.add_callback(figure.canvas.stop_event_loop)
        timer.start()
        figure.canvas.start_event_loop()
        figure.canvas.start_event_loop(-1)
        timer.stop()
        threading.Thread(target=figure.canvas.stop_event_loop).start
        print("looping")
        figure.canvas.start_event_loop(0)
        print("closed")
        """,
        server,
    )
    program.wait_for("looping")
    server.wait_for(FIGURE)
    close(server, server.figures()[0][0])
    assert program.end() == 0, program.err
    assert program.out == "looping\nclosed\n"


def test_show_from_within_show(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        figure = plt.figure()
        timer = figure.canvas.new_timer(interval=1)
        def inner():
            timer.stop()
            plt.figure()
            plt.pause(0.01)
            plt.close(2)
            plt.close(1)
        timer.add_callback(inner)
        timer.start()
        plt.show()
        print("done")
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.out == "done\n"
    assert program.err == ""


def test_savefig_is_what_it_always_was(server, draw, tmp_path):
    code = """
    import sys
    import matplotlib
    import matplotlib.pyplot as plt
    plt.plot([1, 2, 3])
    if matplotlib.get_backend() != "agg":
        plt.show(block=False)
    for suffix in ("png", "svg", "pdf", "jpg"):
        plt.savefig(sys.argv[0] + "." + suffix, dpi=50)
    plt.savefig(sys.argv[0] + ".tight.png", bbox_inches="tight", facecolor="red")
    assert plt.gcf().dpi == 100
    """
    ours = draw(code, server)
    assert ours.end() == 0, ours.err
    theirs = draw(code, MPLBACKEND="agg")
    assert theirs.end() == 0, theirs.err
    for suffix in ("png", "jpg", "tight.png"):
        files = [tmp_path / ("program-%d.py.%s" % (number, suffix)) for number in (0, 1)]
        assert files[0].read_bytes() == files[1].read_bytes()
    for suffix in ("svg", "pdf"):
        assert (tmp_path / ("program-0.py." + suffix)).stat().st_size > 1000
    for _, image in server.figures():
        assert picture(image).size == (640, 480)


def test_in_another_thread(server, draw):
    program = draw(
        """
        import threading
        import matplotlib.pyplot as plt
        def work():
            plt.plot([1, 2])
            plt.show()
            print("closed")
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        """,
        server,
    )
    server.wait_for(FIGURE)
    close(server, server.figures()[0][0])
    assert program.end() == 0, program.err
    assert program.out == "closed\n"
    assert program.err == ""


def test_figures_drawn_in_threads(server, draw):
    program = draw(
        """
        import threading
        import matplotlib.pyplot as plt
        figures = [plt.figure() for _ in range(3)]
        plt.show(block=False)
        def work(figure, number):
            for turn in range(20):
                figure.patch.set_facecolor((turn / 20, 0, 0))
                figure.canvas.draw_idle()
            figure.patch.set_facecolor("blue")
            figure.canvas.draw_idle()
        threads = [
            threading.Thread(target=work, args=(figure, number))
            for number, figure in enumerate(figures)
        ]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print("ready")
        input()
        """,
        server,
    )
    program.wait_for("ready")
    for number in (1, 2, 3):
        wait_for_share(server, BLUE, 0.3, figure=number)
    program.line()
    assert program.end() == 0, program.err
    assert program.err == ""


def test_child_does_not_show_the_figures_of_its_parent(server, draw):
    program = draw(
        FILL
        + """
import os
fill("red")
plt.show(block=False)
if os.fork() == 0:
    plt.draw()
    plt.close("all")
    fill("blue", plt.figure())
    plt.show(block=False)
else:
    os.wait()
    plt.gcf().canvas.draw()
""",
        server,
    )
    assert program.end() == 0, program.err
    assert program.err == ""
    wait_until(lambda: all(connection.closed for connection in server.connections))
    ids = {}
    for connection in server.connections:
        for payload in connection.of_kind(FIGURE):
            assert b'"closed":false' in payload
            ids.setdefault(payload.split(b'"')[3], set()).add(connection)
    assert len(ids) == 2
    assert all(len(connections) == 1 for connections in ids.values())


def test_figure_with_a_transparent_background(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        plt.figure(facecolor="none")
        plt.show(block=False)
        """,
        server,
    )
    assert program.end() == 0, program.err
    server.wait_for(FIGURE)
    image = Image.open(io.BytesIO(server.figures()[0][1]))
    assert image.mode == "RGBA"
    assert image.getpixel((5, 5))[3] == 0


def test_figure_that_is_very_large(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        import numpy
        noise = numpy.random.RandomState(1).rand(2400, 2400, 3)
        plt.figure(figsize=(24, 24)).figimage(noise)
        plt.show(block=False)
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.err == ""
    server.wait_for(FIGURE)
    data, image = server.figures()[0]
    assert picture(image).size == (data["width"], data["height"]) == (1200, 1200)


def test_svg(server, draw):
    program = draw(
        """
        import time
        import matplotlib.pyplot as plt
        plt.plot([1, 2])
        plt.show(block=False)
        start = time.monotonic()
        for number in range(20):
            plt.gcf().canvas.draw()
        print(time.monotonic() - start)
        plt.gcf().patch.set_facecolor("#123456")
        plt.gcf().canvas.draw()
        """,
        server,
        FURTHER_LINK_FIGURE_FORMAT="SVG",
    )
    assert program.end() == 0, program.err
    assert program.err == ""
    wait_until(lambda: server.connection().closed)
    for data, image in server.figures():
        assert data["format"] == "svg"
        assert (data["width"], data["height"]) == (640, 480)
        assert b"<svg" in image
    assert b"#123456" in server.figures()[-1][1]
    assert len(server.figures()) <= 3 + float(program.out) / 0.05


def test_titles(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        figure = plt.figure()
        figure.canvas.manager.set_window_title("ä\\ud800")
        plt.show(block=False)
        assert figure.canvas.manager.get_window_title() == "ä?"
        input()
        figure.canvas.manager.set_window_title("other")
        input()
        """,
        server,
    )
    server.wait_for(FIGURE)
    assert server.figures()[0][0]["title"] == "ä?"
    program.line()
    wait_until(lambda: server.figures()[-1][0]["title"] == "other")
    program.line()
    assert program.end() == 0, program.err


def test_figure_that_cannot_be_drawn(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        plt.title(r"$\\nosuchthing$")
        plt.show()
        """,
        server,
    )
    assert program.end() == 1
    assert "nosuchthing" in program.err
    program = draw(
        """
        import matplotlib.pyplot as plt
        plt.ion()
        plt.title(r"$\\nosuchthing$")
        print("ready")
        input()
        """,
        server,
    )
    program.wait_for("ready")
    wait_until(lambda: "a figure could not be drawn" in program.err)
    program.line()
    assert program.end() == 0, program.err


def test_keys_and_figures_together(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        from further_link import KeyboardButton, plot, send_image
        KeyboardButton("a").when_pressed = lambda: print("pressed")
        plt.figure()
        plot("p", 1, 1)
        plt.show()
        """,
        server,
    )
    server.wait_for(FIGURE)
    server.connection().key("a", "keydown")
    program.wait_for("pressed")
    close(server, server.figures()[0][0])
    assert program.end() == 0, program.err
    assert len(server.connections) == 1


@pytest.mark.parametrize("name", ["agg", "Agg", "svg", "module://matplotlib.backends.backend_pdf"])
def test_backend_of_the_persons_own_choice(server, draw, tmp_path, name):
    (tmp_path / "matplotlibrc").write_text("backend: %s\nfigure.dpi: 50\n" % name)
    program = draw(
        """
        import matplotlib.pyplot as plt
        figure = plt.figure()
        print(type(figure.canvas).__module__, figure.dpi)
        import warnings
        warnings.simplefilter("ignore")
        plt.show()
        """,
        server,
    )
    assert program.end() == 0, program.err
    backend = name.split("_")[-1].lower()
    assert program.out == "matplotlib.backends.backend_%s 50.0\n" % backend
    assert server.connections == []


def test_matplotlibrc_without_a_backend(server, draw, tmp_path):
    (tmp_path / "matplotlibrc").write_text("figure.dpi: 50\n#backend: agg\n")
    program = draw("import matplotlib.pyplot as plt; plt.figure(); plt.show(False)", server)
    assert program.end() == 0, program.err
    server.wait_for(FIGURE)
    assert server.figures()[0][0]["width"] == 320


@pytest.mark.parametrize("where", ["MATPLOTLIBRC", "MPLCONFIGDIR"])
def test_matplotlibrc_elsewhere(server, draw, tmp_path, where):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "matplotlibrc").write_text("backend: agg\n")
    program = draw(
        "import matplotlib.pyplot as plt; print(type(plt.figure().canvas).__name__)",
        server,
        **{where: str(folder)},
    )
    assert program.end() == 0, program.err
    assert program.out == "FigureCanvasAgg\n"


def test_matplotlibrc_that_names_this_backend(server, draw, tmp_path):
    (tmp_path / "matplotlibrc").write_text("backend: %s\n" % BACKEND)
    program = draw("import matplotlib.pyplot as plt; plt.figure(); plt.show(False)", server)
    assert program.end() == 0, program.err
    server.wait_for(FIGURE)


def test_programs_own_choice_is_stronger_than_all(server, draw, tmp_path):
    program = draw(
        """
        import matplotlib
        matplotlib.use("agg")
        import matplotlib.pyplot as plt
        plt.figure()
        print(matplotlib.get_backend())
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.out.lower() == "agg\n"
    (tmp_path / "matplotlibrc").write_text("backend: agg\n")
    program = draw(
        """
        import os
        del os.environ["MPLBACKEND"]
        import matplotlib
        matplotlib.use("module://further_link.matplotlib")
        import matplotlib.pyplot as plt
        plt.figure()
        plt.show(block=False)
        """,
        server,
    )
    assert program.end() == 0, program.err
    server.wait_for(FIGURE)


def test_slow_client_does_not_hold_the_program_up(server, draw):
    program = draw(
        FILL
        + """
plt.show(block=False)
figure = fill("white")
plt.show(block=False)
print("ready")
input()
for number in range(60):
    fill((number / 60, 0, 0))
    figure.figimage(__import__("numpy").random.rand(480, 640, 3))
    figure.canvas.draw()
    figure.images.clear() if isinstance(figure.images, list) else None
    plt.pause(0.001)
fill("blue")
for image in list(figure.images): image.remove()
plt.pause(0.001)
print("done")
input()
""",
        server,
    )
    program.wait_for("ready")
    server.wait_for(FIGURE)
    server.may_read.clear()
    program.line()
    program.wait_for("done")
    server.may_read.set()
    wait_for_share(server, BLUE, 0.3)
    program.line()
    assert program.end() == 0, program.err
    assert program.err == ""


def test_time_is_measured_here_too():
    assert time.monotonic() > 0
