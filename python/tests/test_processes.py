"""Forks, children of multiprocessing, daemons."""

from __future__ import annotations

import json
import os
import sys

import pytest
from fake_server import HELLO, KEYLISTEN, PLOT, VIDEO, wait_until


def kinds(connection):
    return [kind for kind, _ in connection.messages]


def of_child(server, program):
    """The connection that is not the program's own."""
    wait_until(lambda: len(server.connections) >= 2)
    for connection in list(server.connections):
        wait_until(lambda connection=connection: connection.messages or connection.closed)
    return next(
        connection
        for connection in server.connections
        if connection.messages and connection.pid != program.process.pid
    )


def test_child_has_a_connection_of_its_own(server, run):
    program = run(
        """
        import os
        from further_link import send_image
        send_image(b"\\xff\\xd8\\xffparent")
        pid = os.fork()
        if pid == 0:
            send_image(b"\\xff\\xd8\\xffchild")
            os._exit(0)
        os.waitpid(pid, 0)
        send_image(b"\\xff\\xd8\\xffparent")
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.err == ""
    parent = server.connection(0)
    child = of_child(server, program)
    wait_until(lambda: parent.closed and child.closed)
    assert parent.pid == program.process.pid
    assert parent.of_kind(VIDEO) == [b"\xff\xd8\xffparent"] * 2
    assert child.of_kind(VIDEO) == [b"\xff\xd8\xffchild"]
    assert kinds(child) == [HELLO, VIDEO]


def test_child_that_does_nothing_makes_no_connection(server, run):
    program = run(
        """
        import os
        from further_link import KeyboardButton
        button = KeyboardButton("a")
        button.when_pressed = lambda: print("pressed")
        if os.fork() == 0:
            input()
            os._exit(0)
        os.wait()
        """,
        server,
    )
    server.wait_for(KEYLISTEN)
    program.line()
    assert program.end() == 0, program.err
    assert len(server.connections) == 1


def test_parents_connection_ends_with_the_parent(server, run):
    """A child must not keep it open: the server would believe that the parent is still there."""
    program = run(
        """
        import os, sys
        from further_link import KeyboardButton, send_image
        send_image(b"\\xff\\xd8\\xff")
        # With a thread that has it in its hands, which does not exist in the child.
        KeyboardButton("a")
        if os.fork():
            os._exit(0)
        print("child")
        sys.stdin.readline()
        """,
        server,
    )
    program.wait_for("child")
    wait_until(lambda: server.connection().closed)
    program.line()


def test_fork_that_python_is_not_told_of(server, run):
    program = run(
        """
        import ctypes, os
        from further_link import KeyboardButton, send_image
        send_image(b"\\xff\\xd8\\xffparent")
        # Not os.fork: that would call what is registered for it. (With threads in the parent,
        # Python itself does not survive that.)
        if ctypes.PyDLL(None).fork() == 0:
            send_image(b"\\xff\\xd8\\xffchild")
            KeyboardButton("b")
            os._exit(0)
        os.wait()
        """,
        server,
    )
    assert program.end() == 0, program.err
    child = of_child(server, program)
    wait_until(lambda: child.closed)
    assert child.messages[1:] == [(VIDEO, b"\xff\xd8\xffchild"), (KEYLISTEN, b"b")]


def test_fork_while_other_threads_send(server, run):
    """Their locks are held at that moment, and nobody in the child would ever release them."""
    program = run(
        """
        import os, threading
        from further_link import KeyboardButton, Number, plot, send_image
        stop = False
        def work(number):
            display = Number("n%d" % number)
            while not stop:
                send_image(b"\\xff\\xd8\\xff" + bytes([number]) * 50000)
                plot("p%d" % number, 1)
                display.value = 3
                KeyboardButton("a").is_pressed
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads: thread.start()
        for child in range(20):
            pid = os.fork()
            if pid == 0:
                try:
                    send_image(b"\\xff\\xd8\\xffchild%d" % child)
                    plot("child", child, child)
                    KeyboardButton("a").when_pressed = print
                    Number("c%d" % child).value = child
                    from further_link import _outbox
                    assert _outbox.outbox().flush(30)
                finally:
                    os._exit(0)
            os.waitpid(pid, 0)
        stop = True
        for thread in threads: thread.join()
        print("done")
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert program.out == "done\n"
    for child in range(20):
        assert b"\xff\xd8\xffchild%d" % child in server.of_kind(VIDEO)
    assert sorted(server.series("child", "child")[1]) == list(range(20))
    assert all("c%d" % child in server.widgets() for child in range(20))
    assert all(len(set(jpeg[3:])) == 1 for jpeg in server.of_kind(VIDEO) if len(jpeg) > 20)


def test_functions_are_called_where_they_were_set(server, run):
    program = run(
        """
        import os, sys
        from further_link import KeyboardButton, Slider
        button, slider = KeyboardButton("a"), Slider("Speed")
        button.when_pressed = lambda: print("parent")
        slider.when_changed = lambda value: print("parent", value)
        pid = os.fork()
        if pid == 0:
            # From here on it is heard here too.
            print("child", button.is_pressed, slider.value)
            while not (button.is_pressed and slider.value):
                pass
            print("child", button.is_pressed, slider.value)
            button.when_released = lambda: print("child released")
            print("listening")
            sys.stdin.readline()
            os._exit(0)
        os.waitpid(pid, 0)
        """,
        server,
    )
    program.wait_for("child False 0\n")
    child = of_child(server, program)
    parent = next(c for c in server.connections if c is not child)
    slider = server.widget("Speed")
    wait_until(lambda: child.of_kind(KEYLISTEN))
    for connection in (parent, child):
        connection.widget(slider, "change", 7)
        connection.key("a", "keydown")
    program.wait_for("child True 7\n")
    program.wait_for("listening")
    for connection in (parent, child):
        connection.key("a", "keyup")
    program.wait_for("child released")
    wait_until(lambda: "parent 7" in program.out and "parent\n" in program.out)
    program.line()
    assert program.end() == 0, program.err
    assert program.out.count("parent\n") == 1
    assert program.out.count("parent 7") == 1


def test_widgets_of_a_child_have_ids_of_their_own(server, run):
    program = run(
        """
        import os
        from further_link import Button
        Button("before")
        if os.fork() == 0:
            Button("child")
        else:
            Button("parent")
            os.wait()
        """,
        server,
    )
    assert program.end() == 0, program.err
    wait_until(lambda: len(server.widgets()) == 3)
    assert len({data["id"] for data in server.widgets().values()}) == 3


METHODS = ["fork", "spawn", "forkserver"]


@pytest.mark.parametrize("method", METHODS)
def test_children_of_multiprocessing(server, run, method):
    program = run(
        """
        import multiprocessing
        from further_link import KeyboardButton, plot, send_image

        def work(number):
            send_image(b"\\xff\\xd8\\xffchild%%d" %% number)
            send_image(b"\\xff\\xd8\\xfflatest%%d" %% number, kind="latest")
            KeyboardButton("key %%d" %% number)
            plot("child %%d" %% number, number, number)

        if __name__ == "__main__":
            multiprocessing.set_start_method(%r)
            send_image(b"\\xff\\xd8\\xffparent")
            plot("parent", 1, 1)
            children = [multiprocessing.Process(target=work, args=(n,)) for n in range(3)]
            for child in children: child.start()
            for child in children: child.join()
            print([child.exitcode for child in children])
            send_image(b"\\xff\\xd8\\xffparent")
        """
        % method,
        server,
    )
    assert program.end() == 0, program.err
    assert program.err == ""
    assert program.out == "[0, 0, 0]\n"
    wait_until(lambda: all(connection.closed for connection in server.connections))
    pictures = server.of_kind(VIDEO)
    assert pictures.count(b"\xff\xd8\xffparent") == 2
    for number in range(3):
        # What is sent in the background is sent before the child ends.
        assert pictures.count(b"\xff\xd8\xffchild%d" % number) == 1
        assert pictures.count(b"\xff\xd8\xfflatest%d" % number) == 1
        assert server.series("child %d" % number, "child %d" % number)[1] == [number]
        assert b"key %d" % number in server.of_kind(KEYLISTEN)
    assert server.series("parent", "parent") == ([1], [1])
    assert len({connection.pid for connection in server.connections}) == 4


def test_pool(server, run):
    program = run(
        """
        import multiprocessing
        from further_link import send_image

        def work(number):
            send_image(b"\\xff\\xd8\\xff%d" % number)

        if __name__ == "__main__":
            send_image(b"\\xff\\xd8\\xffparent")
            with multiprocessing.Pool(4) as pool:
                pool.map(work, range(20))
        """,
        server,
    )
    assert program.end() == 0, program.err
    server.wait_for(VIDEO, 21)
    assert {b"\xff\xd8\xff%d" % number for number in range(20)} <= set(server.of_kind(VIDEO))


def test_daemon(server, run):
    program = run(
        """
        import os, sys
        from further_link import KeyboardButton, plot, send_image
        button = KeyboardButton("a")
        send_image(b"\\xff\\xd8\\xffbefore")
        if os.fork():
            os._exit(0)
        os.setsid()
        if os.fork():
            os._exit(0)
        send_image(b"\\xff\\xd8\\xffdaemon")
        button.when_pressed = lambda: print("pressed")
        plot("a", 1, 1)
        # In one piece: what is waited for is then all there.
        sys.stdout.write("ready %d\\n" % os.getpid())
        sys.stdin.readline()
        """,
        server,
    )
    program.wait_for("ready")
    daemon = of_child(server, program)
    wait_until(lambda: daemon.of_kind(KEYLISTEN) and daemon.of_kind(PLOT))
    assert daemon.of_kind(VIDEO) == [b"\xff\xd8\xffdaemon"]
    assert daemon.of_kind(KEYLISTEN) == [b"a"]
    assert daemon.pid == int(program.out.split()[1])
    daemon.key("a", "keydown")
    program.wait_for("pressed")
    program.line()
    wait_until(lambda: daemon.closed)


def test_what_the_parent_has_not_sent_is_not_sent_by_the_child(server, run):
    program = run(
        """
        import os
        from further_link import _outbox, plot, send_image
        with _outbox.outbox()._changed:
            for turn in range(100):
                plot("a", turn, turn)
            send_image(b"\\xff\\xd8\\xffparent", kind="latest")
            child = os.fork() == 0
        if child:
            plot("a", 1000, 1000)
        else:
            os.wait()
        """,
        server,
    )
    assert program.end() == 0, program.err
    wait_until(lambda: all(connection.closed for connection in server.connections))
    assert sorted(server.series("a", "a")[1]) == [*range(100), 1000]
    assert server.of_kind(VIDEO) == [b"\xff\xd8\xffparent"]


def test_program_that_the_program_starts(server, run):
    program = run(
        """
        import subprocess, sys
        from further_link import send_image
        send_image(b"\\xff\\xd8\\xffouter")
        code = "import further_link; further_link.send_image(b'\\\\xff\\\\xd8\\\\xffinner')"
        subprocess.check_call([sys.executable, "-c", code])
        """,
        server,
    )
    assert program.end() == 0, program.err
    assert set(server.wait_for(VIDEO, 2)) == {b"\xff\xd8\xffouter", b"\xff\xd8\xffinner"}
    hellos = [json.loads(payload)["pid"] for payload in server.of_kind(HELLO)]
    assert len(set(hellos)) == 2 and os.getpid() not in hellos


def test_python_is_new_enough_for_these_tests():
    assert sys.version_info >= (3, 7)
