"""The backend of matplotlib: showing, waiting, and interactive mode."""

from __future__ import annotations

import signal

import pytest
from fake_server import FIGURE, FIGUREEVENT, wait_until
from figures import (
    BLUE,
    FILL,
    GREEN,
    RED,
    WHITE,
    close,
    picture,
    share_of,
    wait_for_share,
)

pytestmark = pytest.mark.slow

pytest.importorskip("matplotlib")


def test_unmodified_program(server, draw):
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


def test_client_that_shows_no_figures(make_server, draw):
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


def test_server_that_says_no_hello(make_server, draw):
    server = make_server(says_hello=False)
    program = draw(
        """
        from further_link import _connection
        _connection.HELLO_TIMEOUT_SECONDS = 0.1
        _connection.Connection.wait_for_features.__defaults__ = (0.1,)
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


def test_loop_that_pauses_for_moments_is_not_slowed_down(server, draw):
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


def test_loop_of_plt_draw(server, draw):
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


def test_what_changes_while_it_is_drawn_is_not_drawn_for_ever(server, draw):
    program = draw(
        """
        import time
        import matplotlib.pyplot as plt
        from matplotlib.lines import Line2D
        class Restless(Line2D):
            def draw(self, renderer):
                super().draw(renderer)
                self.stale = True
        plt.ion()
        plt.gca().add_line(Restless([0, 1], [0, 1]))
        draws = []
        plt.gcf().canvas.mpl_connect("draw_event", lambda event: draws.append(event))
        # Long enough for fifteen pictures.
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            time.sleep(0.01)
        print(len(draws))
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert 1 <= int(program.out) <= 5
    server.wait_for(FIGURE)


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


def test_figure_that_a_program_has_left_is_drawn_whole(server, draw):
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
