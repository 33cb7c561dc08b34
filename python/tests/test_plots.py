"""plot."""

from __future__ import annotations

import decimal
import fractions
import math
import threading
import time

import pytest
from fake_server import LIMITS, PLOT, wait_until


def all_points(server, number, plot="p", series="p"):
    wait_until(lambda: len(server.series(plot, series)[0]) >= number)
    return server.series(plot, series)


def test_x_and_y(linked):
    from further_link import plot

    plot("p", 1, 2)
    plot("p", 1.5, -3)
    plot("p", [2, 3], (4.25, 5))
    assert all_points(linked, 4) == ([1, 1.5, 2, 3], [2, -3, 4.25, 5])


def test_single_number_is_plotted_over_the_time(linked):
    from further_link import plot

    before = time.monotonic()
    for number in range(5):
        plot("p", number)
        plot("q", number)
    elapsed = time.monotonic() - before
    xs, ys = all_points(linked, 5)
    assert ys == [0, 1, 2, 3, 4]
    assert xs[0] == 0
    assert xs == sorted(xs)
    assert xs[-1] <= elapsed


def test_numbers_of_a_list_are_counted(linked):
    from further_link import plot

    plot("p", [5, 6, 7])
    plot("p", [8])
    plot("p", [])
    plot("p", range(9, 11))
    assert all_points(linked, 6) == ([0, 1, 2, 3, 4, 5], [5, 6, 7, 8, 9, 10])


def test_several_curves(linked):
    from further_link import plot

    plot("p", 0.5, roll=1, pitch=2)
    plot("p", [1, 2], roll=[3, 4], pitch=[5, 6])
    plot("q", roll=1, pitch=2)
    plot("r", 1, 2, other=3)
    assert all_points(linked, 3, series="roll") == ([0.5, 1, 2], [1, 3, 4])
    assert all_points(linked, 3, series="pitch") == ([0.5, 1, 2], [2, 5, 6])
    assert all_points(linked, 1, "q", "roll") == all_points(linked, 1, "q", "roll")
    assert linked.series("q", "pitch")[0][0] == linked.series("q", "roll")[0][0]
    assert all_points(linked, 1, "r", "r") == ([1], [2])
    assert all_points(linked, 1, "r", "other") == ([1], [3])


def test_message_is_that_of_the_protocol(linked):
    from further_link import plot

    plot("Temperature", 1, 21.5, window=500, clear=True)
    linked.wait_for(PLOT)
    plot("IMU", 2, roll=1, pitch=None)
    linked.wait_for(PLOT, 2)
    assert linked.json(PLOT) == [
        {
            "name": "Temperature",
            "series": [{"name": "Temperature", "x": [1], "y": [21.5]}],
            "clear": True,
            "window": 500,
        },
        {
            "name": "IMU",
            "series": [
                {"name": "roll", "x": [2], "y": [1]},
                {"name": "pitch", "x": [2], "y": [None]},
            ],
        },
    ]


def test_what_is_no_number_is_a_gap(linked):
    from further_link import plot

    values = [None, math.nan, math.inf, -math.inf, 10**400, 1]
    plot("p", list(range(6)), values)
    for number, value in enumerate(values):
        plot("p", number, value)
    xs, ys = all_points(linked, 12)
    assert xs == [0, 1, 2, 3, 4, 5] * 2
    assert ys == [None, None, None, None, None, 1] * 2


def test_point_whose_x_is_no_number_has_no_place(linked):
    from further_link import plot

    plot("p", [1, math.nan, math.inf, 4], [5, 6, 7, 8])
    assert all_points(linked, 2) == ([1, 4], [5, 8])
    with pytest.raises(TypeError, match="the x of a point cannot be None"):
        plot("p", [1, None], [2, 3])


