"""The connection: how it is made, lost, made again, and what may come in between."""

from __future__ import annotations

import json
import os
import signal
import struct
import threading

import pytest
from fake_server import HELLO, KEYLISTEN, PLOT, VIDEO, FakeServer, wait_until

from further_link import __version__

# A message whose bytes show whether they belong together: all are the same, but for the head.
BIG = """
def big(number, size=4000000):
    return b"\\xff\\xd8\\xff" + bytes([number % 251]) * size
"""


def assert_whole(server: FakeServer) -> None:
    for jpeg in server.of_kind(VIDEO):
        assert len(set(jpeg[3:])) == 1


def test_hello_comes_first_and_says_who_it_is(server, run):
    program = run('from further_link import send_image; send_image(b"\\xff\\xd8\\xff")', server)
    assert program.end() == 0, program.err
    assert program.err == ""
    connection = server.connection()
    wait_until(lambda: connection.closed)
    assert [kind for kind, _ in connection.messages] == [HELLO, VIDEO]
    assert json.loads(connection.messages[0][1]) == {
        "version": __version__,
        "pid": program.process.pid,
    }


def test_nothing_is_connected_before_it_is_needed(server, run):
    program = run(
        """
        import threading
        import further_link
        from further_link import *
        from further_link import keyboard, plots, video, widgets
        print(threading.active_count())
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.out == "1\n"
    assert server.connections == []


def test_there_is_no_thread_for_events_before_something_listens(server, run):
    program = run(
        """
        import threading
        from further_link import KeyboardButton, plot, send_image
        names = lambda: sorted(thread.name for thread in threading.enumerate())
        send_image(b"\\xff\\xd8\\xff")
        print(names())
        plot("a", 1)
        print(names())
        KeyboardButton("a")
        print(names())
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.out.splitlines() == [
        "['MainThread']",
        "['MainThread', 'further_link sender']",
        "['MainThread', 'further_link events', 'further_link sender']",
    ]


EVERYTHING = """
from further_link import *
import sys
up = KeyboardButton("ArrowUp")
up.when_pressed = up.when_released = print
send_image(b"\\xff\\xd8\\xff")
send_image(b"\\xff\\xd8\\xff", kind="latest")
plot("a", 1)
plot("a", [1, 2, 3], clear=True)
slider, button = Slider("Speed"), Button("Go")
slider.value = 50
slider.when_changed = button.when_pressed = print
number, switch, stick = Number("n"), Switch("s"), Joystick("j")
number.value = 3
switch.is_on = True
stick.remove()
print(up.is_pressed, slider.value, switch.value, stick.x, button.is_pressed)
"""


def test_without_a_server_there_is_one_warning_and_the_program_goes_on(run):
    program = run(EVERYTHING)
    assert program.end() == 0, program.err
    assert program.out == "False 50 True 0.0 False\n"
    assert program.err == (
        "further_link: this program does not run under Further Link, "
        "so keys, pictures, plots and widgets do nothing\n"
    )


def test_without_a_socket_there_is_one_warning_that_says_why(run, tmp_path):
    program = run(EVERYTHING, FURTHER_LINK_CHANNEL=str(tmp_path / "missing.sock"))
    assert program.end() == 0, program.err
    assert program.out == "False 50 True 0.0 False\n"
    assert program.err == (
        "further_link: the server cannot be reached (No such file or directory), "
        "so keys, pictures, plots and widgets do nothing\n"
    )


def test_socket_where_nobody_listens(run, server):
    server.close()
    os.makedirs(server.folder)
    import socket

    with socket.socket(socket.AF_UNIX) as unheard:
        unheard.bind(server.path)
        program = run(EVERYTHING, server)
        assert program.end() == 0, program.err
    assert "cannot be reached (Connection refused)" in program.err
    assert program.err.count("\n") == 1
    os.unlink(server.path)
    os.rmdir(server.folder)


def test_standard_error_may_be_missing(run):
    program = run("import sys\nsys.stderr = None\n" + EVERYTHING)
    assert program.end() == 0, program.err
    assert program.out == "False 50 True 0.0 False\n"
    program = run("import sys\nsys.stderr.close()\n" + EVERYTHING)
    assert program.end() == 0, program.err


def test_path_of_any_length(make_server, run, tmp_path):
    folder = tmp_path / ("a" * 120) / ("ä" * 100)
    folder.mkdir(parents=True)
    server = make_server(path=str(folder / "channel.sock"))
    assert len(os.fsencode(server.path)) > 300
    program = run(EVERYTHING, server)
    assert program.end() == 0, program.err
    assert program.err == ""
    server.wait_for(KEYLISTEN)


@pytest.mark.parametrize("length", [106, 107, 108, 109])
def test_path_at_the_limit_of_addresses(make_server, run, tmp_path, length):
    import shutil
    import tempfile

    short = tempfile.mkdtemp(prefix="fl", dir="/tmp")
    try:
        folder = os.path.join(short, "x" * (length - len(short) - len("//c")))
        os.mkdir(folder)
        path = os.path.join(folder, "c")
        assert len(path) == length
        server = make_server(path=path)
        program = run("import further_link; further_link.KeyboardButton('a')", server)
        assert program.end() == 0, program.err
        assert program.err == ""
        server.wait_for(KEYLISTEN)
    finally:
        shutil.rmtree(short)


def test_default_timeout_of_the_program_is_not_ours(server, run):
    program = run(
        "import socket; socket.setdefaulttimeout(0.05)\n"
        + BIG
        + """
import threading, time
from further_link import KeyboardButton, send_image
key = KeyboardButton("a")
print("ready")
input()
def watch():
    start = time.monotonic()
    while time.monotonic() < start + 0.2:
        pass
    print("four times as long")
threading.Thread(target=watch).start()
send_image(big(1))
print("sent")
input()
while not key.is_pressed:
    pass
""",
        server,
    )
    program.wait_for("ready")
    server.wait_for(KEYLISTEN)
    server.may_read.clear()
    program.line()
    program.wait_for("four times as long")
    assert "sent" not in program.out
    server.may_read.set()
    program.wait_for("sent")
    program.line()
    server.connection().key("a", "keydown")
    assert program.end() == 0, program.err
    assert program.err == ""


def test_lost_connection_is_told_once(server, run):
    program = run(
        """
        from further_link import *
        import sys
        send_image(b"\\xff\\xd8\\xff")
        print("ready")
        input()
        for _ in range(100):
            send_image(b"\\xff\\xd8\\xff")
        for _ in range(1000):
            plot("a", 1)
        KeyboardButton("a")
        print("done")
        """,
        server,
    )
    program.wait_for("ready")
    server.connection().shut()
    program.line()
    assert program.end() == 0, program.err
    assert program.out == "ready\ndone\n"
    assert program.err == (
        "further_link: the server has closed the connection, "
        "so keys, pictures, plots and widgets do nothing more\n"
    )
    assert len(server.connections) == 1


def test_program_that_only_listens_is_told_as_well(server, run):
    program = run(
        """
        from further_link import KeyboardButton
        key = KeyboardButton("a")
        print("ready")
        input()
        print(key.is_pressed)
        """,
        server,
    )
    program.wait_for("ready")
    server.connection().shut()
    wait_until(lambda: "closed the connection" in program.err)
    program.line()
    assert program.end() == 0, program.err
    assert program.out == "ready\nFalse\n"
    assert program.err.count("\n") == 1


def test_what_the_server_does_not_take_is_told(server, run):
    program = run(
        """
        from further_link import KeyboardButton
        KeyboardButton("a")
        print("ready")
        input()
        """,
        server,
    )
    program.wait_for("ready")
    connection = server.connection()
    for _ in range(3):
        connection.send(69, "the picture is no JPEG file: ä".encode())
    connection.send(69, b"\xff")
    wait_until(lambda: program.err.count("\n") >= 2)
    for number in range(1000):
        connection.send(69, b"%d" % number)
    connection.key("a", "keydown")
    program.line()
    assert program.end() == 0, program.err
    lines = program.err.splitlines()
    assert lines[0] == (
        "further_link: the server did not take something: the picture is no JPEG file: ä"
    )
    assert lines[1].endswith("\ufffd")
    assert 2 <= len(lines) <= 10


def test_program_that_does_not_listen_still_reads(server, run):
    """Otherwise the server would have to keep events for it, and errors would not be seen."""
    program = run(
        """
        import sys
        from further_link import send_image
        for line in sys.stdin:
            send_image(b"\\xff\\xd8\\xff")
            if line == "end\\n":
                break
        """,
        server,
    )
    program.line()
    connection = server.connection()
    flood = threading.Thread(
        # More than a socket holds, so that this ends only if somebody reads.
        target=lambda: [connection.key("b" * 1000, "keydown") for _ in range(2000)],
        daemon=True,
    )
    flood.start()
    while flood.is_alive():
        number = len(server.of_kind(VIDEO))
        program.line()
        server.wait_for(VIDEO, number + 1)
    connection.send(69, b"something")
    program.line("end")
    assert program.end() == 0, program.err
    assert "something" in program.err


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_events_in_pieces_of_any_size(server, run, size):
    program = run(
        """
        import sys, threading
        from further_link import KeyboardButton
        keys = ["a", "ä", " ", "ArrowUp"]
        last = threading.Event()
        for key in keys:
            button = KeyboardButton(key)
            button.when_pressed = lambda key=key: print(repr(key), "down")
            button.when_released = lambda key=key: print(repr(key), "up")
        end = KeyboardButton("End")
        end.when_pressed = last.set
        # In one piece: the callbacks print too.
        sys.stdout.write("ready\\n")
        last.wait()
        """,
        server,
    )
    program.wait_for("ready")
    stream = b""
    for key in ("a", "ä", " ", "ArrowUp", "nobody's", "End"):
        for event in ("keydown", "keyup"):
            payload = json.dumps({"key": key, "event": event}).encode()
            stream += struct.pack(">IB", len(payload), 66) + payload
            stream += struct.pack(">IB", 3, 99) + b"xyz"
    connection = server.connection()
    for start in range(0, len(stream), size):
        connection.send_bytes(stream[start : start + size])
    assert program.end() == 0, program.err
    assert program.err == ""
    assert program.out.splitlines() == ["ready"] + [
        "%r %s" % (key, event) for key in ("a", "ä", " ", "ArrowUp") for event in ("down", "up")
    ]


def test_events_that_make_no_sense_are_ignored(server, run):
    program = run(
        """
        from further_link import KeyboardButton, Slider
        key = KeyboardButton("a")
        slider = Slider("Speed")
        print("ready")
        input()
        while not key.is_pressed:
            pass
        print(slider.value)
        """,
        server,
    )
    program.wait_for("ready")
    connection = server.connection()
    slider = server.widget("Speed")
    for kind in (65, 66, 67, 68):
        for payload in (
            b"",
            b"null",
            b"[]",
            b"{",
            b"\xff",
            b'{"key":1,"event":2}',
            b'{"key":["a"],"event":"keydown"}',
            b'{"key":"a"}',
            b'{"key":"a","event":"press"}',
            b'{"id":{},"event":"change","value":5}',
            b'{"id":"nobody","event":"change","value":5}',
            json.dumps({"id": slider["id"], "event": ["change"], "value": 5}).encode(),
            b'{"features":5}',
            b'{"features":[5,{},"figure"]}',
        ):
            connection.send(kind, payload)
    connection.key("a", "keydown")
    program.line()
    assert program.end() == 0, program.err
    assert program.out == "ready\n0\n"
    assert "Traceback" not in program.err


def test_mistake_of_ours_does_not_end_the_thread_that_reads(linked, monkeypatch, capsys):
    from further_link import KeyboardButton, _connection

    button = KeyboardButton("a")
    listener = _connection._listeners[66]
    monkeypatch.setitem(_connection._listeners, 66, lambda event: 1 / 0)
    linked.connection().key("a", "keydown")
    wait_until(lambda: "ZeroDivisionError" in _so_far(capsys))
    monkeypatch.setitem(_connection._listeners, 66, listener)
    linked.connection().key("a", "keydown")
    wait_until(lambda: button.is_pressed)


def _so_far(capsys, read=[]):  # noqa: B006 (what was read is gone)
    read.append(capsys.readouterr().err)
    return "".join(read)


def test_many_threads_send_whole_messages(server, run):
    program = run(
        BIG
        + """
import threading
from further_link import plot, send_image
def work(number):
    for turn in range(10):
        send_image(big(number, 100000 + 1000 * number))
        plot("p%d" % number, turn, turn)
threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
""",
        server,
    )
    server.bytes_at_once = 5000
    assert program.end() == 0, program.err
    assert program.err == ""
    server.wait_for(VIDEO, 80)
    assert_whole(server)
    assert len(server.connections) == 1
    for number in range(8):
        assert server.series("p%d" % number, "p%d" % number)[1] == list(range(10))


def test_interrupted_system_calls_are_gone_on_with(server, run):
    program = run(
        BIG
        + """
import signal
from further_link import send_image
hits = []
signal.signal(signal.SIGALRM, lambda *_: hits.append(1))
signal.siginterrupt(signal.SIGALRM, True)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for number in range(10):
    send_image(big(number, 2000000))
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(hits) > 0)
""",
        server,
    )
    server.bytes_at_once = 20000
    assert program.end() == 0, program.err
    assert program.out == "True\n"
    assert program.err == ""
    server.wait_for(VIDEO, 10)
    assert_whole(server)
    assert len(server.connections) == 1


def test_signal_handler_may_send_in_the_midst_of_a_message(server, run):
    program = run(
        BIG
        + """
import itertools, signal
from further_link import KeyboardButton, plot, send_image
counter = itertools.count(1)
def handler(*_):
    count = next(counter)
    send_image(big(count, 100))
    plot("count", count, count)
    KeyboardButton("key %d" % (count % 5))
    # Not by itself: on a busy machine handlers would interrupt handlers without end.
    signal.setitimer(signal.ITIMER_REAL, 0.002)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.002)
for number in range(10):
    send_image(big(number, 2000000))
signal.setitimer(signal.ITIMER_REAL, 0)
print(next(counter) - 1)
""",
        server,
    )
    server.bytes_at_once = 20000
    assert program.end() == 0, program.err
    assert program.err == ""
    count = int(program.out)
    assert count > 5
    server.wait_for(VIDEO, 10 + count)
    assert_whole(server)
    assert server.series("count", "count")[1] == list(range(1, count + 1))
    assert len(set(server.of_kind(KEYLISTEN))) == 5
    assert len(server.connections) == 1


def test_ctrl_c_in_the_midst_of_a_message_replaces_the_connection(server, run):
    program = run(
        BIG
        + """
from further_link import KeyboardButton, send_image
left, up = KeyboardButton("ArrowLeft"), KeyboardButton("ArrowUp")
up.when_pressed = lambda: print("up")
print("ready")
try:
    send_image(big(1))
except KeyboardInterrupt:
    print("interrupted")
input()
send_image(big(2))
print("sent")
input()
""",
        server,
    )
    program.wait_for("ready")
    server.wait_for(KEYLISTEN, 2)
    server.may_read.clear()
    wait_until(lambda: _waits_in_send(program.process.pid), "the program waits in send")
    program.interrupt()
    program.wait_for("interrupted")
    # The old connection is still good for events.
    server.connection().key("ArrowUp", "keydown")
    program.wait_for("up\n")
    program.line()
    server.may_read.set()
    program.wait_for("sent")
    first, second = server.connection(0), server.connection(1)
    # Nothing is behind the message that was torn, and the new connection knows all keys.
    wait_until(lambda: first.closed)
    assert [kind for kind, _ in first.messages] == [HELLO, KEYLISTEN, KEYLISTEN]
    assert len(first.rest) > 5
    wait_until(lambda: len(second.messages) == 4)
    assert [kind for kind, _ in second.messages] == [HELLO, KEYLISTEN, KEYLISTEN, VIDEO]
    assert second.of_kind(KEYLISTEN) == [b"ArrowLeft", b"ArrowUp"]
    assert_whole(server)
    second.key("ArrowUp", "keydown")
    wait_until(lambda: program.out.count("up\n") == 2)
    program.line()
    assert program.end() == 0, program.err
    assert program.err == ""


def _waits_in_send(pid: int) -> bool:
    try:
        with open("/proc/%d/wchan" % pid) as file:
            place = file.read()
    except OSError:
        place = ""
    if place not in ("", "0"):
        return "sock_alloc" in place
    # Not every system tells. The program sleeps, and has nothing else to sleep for.
    with open("/proc/%d/stat" % pid) as file:
        return file.read().rpartition(")")[2].split()[0] == "S"


def test_ctrl_c_again_and_again_tears_no_message(server, run):
    program = run(
        BIG
        + """
import signal
from further_link import KeyboardButton, send_image
KeyboardButton("a")
class Interrupt(BaseException): pass
def handler(*_): raise Interrupt
signal.signal(signal.SIGALRM, handler)
done = interrupted = 0
while done < 30 or interrupted < 30:
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005 * (1 + (done + interrupted) % 7))
        try:
            send_image(big(done, 300000))
            done += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Interrupt:
        interrupted += 1
send_image(big(7, 3))
print(done)
""",
        server,
    )
    server.bytes_at_once = 20000
    assert program.end() == 0, program.err
    assert program.err == ""
    server.wait_for(VIDEO, int(program.out) + 1)
    wait_until(lambda: all(connection.closed for connection in server.connections))
    assert_whole(server)
    assert len(server.connections) > 1
    for connection in server.connections:
        assert connection.messages == [] or [kind for kind, _ in connection.messages][:2] in (
            [HELLO],
            [HELLO, KEYLISTEN],
        )


def test_sigpipe_does_not_kill(server, run):
    program = run(
        """
        import signal
        from further_link import send_image
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        send_image(b"\\xff\\xd8\\xff")
        print("ready")
        input()
        for _ in range(10):
            send_image(b"\\xff\\xd8\\xff")
        print("alive")
        """,
        server,
    )
    program.wait_for("ready")
    server.connection().shut()
    program.line()
    assert program.end() == 0, program.err
    assert program.out == "ready\nalive\n"


def test_client_shows_no_plots_or_widgets(make_server, run):
    server = make_server(features=("figure",))
    program = run(
        """
        from further_link import *
        Slider("a"), Slider("b")
        for turn in range(10):
            plot("a", turn)
        print("ready")
        input()
        """,
        server,
    )
    program.wait_for("ready")
    wait_until(lambda: program.err.count("\n") == 2)
    program.line()
    assert program.end() == 0, program.err
    assert sorted(program.err.splitlines()) == [
        "further_link: this client does not show plots, so they are not seen",
        "further_link: this client does not show widgets, so they are not seen",
    ]
    # The server may be trusted to drop them.
    assert server.of_kind(PLOT)


def test_server_that_says_no_hello(make_server, run):
    server = make_server(says_hello=False)
    program = run(EVERYTHING, server)
    assert program.end() == 0, program.err
    assert program.err == ""
    server.wait_for(VIDEO, 2)


def test_connection_is_not_inherited_by_programs(server, run):
    program = run(
        """
        import subprocess, sys
        from further_link import KeyboardButton
        KeyboardButton("a")
        print(subprocess.check_output(
            ["ls", "-l", "/proc/self/fd"], close_fds=False).decode().count("socket:"))
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.out == "0\n"


def test_sigterm_ends_a_program_at_once(server, run):
    program = run(
        BIG + "from further_link import send_image\nprint('ready')\nsend_image(big(1))", server
    )
    server.may_read.clear()
    program.wait_for("ready")
    program.process.terminate()
    assert program.end() == -signal.SIGTERM


def test_signal_handler_that_sends_without_end(server, run):
    program = run(
        """
        import threading
        from further_link import _connection, _wire, send_image
        channel = _connection.current_connection()
        send_image(b"\\xff\\xd8\\xff")
        # As in the midst of a message.
        with channel._lock:
            channel._writing = True
            kind = _wire.VIDEO.kind
            sent = [channel.send(kind, b"\\xff\\xd8\\xff%d" % turn) for turn in range(1000)]
            channel._writing = False
        print(sent.count(True))
        send_image(b"\\xff\\xd8\\xff")
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.out == "100\n"
    assert program.err.count("\n") == 1
    assert "a signal handler sends more than is taken" in program.err
    server.wait_for(VIDEO, 102)
