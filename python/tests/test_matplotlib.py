"""The backend of matplotlib."""

from __future__ import annotations

import io
import signal
import time

import pytest
from fake_server import FIGURE, FIGUREEVENT, wait_until

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

BACKEND = "module://further_link.matplotlib"


@pytest.fixture(scope="session")
def configuration(tmp_path_factory):
    """A folder for matplotlib, so that a person's own settings have no say here."""
    return tmp_path_factory.mktemp("matplotlib")


@pytest.fixture
def draw(run, configuration):
    """Runs a program that uses matplotlib, as the server does it."""

    def start(code, server=None, **variables):
        variables = {"MPLBACKEND": BACKEND, "MPLCONFIGDIR": str(configuration), **variables}
        return run(code, server, **variables)

    return start


def close(server, data):
    for connection in server.connections:
        connection.send(FIGUREEVENT, {"id": data["id"], "event": "close"})


def picture(image):
    loaded = Image.open(io.BytesIO(image))
    assert loaded.format == "PNG"
    loaded.load()
    return loaded.convert("RGB")


def share_of(image, colour):
    pixels = picture(image)
    same = sum(count for count, a_colour in pixels.getcolors(1 << 24) if a_colour == colour)
    return same / (pixels.width * pixels.height)


def wait_for_share(server, colour, at_least=0.2, figure=None):
    """Wait until the newest picture shows this colour."""

    def shown():
        pictures = [
            image
            for data, image in server.figures()
            if image and (figure is None or data["figure"] == figure)
        ]
        return bool(pictures) and share_of(pictures[-1], colour) >= at_least

    wait_until(shown, "a picture in %r" % (colour,))


RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)

# A figure of one colour: so a test sees what is drawn.
FILL = """
import matplotlib.pyplot as plt
def fill(colour, figure=None):
    figure = figure or plt.gcf()
    figure.patch.set_facecolor(colour)
    return figure
"""


def test_an_unmodified_program(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        plt.plot([1, 2, 3], [2, 5, 3])
        plt.title("Pressure")
        plt.show()
        print("closed")
        """,
        server,
    )
    server.wait_for(FIGURE)
    data, image = server.figures()[0]
    assert data == {
        "id": data["id"],
        "figure": 1,
        "title": "Figure 1",
        "format": "png",
        "width": 640,
        "height": 480,
        "closed": False,
    }
    assert picture(image).size == (640, 480)
    assert share_of(image, WHITE) > 0.8
    assert program.process.poll() is None
    close(server, data)
    assert program.end() == 0, program.err
    assert program.out == "closed\n"
    assert program.err == ""
    wait_until(lambda: server.connection().closed)
    # One picture, not more: nothing has changed.
    assert len(server.figures()) == 2
    data, image = server.figures()[1]
    assert data["closed"] is True
    assert image == b""


def test_show_waits_until_all_figures_are_closed(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        for number in (1, 5, 3):
            plt.figure(number)
            plt.plot([1, 2])
        plt.figure("Name", figsize=(2, 1), dpi=50)
        print("before", plt.get_fignums())
        plt.show()
        print("after", plt.get_fignums())
        """,
        server,
    )
    server.wait_for(FIGURE, 4)
    figures = [data for data, _ in server.figures()]
    assert [data["figure"] for data in figures] == [1, 5, 3, 6]
    assert [data["title"] for data in figures] == ["Figure 1", "Figure 5", "Figure 3", "Name"]
    assert (figures[3]["width"], figures[3]["height"]) == (100, 50)
    assert len({data["id"] for data in figures}) == 4
    for number, data in enumerate(figures):
        assert "after" not in program.out
        close(server, data)
        server.wait_for(FIGURE, 5 + number)
    assert program.end() == 0, program.err
    assert program.out.splitlines()[1] == "after []"


