"""Button, Slider, Switch, Number, Joystick."""

from __future__ import annotations

import gc
import threading
import time

import pytest
from fake_server import WIDGET, wait_until


def settled(server):
    """Everything was sent, and has arrived."""
    from further_link import Button, _outbox

    assert _outbox.outbox().flush(60)
    Button("settled %d" % len(server.of_kind(WIDGET))).remove()
    number = len(server.of_kind(WIDGET))
    assert _outbox.outbox().flush(60)
    wait_until(lambda: len(server.of_kind(WIDGET)) > number)


def test_messages_are_those_of_the_protocol(linked):
    from further_link import Button, Joystick, Number, Slider, Switch

    Button("Go")
    Slider("Speed")
    Slider("Angle", -90, 90, 0.5, 10)
    Switch("Light")
    Switch("Lamp", True)
    Number("Distance")
    Number("Time", 1.5, "s")
    Joystick("Drive")
    linked.wait_for(WIDGET, 8)
    found = linked.json(WIDGET)
    assert len({data.pop("id") for data in found}) == 8
    assert found == [
        {"kind": "button", "label": "Go"},
        {"kind": "slider", "label": "Speed", "minimum": 0, "maximum": 100, "step": 1, "value": 0},
        {
            "kind": "slider",
            "label": "Angle",
            "minimum": -90,
            "maximum": 90,
            "step": 0.5,
            "value": 10,
        },
        {"kind": "switch", "label": "Light", "value": False},
        {"kind": "switch", "label": "Lamp", "value": True},
        {"kind": "number", "label": "Distance", "value": None, "unit": ""},
        {"kind": "number", "label": "Time", "value": 1.5, "unit": "s"},
        {"kind": "joystick", "label": "Drive", "x": 0, "y": 0},
    ]


def test_three_lines(server, run):
    program = run(
        """
        from further_link import Button, Slider
        speed = Slider("Speed", 0, 100)
        Button("Stop").when_pressed = lambda: print("stop")
        print("ready")
        while speed.value != 70:
            pass
        print("fast")
        input()
        """,
        server,
    )
    program.wait_for("ready")
    connection = server.connection()
    connection.widget(server.widget("Speed"), "change", 70)
    program.wait_for("fast")
    connection.widget(server.widget("Stop"), "press")
    program.wait_for("stop")
    program.line()
    assert program.end() == 0, program.err
    assert program.err == ""


def test_button(linked):
    from further_link import Button

    calls = []
    button = Button("Go")
    assert button.is_pressed is False
    assert button.when_pressed is None and button.when_released is None
    button.when_pressed = lambda: calls.append(("down", threading.current_thread()))
    button.when_released = lambda: calls.append(("up", threading.current_thread()))
    data, connection = linked.widget("Go"), linked.connection()
    connection.widget(data, "press")
    wait_until(lambda: button.is_pressed)
    connection.widget(data, "release")
    wait_until(lambda: not button.is_pressed)
    connection.widget(data, "press", {"x": 5})
    connection.widget(data, "explode")
    wait_until(lambda: len(calls) == 3)
    assert [call[0] for call in calls] == ["down", "up", "down"]
    assert len({call[1] for call in calls}) == 1


def test_slider_of_whole_numbers(linked):
    from further_link import Slider

    values = []
    slider = Slider("Speed", 0, 100)
    slider.when_changed = values.append
    data, connection = linked.widget("Speed"), linked.connection()
    for value in (50, 0, 100, 33.4, 66.6, -1, 101, 1e300, -1e300):
        connection.widget(data, "change", value)
        wait_until(lambda value=value: len(values) > 0 and _nearly(slider, value, 0, 100))
    assert all(type(value) is int for value in values)
    wait_until(lambda: values[-1] == 0)
    assert type(slider.value) is int


def _nearly(slider, value, minimum, maximum):
    return abs(slider.value - min(max(value, minimum), maximum)) <= 0.5