def test_numbers_of_all_kinds(linked):
    numpy = pytest.importorskip("numpy")
    from further_link import plot

    ones = [
        True,
        1.0,
        decimal.Decimal(1),
        fractions.Fraction(1),
        numpy.float32(1),
        numpy.int64(1),
        numpy.bool_(True),
        numpy.array(1),
        numpy.array(1.0),
    ]
    for one in ones:
        plot("p", one, one)
    xs, ys = all_points(linked, len(ones))
    assert xs == ys == [1] * len(ones)
    plot("q", numpy.arange(3), numpy.array([0.5, numpy.nan, 2], numpy.float32))
    assert all_points(linked, 3, "q", "q") == ([0, 1, 2], [0.5, None, 2])
    plot("r", numpy.array(7.5))
    assert all_points(linked, 1, "r", "r") == ([0], [7.5])
    plot("s", numpy.linspace(0, 1, 3))
    assert all_points(linked, 3, "s", "s") == ([0, 1, 2], [0, 0.5, 1])
    large = 2**60 + 1
    plot("t", 1, large)
    assert all_points(linked, 1, "t", "t")[1] == [float(large)]


@pytest.mark.parametrize(
    "value", ["1", b"1", ["1"], [b"1"], object(), [[1, 2]], {"a": 1}, 1j, print, iter([1])]
)
def test_what_is_no_number_is_told(linked, value):
    from further_link import plot

    with pytest.raises(TypeError, match="a plot needs numbers, not"):
        plot("p", value)
    with pytest.raises(TypeError, match="a plot needs numbers, not"):
        plot("p", value, value)
    with pytest.raises(TypeError, match="a plot needs numbers, not"):
        plot("p", roll=value)


def test_table_is_no_curve(linked):
    numpy = pytest.importorskip("numpy")
    from further_link import plot

    with pytest.raises(TypeError, match="a plot needs numbers, not"):
        plot("p", numpy.zeros((2, 2)))


def test_other_mistakes(linked):
    from further_link import plot

    for arguments, options, error, match in (
        ((1, 2), {}, TypeError, "the name of a plot is a text"),
        (("p", 1, 2, 3), {}, TypeError, "plot takes a name, x and y"),
        (("p",), {}, TypeError, "there is nothing to be plotted"),
        (("p", [1, 2], [1, 2, 3]), {}, ValueError, "p has 3 values, and x has 2"),
        (("p", 1, [1, 2]), {}, ValueError, "p has 2 values, and x has 1"),
        (("p", [1, 2]), {"roll": 1}, ValueError, "roll has 1 values, and x has 2"),
        (("p", 1), {"window": 0}, ValueError, "1 point or more"),
        (("p", 1), {"window": "many"}, ValueError, "invalid literal"),
        (("p" * 201, 1), {}, ValueError, "200 characters"),
        (("p",), {"s" * 201: 1}, ValueError, "200 characters"),
        (("p",), {"s%d" % n: 1 for n in range(101)}, ValueError, "100 curves"),
    ):
        with pytest.raises(error, match=match):
            plot(*arguments, **options)
    assert linked.of_kind(PLOT) == []


def test_clear(linked):
    from further_link import _outbox, plot

    plot("p", [1, 2, 3])
    plot("p", 1, 1)
    linked.wait_for(PLOT)
    plot("p", [7, 8], clear=True)
    assert _outbox.outbox().flush(60)
    wait_until(lambda: linked.series("p", "p") == ([0, 1], [7, 8]))
    plot("p", clear=True)
    wait_until(lambda: linked.series("p", "p") == ([], []))
    # Everything begins anew.
    plot("p", 5)
    wait_until(lambda: linked.series("p", "p") == ([0], [5]))


def test_what_is_cleared_before_it_was_sent_is_not_sent(linked):
    from further_link import _outbox, plot

    with _outbox.outbox()._changed:
        plot("p", list(range(1000)))
        plot("p", 1, 1, clear=True)
        plot("p", 2, 2)
    wait_until(lambda: linked.series("p", "p") == ([1, 2], [1, 2]))
    assert sum(len(data["series"][0]["x"]) for data in linked.json(PLOT)) == 2


