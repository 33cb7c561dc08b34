"""KeyboardButton."""

from __future__ import annotations

import gc

import pytest
from fake_server import KEYLISTEN, wait_until


def test_key_is_asked_for_once(linked):
    from further_link import KeyboardButton

    for key in ("a", "ArrowUp", " ", "ä", "a", "😀"):
        KeyboardButton(key).when_pressed = print
    linked.wait_for(KEYLISTEN, 5)
    KeyboardButton("a")
    KeyboardButton("last")
    linked.wait_for(KEYLISTEN, 6)
    assert [key.decode() for key in linked.of_kind(KEYLISTEN)] == [
        "a",
        "ArrowUp",
        " ",
        "ä",
        "😀",
        "last",
    ]


def test_is_pressed(linked):
    from further_link import KeyboardButton

    up, down = KeyboardButton("ArrowUp"), KeyboardButton("ArrowDown")
    assert up.is_pressed is False
    connection = linked.connection()
    connection.key("ArrowUp", "keydown")
    wait_until(lambda: up.is_pressed)
    assert up.is_pressed is True
    assert down.is_pressed is False
    # One that is made later knows it as well.
    assert KeyboardButton("ArrowUp").is_pressed is True
    connection.key("ArrowUp", "keyup")
    wait_until(lambda: not up.is_pressed)


def test_functions_are_called_in_order_in_one_thread(linked):
    import threading

    from further_link import KeyboardButton

    calls = []
    for key in "abc":
        button = KeyboardButton(key)
        button.when_pressed = lambda key=key: calls.append(
            (key, "down", threading.current_thread())
        )
        button.when_released = lambda key=key: calls.append((key, "up", threading.current_thread()))
    connection = linked.connection()
    expected = []
    for _ in range(100):
        for key in "cab":
            for event, what in (("keydown", "down"), ("keyup", "up")):
                connection.key(key, event)
                expected.append((key, what))
    wait_until(lambda: len(calls) == len(expected))
    assert [call[:2] for call in calls] == expected
    threads = {call[2] for call in calls}
    assert len(threads) == 1
    assert threads != {threading.main_thread()}
    assert threads.pop().daemon


def test_button_without_a_name_stays(linked):
    from further_link import KeyboardButton

    calls = []
    KeyboardButton("a").when_pressed = lambda: calls.append(1)
    gc.collect()
    linked.connection().key("a", "keydown")
    wait_until(lambda: calls)


def test_several_buttons_for_one_key(linked):
    from further_link import KeyboardButton

    calls = []
    first, second = KeyboardButton("a"), KeyboardButton("a")
    second.when_pressed = lambda: calls.append("second")
    first.when_pressed = lambda: calls.append("first")
    # Its turn stays the same.
    second.when_pressed = lambda: calls.append("second, changed")
    second.when_released = lambda: calls.append("up")
    connection = linked.connection()
    connection.key("a", "keydown")
    connection.key("a", "keyup")
    wait_until(lambda: len(calls) == 3)
    assert calls == ["second, changed", "first", "up"]


def test_functions_may_be_taken_away(linked):
    from further_link import KeyboardButton

    calls = []
    button, other = KeyboardButton("a"), KeyboardButton("b")
    assert button.when_pressed is None and button.when_released is None
    button.when_pressed = button.when_released = calls.append
    assert button.when_pressed == calls.append
    assert button.when_released == calls.append
    button.when_pressed = None
    button.when_released = None
    other.when_pressed = lambda: calls.append("b")
    connection = linked.connection()
    connection.key("a", "keydown")
    connection.key("a", "keyup")
    connection.key("b", "keydown")
    wait_until(lambda: calls)
    assert calls == ["b"]


def test_slow_function_does_not_make_is_pressed_lie(linked):
    import threading

    from further_link import KeyboardButton

    go_on = threading.Event()
    seen = []
    button = KeyboardButton("a")

    def hold():
        # A loop as learners write it: it ends when the key is let go.
        while button.is_pressed:
            pass
        seen.append("released")
        go_on.wait()
        seen.append("done")

    button.when_pressed = hold
    connection = linked.connection()
    connection.key("a", "keydown")
    wait_until(lambda: button.is_pressed)
    connection.key("a", "keyup")
    wait_until(lambda: seen == ["released"])
    connection.key("a", "keydown")
    wait_until(lambda: button.is_pressed)
    assert seen == ["released"]
    button.when_pressed = lambda: seen.append("other")
    connection.key("a", "keyup")
    go_on.set()
    wait_until(lambda: len(seen) >= 2)