def test_what_the_client_may_not_say(linked):
    from further_link import Joystick, Slider, Switch

    slider, switch, stick = Slider("Speed", 0, 100, value=7), Switch("Light"), Joystick("Drive")
    values = []
    slider.when_changed = switch.when_changed = values.append
    stick.when_moved = lambda x, y: values.append((x, y))
    connection = linked.connection()
    a_slider, a_switch, a_stick = map(linked.widget, ("Speed", "Light", "Drive"))
    silly = ["5", None, True, [], {}, [5], {"x": 1}, {"x": "1", "y": 0}, {"x": 1, "y": None}]
    for value in silly:
        connection.widget(a_slider, "change", value)
        connection.widget(a_stick, "change", value)
    for value in ("true", 1, 0, None, [], {}, 1.5):
        connection.widget(a_switch, "change", value)
    for text in ("NaN", "Infinity", "-Infinity", "1" + "0" * 400, "1" + "0" * 5000):
        for widget in (a_slider, a_switch, a_stick):
            for value in (text, '{"x":%s,"y":%s}' % (text, text)):
                line = '{"id":"%s","event":"change","value":%s}' % (widget["id"], value)
                connection.send(68, line.encode())
    connection.widget(a_slider, "press")
    connection.widget(a_slider, "change", 8)
    connection.widget(a_switch, "change", True)
    connection.widget(a_stick, "change", {"x": 5, "y": -0.5, "z": 7})
    wait_until(lambda: len(values) == 3)
    assert values == [8, True, (1, -0.5)]
    assert (slider.value, switch.value, stick.x, stick.y) == (8, True, 1, -0.5)


@pytest.mark.parametrize(
    "minimum, maximum, step, value, expected",
    [
        (0, 100, 1, 50, 50),
        (0, 100, 1, 49.6, 50),
        (0, 10, 3, 10, 9),
        (0, 10, 3, 4.4, 3),
        (5, 10, 2, 10, 9),
        (-90, 90, 45, 50, 45),
        (0, 1, 0.1, 0.3, 0.3),
        (0, 1, 0.1, 1, 1.0),
        (0, 0.3, 0.1, 5, 0.3),
        (0, 1, 0.6, 1, 0.6),
        (0.5, 2, 1, 5, 1.5),
        (0, 1, 5, 1, 0),
        (-1.5, 1.5, 0.001, 0.1234, 0.123),
        (0, 1e-9, 1e-12, 5.5e-10, 5.5e-10),
        (0, 10**15, 1, 123456789012345, 123456789012345),
    ],
)
def test_where_a_slider_may_stand(linked, minimum, maximum, step, value, expected):
    from further_link import Slider

    slider = Slider("s", minimum, maximum, step)
    slider.value = value
    assert slider.value == expected
    assert type(slider.value) is type(expected)
    slider.value = maximum + 1000
    assert minimum <= slider.value <= maximum
    slider.value = minimum - 1000
    assert slider.value == minimum


def test_client_is_told_where_the_slider_stands(linked):
    from further_link import Slider

    slider = Slider("s", 0, 10, 1)
    data = linked.widget("s")
    linked.connection().widget(data, "change", 7)
    wait_until(lambda: slider.value == 7)
    settled(linked)
    # It knows that itself.
    assert linked.widgets()["s"]["value"] == 0
    linked.connection().widget(data, "change", 700)
    wait_until(lambda: linked.widgets()["s"]["value"] == 10)
    slider.value = 3
    wait_until(lambda: linked.widgets()["s"]["value"] == 3)


def test_setting_a_value_calls_nothing(linked):
    from further_link import Slider, Switch

    values = []
    slider, switch = Slider("s"), Switch("t")
    slider.when_changed = switch.when_changed = values.append
    slider.value, switch.value, switch.is_on = 5, True, True
    linked.connection().widget(linked.widget("s"), "change", 9)
    wait_until(lambda: values)
    assert values == [9]


def test_sliders_take_numbers_of_numpy(linked):
    numpy = pytest.importorskip("numpy")
    from further_link import Number, Slider

    slider = Slider("s", numpy.int64(0), numpy.int32(10), numpy.uint8(2), numpy.float32(4))
    assert (slider.minimum, slider.maximum, slider.step, slider.value) == (0, 10, 2, 4)
    assert type(slider.value) is int
    slider.value = numpy.float64(7.1)
    assert slider.value == 8
    slider = Slider("s", numpy.float32(0), numpy.array(1.5), 0.5)
    assert type(slider.value) is float
    number = Number("n", numpy.float32(0.5))
    number.value = numpy.int64(3)
    wait_until(lambda: linked.widgets().get("n", {}).get("value") == 3)