def test_window(linked):
    from further_link import _outbox, plot

    with _outbox.outbox()._changed:
        for number in range(1000):
            plot("p", number, number, window=10)
        plot("p", 1000, other=5)
    wait_until(lambda: linked.series("p", "p")[1] == list(range(990, 1000)))
    assert linked.series("p", "other") == ([1000], [5])
    # It stays.
    plot("p", 1001, 1001)
    wait_until(lambda: linked.series("p", "p")[1] == [*range(991, 1000), 1001])
    assert all(data["window"] == 10 for data in linked.json(PLOT))
    sent = sum(len(data["series"][0]["x"]) for data in linked.json(PLOT))
    assert sent <= 12
    plot("p", 1002, 1002, window=2)
    wait_until(lambda: linked.series("p", "p")[1] == [1001, 1002])


def test_points_gather_and_none_is_lost(linked):
    from further_link import plot

    number = 20000
    start = time.monotonic()
    for point in range(number):
        plot("p", point, point)
    elapsed = time.monotonic() - start
    assert all_points(linked, number)[1] == list(range(number))
    assert len(linked.of_kind(PLOT)) <= 3 + elapsed / 0.05


def test_messages_of_a_plot_keep_their_distance(linked):
    from further_link import plot

    start = time.monotonic()
    number = 0
    while len(linked.of_kind(PLOT)) < 10:
        number += 1
        plot("p", number, number)
        # So few that no message is full: those follow each other at once.
        time.sleep(0.001)
    assert time.monotonic() - start >= 9 * 0.05
    assert all_points(linked, number)[1] == list(range(1, number + 1))


def test_first_point_is_sent_at_once(linked, monkeypatch):
    from further_link import _outbox, plot, plots

    monkeypatch.setattr(plots, "SEND_INTERVAL_SECONDS", 10000)
    plot("p", 1, 1)
    plot("q", 1, 1)
    linked.wait_for(PLOT, 2)
    # And all others at once when the program is about to end.
    plot("p", 2, 2)
    assert _outbox.outbox().flush()
    linked.wait_for(PLOT, 3)


def test_program_waits_if_it_is_quicker_than_its_client(linked):
    from further_link import plot, plots

    plot("p", -1, -1)
    linked.wait_for(PLOT)
    linked.may_read.clear()
    progress = [0]
    number = 5 * plots.WAITING_MAX_COUNT

    def work():
        for start in range(0, number, 1000):
            plot("p", list(range(start, start + 1000)), list(range(start, start + 1000)))
            progress[0] += 1000

    worker = threading.Thread(target=work)
    worker.start()
    wait_until(lambda: plots._waiting() >= plots.WAITING_MAX_COUNT)
    worker.join(0.5)
    assert worker.is_alive()
    assert progress[0] < number
    assert plots._waiting() <= plots.WAITING_MAX_COUNT + 1000
    linked.may_read.set()
    worker.join()
    xs, ys = all_points(linked, number + 1)
    assert xs == ys == list(range(-1, number))


def test_program_that_waits_goes_on_when_the_server_is_gone(server, run):
    program = run(
        """
        from further_link import plot
        plot("p", 1, 1)
        print("ready")
        input()
        for _ in range(2000):
            plot("p", list(range(1000)))
        print("done")
        """,
        server,
    )
    program.wait_for("ready")
    server.wait_for(PLOT)
    server.may_read.clear()
    program.line()
    wait_until(lambda: "done" in program.out or _stands(program))
    assert "done" not in program.out
    server.connection().shut()
    server.may_read.set()
    program.wait_for("done")
    assert program.end() == 0, program.err
    assert program.err.count("\n") == 1


def _stands(program, looks=50):
    """It uses no processor any more."""
    import os

    def ticks():
        with open("/proc/%d/stat" % program.process.pid) as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    first = ticks()
    threading.Event().wait(0.5)
    return ticks() - first <= 0.1 * os.sysconf("SC_CLK_TCK")