def test_mistake_in_a_function_is_told_and_the_next_is_called(server, run):
    program = run(
        """
        import sys
        from further_link import KeyboardButton
        def mistake():
            return 1 / 0
        KeyboardButton("a").when_pressed = mistake
        KeyboardButton("b").when_pressed = lambda: print("b")
        KeyboardButton("c").when_pressed = sys.exit
        print("ready")
        input()
        """,
        server,
    )
    program.wait_for("ready")
    connection = server.connection()
    for key in "abcab":
        connection.key(key, "keydown")
    wait_until(lambda: program.out.count("b\n") == 2)
    wait_until(lambda: program.err.count("ZeroDivisionError") == 2)
    program.line()
    assert program.end() == 0, program.err
    assert "return 1 / 0" in program.err
    assert "SystemExit" in program.err


def test_program_ends_when_its_last_line_is_done(server, run):
    program = run(
        """
        import time
        from further_link import KeyboardButton
        KeyboardButton("a").when_pressed = lambda: (print("called"), time.sleep(1000))
        print("ready")
        input()
        """,
        server,
    )
    program.wait_for("ready")
    server.connection().key("a", "keydown")
    program.wait_for("called")
    program.line()
    assert program.end() == 0, program.err
    assert program.err == ""


def test_one_that_only_waits_pauses(server, run):
    program = run(
        """
        import signal
        from further_link import KeyboardButton
        KeyboardButton("a").when_pressed = lambda: print("called")
        print("ready")
        signal.pause()
        """,
        server,
    )
    program.wait_for("ready")
    server.connection().key("a", "keydown")
    program.wait_for("called")
    program.interrupt()
    assert program.end() != 0
    assert "KeyboardInterrupt" in program.err


def test_more_events_than_are_kept_wait_with_the_server(linked):
    """None is lost, and the program does not keep any number of them."""
    import threading

    from further_link import KeyboardButton, _callbacks

    go_on = threading.Event()
    calls = []

    def call():
        go_on.wait()
        calls.append(1)

    KeyboardButton("a").when_pressed = call
    connection = linked.connection()
    number = _callbacks._WAITING_MAX_COUNT + 3000
    sender = threading.Thread(
        target=lambda: [connection.key("a", "keydown") for _ in range(number)]
    )
    sender.start()
    queue = _callbacks.callbacks()._calls
    wait_until(lambda: len(queue) == _callbacks._WAITING_MAX_COUNT)
    go_on.set()
    wait_until(lambda: len(calls) == number)
    sender.join()


def test_loop_that_makes_buttons_keeps_none(linked):
    from further_link import KeyboardButton, keyboard

    for _ in range(1000):
        assert not KeyboardButton("a").is_pressed
    assert keyboard._keys["a"].buttons == []
    for _ in range(100):
        button = KeyboardButton("a")
        button.when_pressed = print
        button.when_pressed = None
    assert keyboard._keys["a"].buttons == []


def test_ctrl_c_while_a_key_is_asked_for(linked, monkeypatch):
    from further_link import KeyboardButton, _connection

    def interrupted(*_):
        raise KeyboardInterrupt

    KeyboardButton("a")
    monkeypatch.setattr(_connection.Connection, "keep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        KeyboardButton("b")
    monkeypatch.undo()
    monkeypatch.setenv("FURTHER_LINK_CHANNEL", linked.path)
    KeyboardButton("b")
    assert linked.wait_for(KEYLISTEN, 2) == [b"a", b"b"]


@pytest.mark.parametrize("key", [1, None, b"a", ["a"]])
def test_key_is_a_text(linked, key):
    from further_link import KeyboardButton

    with pytest.raises(TypeError, match="a key is a text such as 'ArrowUp'"):
        KeyboardButton(key)


@pytest.mark.parametrize("key", ["", "a" * 257, "ä" * 129, "\ud800"])
def test_key_has_a_name(linked, key):
    from further_link import KeyboardButton

    with pytest.raises(ValueError, match="key|surrogates"):
        KeyboardButton(key)


def test_longest_key(linked):
    from further_link import KeyboardButton

    KeyboardButton("a" * 256)
    linked.wait_for(KEYLISTEN)


def test_function_that_was_called_by_mistake(linked):
    from further_link import KeyboardButton

    button = KeyboardButton("a")
    for attribute in ("when_pressed", "when_released"):
        with pytest.raises(TypeError, match="without brackets"):
            setattr(button, attribute, "text")


def test_it_has_a_name_and_a_key(linked):
    from further_link import KeyboardButton

    assert repr(KeyboardButton("ArrowUp")) == "KeyboardButton('ArrowUp')"
    assert KeyboardButton("ArrowUp").key == "ArrowUp"