def test_show_does_not_wait_when_it_is_told_so(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        plt.plot([1, 2])
        plt.show(block=False)
        print("shown")
        plt.figure()
        plt.show(False)
        plt.ion()
        plt.figure()
        plt.show()
        print("all")
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.out == "shown\nall\n"
    assert program.err == ""
    wait_until(lambda: server.connection().closed)
    # They stay for the person to look at when the program has ended.
    assert {data["figure"] for data, _ in server.figures()} == {1, 2, 3}
    assert not any(data["closed"] for data, _ in server.figures())


def test_what_is_not_shown_is_not_sent(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        plt.plot([1, 2])
        plt.savefig("plot.png")
        plt.gcf().canvas.draw()
        plt.draw()
        plt.close()
        plt.figure()
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.err == ""
    assert server.connections == []


def test_close_by_the_program(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        first, second = plt.figure(), plt.figure()
        def closed(event):
            print("close", event.canvas is first.canvas)
        first.canvas.mpl_connect("close_event", closed)
        plt.show(block=False)
        plt.close(first)
        plt.close(first)
        print(plt.get_fignums())
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.out == "close True\n[2]\n"
    wait_until(lambda: server.connection().closed)
    assert [(data["figure"], data["closed"]) for data, _ in server.figures()] in (
        [(1, False), (2, False), (1, True)],
        # It was quicker than its picture.
        [(2, False), (1, True)],
        [(1, True), (2, False)],
    )


def test_close_by_the_person_calls_the_programs_function(server, draw):
    program = draw(
        """
        import threading
        import matplotlib.pyplot as plt
        figure = plt.figure()
        def closed(event):
            print(event.name, threading.current_thread() is threading.main_thread())
        figure.canvas.mpl_connect("close_event", closed)
        plt.show()
        """,
        server,
    )
    server.wait_for(FIGURE)
    data = server.figures()[0][0]
    for _ in range(3):
        close(server, data)
    close(server, {"id": "nobody's"})
    assert program.end() == 0, program.err
    assert program.out == "close_event True\n"


def test_other_events_do_not_close(server, draw):
    program = draw("import matplotlib.pyplot as plt; plt.figure(); plt.show()", server)
    server.wait_for(FIGURE)
    data = server.figures()[0][0]
    connection = server.connection()
    connection.send(FIGUREEVENT, {"id": data["id"], "event": "open"})
    connection.send(FIGUREEVENT, {"id": [], "event": "close"})
    connection.send(FIGUREEVENT, {"event": "close"})
    connection.send(FIGUREEVENT, b"nonsense")
    with pytest.raises(Exception, match="timed out"):
        program.process.wait(0.3)
    close(server, data)
    assert program.end() == 0, program.err
    assert program.err == ""


def test_ctrl_c_during_show(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        plt.plot([1, 2])
        try:
            plt.show()
        except KeyboardInterrupt:
            print("interrupted", plt.get_fignums())
        """,
        server,
    )
    server.wait_for(FIGURE)
    program.interrupt()
    assert program.end() == 0, program.err
    assert program.out == "interrupted [1]\n"
    assert program.err == ""


def test_stop_during_show(server, draw):
    program = draw("import matplotlib.pyplot as plt; plt.figure(); plt.show()", server)
    server.wait_for(FIGURE)
    program.process.terminate()
    assert program.end() == -signal.SIGTERM


def test_show_ends_when_the_server_is_gone(server, draw):
    program = draw("import matplotlib.pyplot as plt; plt.figure(); plt.show()", server)
    server.wait_for(FIGURE)
    server.connection().shut()
    assert program.end() == 0, program.err
    assert program.err.count("\n") == 1
    assert "closed the connection" in program.err


def test_a_client_that_shows_no_figures(make_server, draw):
    server = make_server(features=("plot",))
    program = draw(
        """
        import matplotlib.pyplot as plt
        for _ in range(3):
            plt.plot([1, 2])
            plt.show()
            plt.pause(0.001)
        plt.gcf().canvas.start_event_loop(0)
        print("done")
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.out == "done\n"
    assert program.err == (
        "further_link: this client does not show figures, so they are not seen\n"
    )
    assert server.of_kind(FIGURE) == []


def test_without_a_server(draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        for _ in range(3):
            plt.plot([1, 2])
            plt.show()
            plt.pause(0.001)
        plt.ion()
        plt.figure()
        plt.savefig("plot.png")
        print("done")
        """
    )
    assert program.end() == 0, program.err
    assert program.out == "done\n"
    assert program.err.count("\n") == 1
    assert "does not run under Further Link" in program.err


def test_a_server_that_says_no_hello(make_server, draw):
    server = make_server(says_hello=False)
    program = draw(
        """
        from further_link import _channel
        _channel.HELLO_WAIT = 0.1
        _channel.Channel.wait_for_features.__defaults__ = (0.1,)
        import matplotlib.pyplot as plt
        plt.figure()
        for _ in range(100):
            plt.show()
        print("done")
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.out == "done\n"
    assert program.err == ("further_link: the server does not answer, so figures are not seen\n")


def test_pause(server, draw):
    program = draw(
        FILL
        + """
import time
for colour in ("red", "green", "blue"):
    fill(colour)
    start = time.monotonic()
    plt.pause(0.2)
    print(time.monotonic() - start >= 0.2)
    input()
""",
        server,
    )
    for colour in (RED, GREEN, BLUE):
        wait_for_share(server, colour, 0.3)
        program.line()
    assert program.end() == 0, program.err
    assert program.out == "True\n" * 3
    assert program.err == ""


def test_pause_closes_what_the_person_has_closed(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        figure = plt.figure()
        while plt.fignum_exists(figure.number):
            plt.pause(0.01)
        print("closed")
        """,
        server,
    )
    server.wait_for(FIGURE)
    close(server, server.figures()[0][0])
    assert program.end() == 0, program.err
    assert program.out == "closed\n"


def test_flush_events(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        figure = plt.figure()
        plt.show(block=False)
        while plt.get_fignums():
            figure.canvas.flush_events()
        print("closed")
        """,
        server,
    )
    server.wait_for(FIGURE)
    close(server, server.figures()[0][0])
    assert program.end() == 0, program.err
    assert program.out == "closed\n"


def test_a_loop_that_pauses_for_moments_is_not_slowed_down(server, draw):
    program = draw(
        FILL
        + """
import time
plt.pause(0.001)
drawn = 0
def count(event):
    global drawn
    drawn += 1
plt.gcf().canvas.mpl_connect("draw_event", count)
start = time.monotonic()
for number in range(300):
    fill((number / 300, 0, 0))
    plt.pause(0.0001)
elapsed = time.monotonic() - start
fill("blue")
plt.pause(0.0001)
print(drawn, elapsed)
print("last")
input()
""",
        server,
    )
    program.wait_for("last")
    # The last one is drawn, though the program now waits for something else.
    wait_for_share(server, BLUE, 0.3)
    program.line()
    assert program.end() == 0, program.err
    drawn, elapsed = map(float, program.out.split()[:2])
    assert drawn <= 2 + elapsed / 0.05
    assert len(server.figures()) <= 4 + elapsed / 0.05


def test_a_loop_of_plt_draw(server, draw):
    program = draw(
        FILL
        + """
import time
fill("white")
plt.show(block=False)
drawn = 0
def count(event):
    global drawn
    drawn += 1
plt.gcf().canvas.mpl_connect("draw_event", count)
start = time.monotonic()
number = 0
while number < 2000 or time.monotonic() < start + 0.3:
    number += 1
    fill((number % 100 / 100, 0, 0))
    plt.draw()
elapsed = time.monotonic() - start
print(drawn, elapsed)
fill("blue")
plt.draw()
print("last")
input()
fill("green")
plt.draw()
""",
        server,
    )
    program.wait_for("last")
    wait_for_share(server, BLUE, 0.3)
    program.line()
    assert program.end() == 0, program.err
    assert program.err == ""
    drawn, elapsed = map(float, program.out.split()[:2])
    assert 1 <= drawn <= 1 + elapsed / 0.05
    # And at the end of the program too.
    wait_until(lambda: server.connection().closed)
    assert share_of(server.figures()[-1][1], GREEN) > 0.3
    assert server.figures()[-1][0]["closed"] is False


def test_draws_of_the_program_itself_are_real(server, draw):
    """A program may read what it has drawn. Only what is sent is limited."""
    program = draw(
        FILL
        + """
import time, numpy
plt.show(block=False)
figure = fill("white")
plt.show(block=False)
start = time.monotonic()
for number in range(40):
    fill((number / 40, 0, 0))
    figure.canvas.draw()
    assert abs(numpy.asarray(figure.canvas.buffer_rgba())[0, 0, 0] - 255 * number / 40) < 2
fill("blue")
figure.canvas.draw()
print(time.monotonic() - start)
input()
""",
        server,
    )
    program.wait_for("\n")
    wait_for_share(server, BLUE, 0.3)
    program.line()
    assert program.end() == 0, program.err
    assert program.err == ""
    assert len(server.figures()) <= 3 + float(program.out) / 0.05


def test_interactive_mode(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        plt.ion()
        plt.plot([1, 2, 3])
        print("plotted")
        input()
        plt.gcf().patch.set_facecolor("red")
        input()
        plt.figure()
        input()
        plt.close("all")
        print("closed")
        input()
        """,
        server,
    )
    program.wait_for("plotted")
    # It appears without show, while the program waits for a line.
    server.wait_for(FIGURE)
    wait_until(lambda: share_of(server.figures()[-1][1], WHITE) > 0.8)
    program.line()
    wait_for_share(server, RED, 0.3)
    program.line()
    wait_until(lambda: any(data["figure"] == 2 for data, _ in server.figures()))
    program.line()
    program.wait_for("closed")
    wait_until(lambda: {d["figure"] for d, _ in server.figures() if d["closed"]} == {1, 2})
    program.line()
    assert program.end() == 0, program.err
    assert program.err == ""


def test_interactive_mode_with_a_program_that_never_rests(server, draw):
    program = draw(
        """
        import select, sys
        import matplotlib.pyplot as plt
        plt.ion()
        line, = plt.plot([0, 1], [0, 1])
        number = 0
        while not select.select([sys.stdin], [], [], 0)[0]:
            number += 1
            line.set_xdata([0, 1, 2][:2 + number % 2])
            line.set_ydata([0, 1, 2][:2 + number % 2])
            plt.gcf().patch.set_facecolor("red")
        print(number > 100)
        """,
        server,
    )
    wait_for_share(server, RED, 0.3)
    number = len(server.figures())
    wait_until(lambda: len(server.figures()) > number + 3)
    program.line()
    assert program.end() == 0, program.err
    assert program.out == "True\n"
    assert program.err == ""


def test_the_figure_that_a_program_has_left_is_drawn_whole(server, draw):
    """In interactive mode each change is told, but what is drawn is not what was in between."""
    program = draw(
        """
        import matplotlib.pyplot as plt
        plt.ion()
        draws = []
        figure = plt.figure()
        figure.canvas.mpl_connect("draw_event", lambda event: draws.append(event))
        axes = figure.subplots(3, 3)
        for axis in axes.flat:
            axis.plot([1, 2, 3])
            axis.set_title("title")
        print("ready")
        input()
        print(len(draws))
        """,
        server,
    )
    program.wait_for("ready")
    server.wait_for(FIGURE)
    program.line()
    assert program.end() == 0, program.err
    assert int(program.out.split()[-1]) <= 5


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


def test_a_mistake_in_an_animation_is_told_and_the_figure_stays(server, draw):
    program = draw(
        """
        import matplotlib.pyplot as plt
        from matplotlib.animation import FuncAnimation
        figure = plt.figure()
        count = 0
        def update(number):
            global count
            count += 1
            if count == 5:
                raise ValueError("a mistake")
            return []
        animation = FuncAnimation(figure, update, frames=100, interval=1)
        plt.show()
        print("closed")
        """,
        server,
    )
    wait_until(lambda: "ValueError: a mistake" in program.err)
    server.wait_for(FIGURE)
    assert program.process.poll() is None
    close(server, server.figures()[0][0])
    assert program.end() == 0, program.err
    assert program.out == "closed\n"
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


def test_the_program_may_change_the_interval_of_a_timer(server, draw):
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


def test_a_child_does_not_show_the_figures_of_its_parent(server, draw):
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


def test_a_figure_with_a_transparent_background(server, draw):
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


def test_a_figure_that_is_very_large(server, draw):
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


def test_a_figure_that_cannot_be_drawn(server, draw):
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
def test_a_backend_of_the_persons_own_choice(server, draw, tmp_path, name):
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


def test_a_matplotlibrc_without_a_backend(server, draw, tmp_path):
    (tmp_path / "matplotlibrc").write_text("figure.dpi: 50\n#backend: agg\n")
    program = draw("import matplotlib.pyplot as plt; plt.figure(); plt.show(False)", server)
    assert program.end() == 0, program.err
    server.wait_for(FIGURE)
    assert server.figures()[0][0]["width"] == 320


@pytest.mark.parametrize("where", ["MATPLOTLIBRC", "MPLCONFIGDIR"])
def test_a_matplotlibrc_elsewhere(server, draw, tmp_path, where):
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


def test_a_matplotlibrc_that_names_this_backend(server, draw, tmp_path):
    (tmp_path / "matplotlibrc").write_text("backend: %s\n" % BACKEND)
    program = draw("import matplotlib.pyplot as plt; plt.figure(); plt.show(False)", server)
    assert program.end() == 0, program.err
    server.wait_for(FIGURE)


def test_the_programs_own_choice_is_stronger_than_all(server, draw, tmp_path):
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


def test_a_slow_client_does_not_hold_the_program_up(server, draw):
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