@pytest.mark.parametrize(
    "arguments, error, match",
    [
        (("s", 5, 5), ValueError, "less than its maximum"),
        (("s", 6, 5), ValueError, "less than its maximum"),
        (("s", 0, 5, 0), ValueError, "step of a slider is more than 0"),
        (("s", 0, 5, -1), ValueError, "step of a slider is more than 0"),
        (("s", 0, 1, 1e-300), ValueError, "cannot be as small"),
        (("s", "0", 5), TypeError, "needs a number, not '0'"),
        (("s", None, 5), ValueError, "minimum of a slider is a number"),
        (("s", 0, float("inf")), ValueError, "maximum of a slider is a number"),
        (("s", 0, 1, float("nan")), ValueError, "step of a slider is a number"),
        (("s", 0, 1, 1, "x"), TypeError, "needs a number"),
        (("s" * 1001,), ValueError, "1000 characters"),
    ],
)
def test_sliders_that_cannot_be(linked, arguments, error, match):
    from further_link import Slider

    with pytest.raises(error, match=match):
        Slider(*arguments)
    settled(linked)
    assert "s" not in linked.widgets()


def test_values_that_cannot_be(linked):
    from further_link import Number, Slider

    slider, number = Slider("s"), Number("n")
    for value in ("5", [], object(), b"5"):
        for widget in (slider, number):
            with pytest.raises(TypeError, match="needs a number"):
                widget.value = value
    for value in (None, float("nan")):
        with pytest.raises(ValueError, match="the value of a slider is a number"):
            slider.value = value
    with pytest.raises(ValueError, match="1000 characters"):
        Number("n", unit="x" * 1001)
    with pytest.raises(TypeError, match="without brackets"):
        slider.when_changed = 5
    assert slider.value == 0 and number.value is None


def test_switch(linked):
    from further_link import Switch

    values = []
    switch = Switch("Light")
    assert switch.value is False and switch.is_on is False
    switch.when_changed = values.append
    data, connection = linked.widget("Light"), linked.connection()
    connection.widget(data, "change", True)
    wait_until(lambda: switch.is_on)
    connection.widget(data, "change", False)
    wait_until(lambda: not switch.value)
    wait_until(lambda: values == [True, False])
    switch.is_on = 1
    assert switch.value is True
    wait_until(lambda: linked.widgets()["Light"]["value"] is True)


def test_joystick(linked):
    from further_link import Joystick

    places = []
    stick = Joystick("Drive")
    assert (stick.x, stick.y) == (0, 0)
    stick.when_moved = lambda x, y: places.append((x, y))
    data, connection = linked.widget("Drive"), linked.connection()
    for value, place in (
        ({"x": 0.5, "y": -1}, (0.5, -1)),
        ({"x": -7, "y": 1e300}, (-1, 1)),
        ({"x": 0, "y": 0}, (0, 0)),
    ):
        connection.widget(data, "change", value)
        wait_until(lambda place=place: places and places[-1] == place)
        assert (stick.x, stick.y) == place
        assert type(stick.x) is float


def test_number(linked):
    from further_link import Number

    number = Number("Distance", unit="cm")
    assert number.value is None and number.unit == "cm" and number.label == "Distance"
    for value, shown in ((5, 5), (2.5, 2.5), (None, None), (float("nan"), None), (True, 1)):
        number.value = value
        wait_until(
            lambda shown=shown: linked.widgets().get("Distance", {}).get("value", "") == shown
        )
        assert number.value == shown


def test_tight_loop_does_not_flood(linked):
    from further_link import Number

    number = Number("n")
    start = time.monotonic()
    for value in range(20000):
        number.value = value
    elapsed = time.monotonic() - start
    wait_until(lambda: linked.widgets()["n"]["value"] == 19999)
    assert len(linked.of_kind(WIDGET)) <= 3 + elapsed / 0.05