def test_ctrl_c_while_it_waits(server, run):
    program = run(
        """
        from further_link import plot
        plot("p", 1, 1)
        print("ready")
        input()
        try:
            while True:
                plot("p", list(range(1000)))
        except KeyboardInterrupt:
            print("interrupted")
        """,
        server,
    )
    program.wait_for("ready")
    server.wait_for(PLOT)
    server.may_read.clear()
    program.line()
    wait_until(lambda: _stands(program))
    program.interrupt()
    program.wait_for("interrupted")
    server.may_read.set()
    assert program.end() == 0, program.err


def test_messages_are_within_the_limit(linked):
    from further_link import _outbox, plot

    # The longest numbers and names that there are.
    y = -1.2345678901234567e-300
    names = ["😀" * 197 + "%03d" % number for number in range(100)]
    with _outbox.outbox()._changed:
        plot("ä" * 200, list(range(50000)), **{names[0]: [y] * 50000})
        plot("ä" * 200, [y] * 101, **{name: [y] * 101 for name in names})
        plot("ä" * 200, 1, **{name + "": 2 for name in names})
    assert _outbox.outbox().flush(60)
    wait_until(lambda: len(linked.series("ä" * 200, names[99])[0]) == 102)
    assert len(linked.series("ä" * 200, names[0])[0]) == 50102
    assert max(map(len, linked.of_kind(PLOT))) < LIMITS[PLOT]


def test_more_curves_than_fit_into_a_message(linked):
    from further_link import _outbox, plot

    with _outbox.outbox()._changed:
        for number in range(250):
            plot("p", 1, clear=number == 0, **{"s%d" % number: number})
    wait_until(lambda: linked.series("p", "s249")[1] == [249])
    assert [len(data["series"]) for data in linked.json(PLOT)] == [100, 100, 50]
    # Only the first one clears.
    assert [data.get("clear") for data in linked.json(PLOT)] == [True, None, None]


def test_names_are_cleaned(linked):
    from further_link import plot

    plot("a\ud800\nb", 1, **{"roll\udfff": 1})
    linked.wait_for(PLOT)
    assert linked.json(PLOT)[0]["name"] == "a?\nb"
    assert linked.json(PLOT)[0]["series"][0]["name"] == "roll?"


def test_all_is_sent_when_the_program_ends(server, run):
    program = run(
        """
        from further_link import plot
        for number in range(5000):
            plot("p", number, number)
            plot("q", number, number)
        """,
        server,
    )
    assert program.end() == 0, program.err
    wait_until(lambda: server.connection().closed)
    for name in "pq":
        assert server.series(name, name)[1] == list(range(5000))


def test_all_is_sent_when_the_program_fails(server, run):
    program = run(
        """
        from further_link import plot
        for number in range(100):
            plot("p", number, number)
        raise SystemExit(4)
        """,
        server,
    )
    assert program.end() == 4
    wait_until(lambda: server.connection().closed)
    assert server.series("p", "p")[1] == list(range(100))


def test_from_many_threads(linked):
    from further_link import plot

    def work(number):
        for point in range(500):
            plot("p", point, **{"s%d" % number: point})
            plot("shared", number, number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(6):
        assert all_points(linked, 500, "p", "s%d" % number)[1] == list(range(500))
    xs, ys = all_points(linked, 3000, "shared", "shared")
    assert xs == ys


def test_system_without_threads(server, run):
    program = run(
        """
        import threading
        def start(self):
            raise RuntimeError("can't start new thread")
        threading.Thread.start = start
        from further_link import KeyboardButton, plot, send_image, Slider
        for number in range(200):
            plot("p", list(range(1000)))
        send_image(b"\\xff\\xd8\\xff", kind="latest")
        print(KeyboardButton("a").is_pressed, Slider("s").value)
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.out == "False 0\n"
    assert program.err == ""
    wait_until(lambda: server.connection().closed)
    assert server.series("p", "p")[1] == list(range(1000)) * 200
    assert server.widgets()["s"]["value"] == 0