def test_last_value_is_sent_when_the_program_ends(server, run):
    program = run(
        """
        from further_link import Number, Slider
        number, slider = Number("n"), Slider("s")
        for value in range(101):
            number.value = slider.value = value
        """,
        server,
    )
    assert program.end() == 0, program.err
    wait_until(lambda: server.connection().closed)
    assert server.widgets()["n"]["value"] == 100
    assert server.widgets()["s"]["value"] == 100


def test_slow_function_gets_the_newest_value(linked):
    from further_link import Button, Slider

    values = []
    go_on = threading.Event()
    slider, button = Slider("s", 0, 1000), Button("b")

    def slow(value):
        values.append(value)
        go_on.wait()

    slider.when_changed = slow
    button.when_pressed = lambda: values.append("pressed")
    a_slider, a_button, connection = linked.widget("s"), linked.widget("b"), linked.connection()
    for value in range(1, 101):
        connection.widget(a_slider, "change", value)
        if value == 1:
            wait_until(lambda: values == [1])
    # What comes in between stays in between.
    connection.widget(a_button, "press")
    connection.widget(a_button, "press")
    for value in range(101, 201):
        connection.widget(a_slider, "change", value)
    wait_until(lambda: slider.value == 200)
    go_on.set()
    wait_until(lambda: len(values) == 5)
    assert values == [1, 100, "pressed", "pressed", 200]


def test_widget_without_a_name_stays(linked):
    from further_link import Slider

    values = []
    Slider("s").when_changed = values.append
    gc.collect()
    linked.connection().widget(linked.widget("s"), "change", 5)
    wait_until(lambda: values == [5])


def test_remove(linked):
    from further_link import Button, Number

    values = []
    number, button, other = Number("n"), Button("b"), Button("c")
    data = linked.widget("b")
    button.when_pressed = lambda: values.append("removed")
    other.when_pressed = lambda: values.append("other")
    button.remove()
    number.remove()
    wait_until(lambda: set(linked.widgets()) == {"c"})
    number.value = 5
    button.remove()
    button.when_pressed = lambda: values.append("removed")
    linked.connection().widget(data, "press")
    linked.connection().widget(linked.widget("c"), "press")
    wait_until(lambda: values)
    settled(linked)
    assert values == ["other"]
    assert not button.is_pressed
    assert set(linked.widgets()) == {"c"}
    removed = [message for message in linked.json(WIDGET) if message.get("removed")]
    assert {"id": data["id"], "kind": "button", "removed": True} in removed


def test_remove_at_once(linked):
    from further_link import Button, _outbox

    with _outbox.outbox()._changed:
        Button("never").remove()
    Button("last")
    linked.widget("last")
    assert "never" not in linked.widgets()


def test_functions_may_be_taken_away(linked):
    from further_link import Slider

    values = []
    slider = Slider("s")
    slider.when_changed = values.append
    assert slider.when_changed == values.append
    slider.when_changed = None
    assert slider.when_changed is None
    linked.connection().widget(linked.widget("s"), "change", 5)
    wait_until(lambda: slider.value == 5)
    assert values == []


def test_labels(linked):
    from further_link import Button

    button = Button("a\ud800\n😀")
    assert button.label == "a?\n😀"
    assert repr(button) == "Button('a?\\n😀')"
    assert Button(5).label == "5"
    linked.widget("a?\n😀")
    Button("😀" * 1000)
    linked.widget("😀" * 1000)


def test_mistake_in_a_function_is_told(server, run):
    program = run(
        """
        from further_link import Slider
        slider = Slider("s")
        slider.when_changed = lambda: print("it gets a value")
        print("ready")
        input()
        slider.when_changed = lambda value: print("got", value)
        print("again")
        input()
        """,
        server,
    )
    program.wait_for("ready")
    connection, data = server.connection(), server.widget("s")
    connection.widget(data, "change", 5)
    wait_until(lambda: "takes 0 positional arguments but 1 was given" in program.err)
    program.line()
    program.wait_for("again")
    connection.widget(data, "change", 6)
    program.wait_for("got 6")
    program.line()
    assert program.end() == 0, program.err


def test_many_threads_make_widgets(linked):
    from further_link import Button

    def work(number):
        for turn in range(20):
            Button("b %d %d" % (number, turn))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(linked.widgets()) == 120)
    assert len({data["id"] for data in linked.json(WIDGET)}) == 120
