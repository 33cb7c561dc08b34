"""The document against the real server. `Conversation` holds every message against it that is sent
or comes."""

import base64
import json
import re
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import golden
from conversation import CODES, Conversation
from document import ROOT, NotJson, decode, details, document, look_up, messages
from server import Server

NAMED = ["run", "runStream"]
JSON_DIALECTS = ["run", "runStream", "runPy", "exec"]
# In one write, so that it comes as one message.
WAIT = "import os, signal\nos.write(1, b'ready\\n')\nwhile True: signal.pause()"
# What a program needs to speak through its channel socket.
CHANNEL = f"""import sys
sys.dont_write_bytecode = True
sys.path.insert(0, {str(ROOT / "tests/programs")!r})
from channel import *
c = Channel()
"""


@pytest.fixture(scope="module")
def small_server():
    """With small limits."""
    server = Server("limits.jobs=3", "limits.jobs_per_client=2", "limits.message_bytes=65536")
    yield server
    server.stop()


# Programs


@pytest.mark.parametrize("channel", JSON_DIALECTS)
def test_program_with_pipes(server, channel):
    query = {"client": "abc"} if channel in NAMED else {}
    with Conversation(server, channel, **query) as client:
        code = "import sys\nprint('Hello,', input())\nprint('oops', file=sys.stderr)\nsys.exit(3)"
        started = client.start(code)
        assert started == ({"number": 1} if channel == "runStream" else None)
        if channel != "exec":
            client.answers()
        client.stdin("Ann ä€😀\n")
        stopped, out, err = client.finish()
        assert (out, err, stopped["exitCode"]) == ("Hello, Ann ä€😀\n", "oops\n", 3)
        if channel == "runStream":
            assert stopped["output"] == len((out + err).encode())


@pytest.mark.parametrize("channel", JSON_DIALECTS)
def test_program_is_stopped(server, channel):
    with Conversation(server, channel) as client:
        client.start(WAIT)
        client.output_until("ready")
        client.stop()
        stopped, out, err = client.finish()
        assert (stopped["exitCode"], out, err) == (-15, "", "")
        # The name is free again.
        client.start("print(1)")
        stopped, out, err = client.finish()
        assert (stopped["exitCode"], out, err) == (0, "1\n", "")


@pytest.mark.parametrize("channel", NAMED)
def test_program_with_a_terminal(server, channel):
    with Conversation(server, channel, pty="1", client="") as client:
        code = (
            "import os, signal\n"
            "def show(*_): print(*os.get_terminal_size(), flush=True)\n"
            "signal.signal(signal.SIGWINCH, show)\n"
            "print('ready')\n"
            "while True: signal.pause()"
        )
        client.start(code)
        client.output_until("ready")
        client.send(client.message("resize", {"rows": 24, "cols": 80}))
        client.output_until("80 24")
        client.stdin("\x03")
        stopped, out, _ = client.finish()
        assert "KeyboardInterrupt" in out and stopped["exitCode"] == -2


def test_terminal_without_names(server):
    with Conversation(server, "runPy", pty="TRUE") as client:
        client.start("import os\nprint(*os.get_terminal_size())")
        assert client.finish()[1] == "60 4\r\n"


@pytest.mark.parametrize("channel", NAMED)
def test_programs_of_other_runners(server, channel):
    with Conversation(server, channel) as client:
        (server.work / "some folder").mkdir(exist_ok=True)
        client.send(
            {"type": "start", "process": "sh", "data": {"runner": "shell", "path": "some folder"}}
        )
        client.expect("started")
        client.stdin("echo $((6 * 7)); exit 5\n", "sh")
        stopped, out, _ = client.finish()
        assert (stopped["exitCode"], out) == (5, "42\n")

        code = "#!/bin/sh\necho from a file; kill -9 $$\n"
        client.start(code, "", "exec")
        stopped, out, _ = client.finish()
        assert (stopped["exitCode"], out) == (-9, "from a file\n")

        # As clients of today send it.
        data = {"runner": "python3", "code": "print(1)", "path": "", "directoryName": "x"}
        data["novncOptions"] = {"enabled": False}
        client.send({"type": "start", "process": 'ä"\n', "data": data, "client": "c"})
        client.expect("started")
        assert client.finish()[1] == "1\n"


@pytest.mark.parametrize("channel", ["runPy", "exec"])
def test_file_without_names(server, channel):
    (server.work / "demo").mkdir(exist_ok=True)
    (server.work / "demo/main.py").write_text("print('from a file')")
    with Conversation(server, channel) as client:
        client.send({"type": "start", "data": {"sourcePath": "demo/main.py"}})
        client.expect("started")
        assert client.finish()[1] == "from a file\n"
        client.send_odd(
            {"type": "start", "data": {"souceScript": "print('misspelt')"}, "version": 1}
        )
        client.expect("started")
        assert client.finish()[1] == "misspelt\n"


def test_folder_without_names(server):
    with Conversation(server, "runPy") as client:
        data = {"sourceScript": "import os; print(os.getcwd())", "directoryName": "new one"}
        client.send({"type": "start", "data": data})
        client.expect("started")
        assert client.finish()[1] == f"{server.work}/new one\n"


@pytest.mark.parametrize("channel", JSON_DIALECTS)
def test_much_output(server, channel):
    with Conversation(server, channel) as client:
        client.start(
            "import sys\n"
            "for i in range(30000): print(i, 'ä')\n"
            "sys.stdout.buffer.write(b'\\xff' * 20000)"
        )
        stopped, out, _ = client.finish_bytes() if channel == "runStream" else client.finish()
        lines = "".join(f"{i} ä\n" for i in range(30000))
        if channel == "runStream":
            assert out == lines.encode() + b"\xff" * 20000
            assert stopped["output"] == len(out)
        else:
            assert out == lines + "\ufffd" * 20000


@pytest.mark.parametrize("channel", NAMED)
def test_several_programs(server, channel):
    with Conversation(server, channel, client="tab 1") as client:
        for name in ("a", "b"):
            client.start(WAIT, name)
            client.output_until("ready")
        for name in ("b", "a"):
            client.stop(name)
            assert client.expect("stopped")["process"] == name


def test_output_and_input_as_bytes(server):
    with Conversation(server, "runStream") as client:
        code = (
            "import sys\n"
            "data = sys.stdin.buffer.read()\n"
            "print(len(data))\n"
            "sys.stdout.buffer.write(data[-4:])\n"
            "sys.stderr.buffer.write(b'\\xff')"
        )
        number = client.start(code)["number"]
        size = 200_000
        for offset in range(0, size, 50_000):
            client.send_frame("input", number, offset, b"\xfe" * 50_000)
        client.stdin("text")
        client.send_frame("inputEnd", number, size + 4)
        # A second one changes nothing.
        client.send_frame("inputEnd", number, size + 4)
        stopped, out, err = client.finish_bytes()
        assert (out, err) == (b"200004\ntext", b"\xff")
        assert stopped == {"exitCode": 0, "output": 12}
        assert "inputAckFrame" in client.seen
        # For one that is over these are ignored.
        client.acknowledge(number)
        client.send_frame("input", number, 0, b"x")
        client.answers()
        # A number is never used twice.
        assert client.start("")["number"] > number
        client.finish()


def test_other_routes_do_not_have_the_subprotocol(server):
    for channel in ("runPy", "exec", "ws"):
        path = document()["channels"][channel]["address"]
        with Conversation.connect(server, path, ["further-link.3"]) as socket:
            assert socket.subprotocol is None


# What a program says beside its standard streams


@pytest.mark.parametrize("channel", ["run", "runStream", "runPy"])
def test_keys(server, channel):
    with Conversation(server, channel) as client:
        client.start(
            f"{CHANNEL}c.receive()\n"
            "c.send(KEYLISTEN, 'ArrowUp')\n"
            "c.send(KEYLISTEN, ' ')\n"
            "for _ in range(3): say(c.receive()[1])"
        )
        for key in ("ArrowUp", " "):
            assert client.expect("keylisten")["data"] == {"output": key, "key": key}
        events = [{"key": "ArrowUp", "event": "keydown"}, {"key": " ", "event": "keyup"}]
        for event in events:
            client.send(client.message("keyevent", event))
        events.append({"key": "ä", "event": "keyhold"})
        client.send_odd(client.message("keyevent", events[-1]))
        _, out, _ = client.finish()
        assert [json.loads(line) for line in out.splitlines()] == events


@pytest.mark.parametrize("channel", ["run", "runStream", "runPy"])
def test_video(server, channel):
    picture = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 100
    with Conversation(server, channel) as client:
        number = client.start(
            f"{CHANNEL}for i in range(3):\n  c.send(VIDEO, {picture!r} + bytes([i]))\n  input()"
        )
        for index in range(3):
            if channel == "runStream":
                of, jpeg = client.expect("videoFrame")
                assert (of, client.offset) == (number["number"], index)
            else:
                jpeg = base64.b64decode(client.expect("video")["data"]["output"], validate=True)
            assert jpeg == picture + bytes([index])
            client.stdin("\n")
        assert client.finish()[0]["exitCode"] == 0


FIGURE = {
    "id": "f1",
    "figure": 3,
    "title": 'Über "x"',
    "format": "png",
    "width": 640,
    "height": 480,
}
PLOT = {
    "name": "Temperature",
    "series": [{"name": "inside", "x": [0, 0.5, 1e-9], "y": [20.5, None, -3]}],
    "clear": True,
    "window": 100,
}
WIDGETS = [
    {"id": "w1", "kind": "button", "label": "Go"},
    {
        "id": "w2",
        "kind": "slider",
        "label": "Speed",
        "minimum": 0,
        "maximum": 1,
        "step": 0.1,
        "value": 0.5,
    },
    {"id": "w3", "kind": "switch", "label": "Light", "value": True},
    {"id": "w4", "kind": "number", "label": "Distance", "value": None, "unit": "cm"},
    {"id": "w5", "kind": "joystick", "label": "Drive", "x": 0, "y": -1},
    {"id": "w5", "kind": "joystick", "removed": True},
]
SHOW = f"""{CHANNEL}
say(c.receive()[1])
input()
c.send(FIGURE, json.dumps({FIGURE!r}) + "\\n" + "PNG")
c.send(FIGURE, json.dumps(dict({FIGURE!r}, closed=True)))
c.send(PLOT, {PLOT!r})
for widget in {WIDGETS!r}: c.send(WIDGET, widget)
"""


@pytest.mark.parametrize("channel", NAMED)
@pytest.mark.parametrize("how", ["query", "hello"])
def test_figures_plots_and_widgets(server, channel, how):
    query = {"features": "figure,plot,widget"} if how == "query" else {}
    with Conversation(server, channel, **query) as client:
        if how == "hello":
            client.send({"type": "hello", "data": {"features": ["widget", "figure", "plot"]}})
            assert client.expect("helloAnswer")["data"]["features"] == ["figure", "plot", "widget"]
        client.start(f"{SHOW}for _ in range(5): kind, event = c.receive(); say(kind, event)")
        heard = client.output_until("}")
        told = json.loads(heard)
        # What goes beside the output is not in order with it.
        client.stdin("\n")
        assert told == {
            "version": document()["info"]["version"],
            "features": ["figure", "plot", "widget"],
        }

        shown = client.expect("figure")["data"]
        assert shown == {**FIGURE, "closed": False, "image": base64.b64encode(b"PNG").decode()}
        assert client.expect("figure")["data"] == {**FIGURE, "closed": True, "image": None}
        assert plain(client.expect("plot")["data"]) == PLOT
        for widget in WIDGETS:
            assert plain(client.expect("widget")["data"]) == widget

        events = [
            (67, "figureevent", {"id": "f1", "event": "close"}),
            (68, "widgetevent", {"id": "w1", "event": "press"}),
            (68, "widgetevent", {"id": "w2", "event": "change", "value": 0.25}),
            (68, "widgetevent", {"id": "w3", "event": "change", "value": False}),
            (68, "widgetevent", {"id": "w5", "event": "change", "value": {"x": 0.5, "y": -1}}),
        ]
        for _, kind, data in events:
            client.send(client.message(kind, data))
        _, out, _ = client.finish()
        lines = [line.split(" ", 1) for line in out.splitlines()]
        heard = [(int(kind), json.loads(data)) for kind, data in lines]
        assert heard == [(kind, data) for kind, _, data in events]


def plain(value):
    """With floats for decimals, as Python itself reads JSON."""
    return json.loads(json.dumps(value, default=float))


@pytest.mark.parametrize("channel", ["run", "runStream"])
def test_sounds(server, channel):
    code = "from further_link import play; play(440, volume=0.5); play('C4', duration=0)"
    with Conversation(server, channel, features="sound") as client:
        client.send(client.message("start", {"runner": "python3", "code": code}))
        client.expect("started")
        data = [client.expect("sound")["data"] for _ in range(2)]
        assert [float(tone["frequency"]) for tone in data] == [440, 261.626]
        client.expect("stopped")


# By kind, what the package that ships with the server says of a widget beside `id`, `kind` and
# `label`.
WIDGET_KEYS = {
    "button": set(),
    "slider": {"minimum", "maximum", "step", "value"},
    "switch": {"value"},
    "number": {"value", "unit"},
    "joystick": {"x", "y"},
}
PACKAGE = """
from further_link import Button, Joystick, KeyboardButton, Number, Slider, Switch, plot
KeyboardButton("a")
plot("T", [0, 1, float("inf")], [2.5, None, 3])
plot("U", roll=1, pitch=2, window=5)
widgets = [Button("Go"), Slider("Speed", 0, 1, 0.1), Switch("Light"), Number("Far", unit="cm"), Joystick("Drive")]
input()
for widget in widgets: widget.remove()
plot("T", clear=True)
"""


@pytest.mark.parametrize("channel", NAMED)
def test_what_the_package_says(server, channel):
    """The Python package that ships with the server, from a program."""
    with Conversation(server, channel, features="plot,widget") as client:
        client.start(PACKAGE)
        widgets, plots, keys = {}, {}, []

        def take():
            key, value = client.receive()
            assert key in ("widget", "plot", "keylisten", "stopped"), value
            if key == "widget":
                widgets[value["data"]["kind"]] = value["data"]
            if key == "plot":
                plots[value["data"]["name"]] = plain(value["data"])
            if key == "keylisten":
                keys.append(value["data"]["key"])
            return key

        while len(widgets) < len(WIDGET_KEYS) or len(plots) < 2 or not keys:
            assert take() != "stopped"
        for kind, data in widgets.items():
            assert set(data) == {"id", "kind", "label"} | WIDGET_KEYS[kind]
        assert plots["T"] == {"name": "T", "series": [{"name": "T", "x": [0, 1], "y": [2.5, None]}]}
        assert [series["name"] for series in plots["U"]["series"]] == ["roll", "pitch"]
        assert plots["U"]["window"] == 5
        assert keys == ["a"]

        client.stdin("\n")
        while take() != "stopped":
            pass
        for kind, data in widgets.items():
            assert data == {"id": data["id"], "kind": kind, "removed": True}
        assert plots["T"] == {"name": "T", "series": [], "clear": True}


@pytest.mark.parametrize("channel", NAMED)
def test_nobody_is_shown_what_they_did_not_ask_for(server, channel):
    with Conversation(server, channel, features="plot") as client:
        client.start(SHOW)
        client.stdin("\n")
        client.finish()
        assert client.seen & {"figure", "plot", "widget"} == {"plot"}
        # It replaces the query.
        client.send({"type": "hello", "data": {"features": []}})
        assert client.expect("helloAnswer")["data"]["features"] == []
        client.seen.clear()
        client.start(SHOW)
        client.stdin("\n")
        client.finish()
        assert client.seen & {"figure", "plot", "widget"} == set()


@pytest.mark.parametrize("channel", NAMED)
def test_hello_that_is_not_as_it_should_be(server, channel):
    with Conversation(server, channel) as client:
        for data, features in [
            (None, []),
            ("figure", []),
            ({"features": "figure"}, []),
            ({"features": {"figure": True}}, []),
            ({"features": [1, "plot", None, "hologram", "plot"]}, ["plot"]),
        ]:
            client.send_odd({"type": "hello", "data": data})
            assert client.expect("helloAnswer")["data"]["features"] == features


# Uploads


def test_upload(server):
    files = {"main.py": {"type": "text", "content": {"text": "print(open('sub/a.txt').read())"}}}
    files["sub/a.txt"] = {"type": "text", "content": {"text": "uploaded ä"}}
    with Conversation(server, "runPy") as client:
        for extra in ({}, {"username": "ann@example.org"}):
            directory = {"name": "project-dir", "files": files, **extra}
            client.send({"type": "upload", "data": {"directory": directory}})
            client.expect("uploaded")
        client.send({"type": "start", "data": {"sourcePath": "project-dir/main.py"}})
        client.expect("started")
        assert client.finish()[1] == "uploaded ä\n"


def test_upload_with_a_file_from_elsewhere(server):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"fetched")

        def log_message(self, *_):
            pass

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as site,
        Conversation(server, "runPy") as client,
    ):
        threading.Thread(target=site.serve_forever, daemon=True).start()
        place = {"bucketName": "b", "fileName": "f.txt"}
        place["url"] = f"http://127.0.0.1:{site.server_port}/f.txt"
        files = {"images/f.txt": {"type": "url", "content": place}}
        client.send({"type": "upload", "data": {"directory": {"name": "fetched", "files": files}}})
        client.expect("uploaded")
        site.shutdown()
        assert (server.work / "fetched/images/f.txt").read_text() == "fetched"


def test_upload_for_nobody(server):
    directory = {"name": "x", "files": {}}
    for query, data in [({"user": "nosuch"}, {}), ({}, {"user": "nosuch"})]:
        with Conversation(server, "runPy", **query) as client:
            client.send({"type": "upload", "data": {"directory": directory, **data}})
            detail = client.refused(message="Bad upload")
            assert detail == "There is no user nosuch on this device."


def test_uploads_that_are_none(server):
    with Conversation(server, "runPy") as client:
        for case in golden.cases(golden.UPLOADS):
            if "rejected" in case and "message" in case and is_object(case["message"]):
                message = f'{{"type":"upload","data":{{"directory":{case["message"]}}}}}'
                client.send_odd(message)
                assert client.refused(message="Bad upload") == case["rejected"]


def is_object(text):
    try:
        return isinstance(decode(text), dict)
    except NotJson:
        return False


@pytest.mark.parametrize(
    ("name", "file"), [("..", "a"), ("x", "../a"), ("/tmp/x", "a"), ("x", "/tmp/a"), ("x\0", "a")]
)
def test_upload_that_leads_elsewhere(server, name, file):
    with Conversation(server, "runPy") as client:
        files = {file: {"type": "text", "content": {"text": ""}}}
        client.send({"type": "upload", "data": {"directory": {"name": name, "files": files}}})
        assert client.refused(message="Bad upload")


# Errors


@pytest.mark.parametrize("channel", JSON_DIALECTS)
def test_samples_that_are_rejected(server, channel):
    with Conversation(server, channel) as client:
        for case in golden.from_client(channel):
            if "command" in case:
                continue
            if "message" in case:
                client.send_wrong(case["message"])
            elif channel == "runStream":
                # A binary frame is none of JSON there.
                continue
            else:
                client.send_wrong(bytes.fromhex(case["messageHex"]))
            detail = client.refused(case["process"])
            assert detail.startswith(case["rejected"] + ": ") or detail == case["rejected"], case


def test_frames_that_are_rejected(server):
    with Conversation(server, "runStream") as client:
        for case in golden.cases(golden.FRAMES):
            if case["from"] == "client" and "rejected" in case:
                client.send_wrong_frame(bytes.fromhex(case["frameHex"]))
                assert client.refused(None) == case["rejected"], case


@pytest.mark.parametrize("channel", JSON_DIALECTS)
def test_everything_that_may_be_wrong(server, channel):
    """Each pattern of `detail` in the document, in conversations with the server."""
    with Conversation(server, channel) as client:
        seen = client.details
        for case in golden.from_client(channel):
            if "rejected" in case and "message" in case:
                client.send_wrong(case["message"])
                client.refused(case["process"])
        if channel == "runStream":
            # Of text frames this is the business of the WebSocket protocol, and binary ones are no
            # text.
            seen.add("the message is not UTF-8 text")
        else:
            client.send_wrong(b"\xff")
            client.refused(None)
        wrong_order(client)
        if channel in NAMED:
            client.send({"type": "start", "process": "p", "data": {"runner": "cobol", "code": ""}})
            client.refused()
        if channel != "exec":
            events_that_nobody_reads(client)
    if channel == "runStream":
        seen = seen | wrong_frames(server)
    assert unseen(details(channel), seen) == []


def unseen(patterns, texts):
    return [pattern for pattern in patterns if not any(re.search(pattern, text) for text in texts)]


def wrong_order(client):
    """Messages at a time when they cannot be meant."""
    kinds = {message.name for message in messages(client.channel) if message.direction == "client"}
    out_of_place = [
        client.message("stdin", {"input": "x"}),
        client.message("stop"),
        client.message("keyevent", {"key": "a", "event": "keyup"}),
        client.message("resize", {"rows": 1, "cols": 1}),
        client.message("figureevent", {"id": "f", "event": "close"}),
        client.message("widgetevent", {"id": "w", "event": "press"}),
    ]
    for message in out_of_place:
        if message["type"] in kinds:
            client.send(message)
            client.refused()
    client.start(WAIT)
    client.output_until("ready")
    start = {"runner": "python3", "code": ""} if client.channel in NAMED else {"sourceScript": ""}
    client.send(client.message("start", start))
    client.refused()
    if client.channel in NAMED:
        client.send(client.message("resize", {"rows": 1, "cols": 1}))
        client.refused()
        for kind in ("figureevent", "widgetevent"):
            client.send_wrong(client.message(kind, {"id": "f"}))
            client.refused()
            # A schema cannot count its bytes.
            client.send_unseen(
                client.message(kind, {"id": "f", "event": "close", "more": "x" * 16384})
            )
            client.refused()
    # What comes when nothing waits is always taken.
    client.stdin("x" * (2 << 20))
    client.stdin("y")
    client.refused()
    client.stop()
    client.expect("stopped")


def events_that_nobody_reads(client):
    client.start(f"{CHANNEL}c.send(KEYLISTEN, 'a')\n{WAIT}")
    client.expect("keylisten")
    client.output_until("ready")
    # A schema cannot count its bytes.
    client.send_unseen(client.message("keyevent", {"key": "k" * 16384, "event": "keydown"}))
    client.refused()
    text = "k" * 16000
    events = [("keyevent", {"key": text, "event": "keydown"})]
    if client.channel in NAMED:
        events += [("widgetevent", {"id": text, "event": "press"})]
    for kind, data in events:
        # Whatever the sockets of the device hold.
        for _ in range(1000):
            client.send(client.message(kind, data))
            client.send({"type": "ping"})
            key, _ = client.receive()
            if key == "error":
                client.expect("pong")
                break
        else:
            pytest.fail("all events were taken")
    client.stop()
    client.expect("stopped")


def wrong_frames(server):
    """Frames that are well formed and say what cannot be."""
    seen = set()
    for pty in ("0", "1"):
        with Conversation(server, "runStream", pty=pty) as client:
            client.send_frame("input", 1, 0)
            client.refused(None)
            client.send_wrong_frame(struct.pack(">3BxIQ", *CODES["input"], 0, 0))
            client.refused(None)
            number = client.start(WAIT)["number"]
            client.output_until("ready")
            client.send_frame("input", number, 7, b"x")
            client.refused()
            client.send_frame("outputAck", number, 1 << 60)
            client.refused()
            client.send_frame("inputEnd", number, 0)
            if pty == "1":
                client.refused()
            else:
                client.send_frame("input", number, 0, b"x")
                client.refused()
                client.stdin("x")
                client.refused()
            for case in golden.cases(golden.FRAMES):
                if case["from"] == "client" and "rejected" in case:
                    client.send_wrong_frame(bytes.fromhex(case["frameHex"]))
                    client.refused(None)
            client.stop()
            client.expect("stopped")
            seen |= client.details
    return seen


@pytest.mark.parametrize("channel", NAMED)
def test_starts_that_fail(server, channel):
    (server.work / "binary").write_text("no first line")
    with Conversation(server, channel) as client:
        for data in [
            {"runner": "python3"},
            {"runner": "python3", "path": "nosuch.py"},
            {"runner": "python3", "path": "/etc"},
            {"runner": "exec", "path": "binary"},
            {"runner": "exec", "path": "nosuch"},
            {"runner": "exec", "code": "#!/nosuch/interpreter\n"},
        ]:
            for _ in range(2):
                client.send({"type": "start", "process": "p", "data": data})
                error = client.expect("error")
                assert error["process"] == "p" and set(error["data"]) == {"message"}, error
        client.answers()
    with Conversation(server, channel, user="nosuch") as client:
        client.send({"type": "start", "process": "p", "data": {"runner": "python3", "code": ""}})
        assert client.expect("error")["data"] == {
            "message": "There is no user nosuch on this device."
        }


@pytest.mark.parametrize("channel", ["runPy", "exec"])
def test_starts_that_fail_without_names(server, channel):
    with Conversation(server, channel) as client:
        for path in ("nosuch.py", "/etc"):
            client.send({"type": "start", "data": {"sourcePath": path}})
            assert set(client.expect("error")["data"]) == {"message"}


@pytest.mark.parametrize("channel", NAMED)
def test_too_many_programs(small_server, channel):
    with (
        Conversation(small_server, channel) as client,
        Conversation(small_server, channel) as other,
    ):
        for name in ("a", "b"):
            client.start(WAIT, name)
            client.output_until("ready")
        client.send(client.message("start", {"runner": "python3", "code": ""}, "c"))
        assert client.expect("error")["data"]["message"].startswith("You already run 2 programs")
        other.start(WAIT, "a")
        other.output_until("ready")
        other.send(other.message("start", {"runner": "python3", "code": ""}, "b"))
        assert other.expect("error")["data"]["message"].startswith(
            "This device already runs 3 programs"
        )
        for one, name in ((client, "a"), (client, "b"), (other, "a")):
            one.stop(name)
            one.expect("stopped")


def test_when_the_device_fails():
    """A file may have 1 MiB there, and the code is longer."""
    server = Server(wrapper=["sh", "-c", 'trap "" XFSZ; ulimit -f 2048; exec "$@"', "sh"])
    try:
        with Conversation(server, "run") as client:
            client.send(client.message("start", {"runner": "python3", "code": "#" * (2 << 20)}))
            assert "File too large" in client.refused(message="Message Exception")
    finally:
        server.stop()


# /ws


def test_command_lines(server, small_server):
    answers = set()
    with Conversation(server, "ws", mode="command") as client:
        for line, wanted in [
            ("echo  'a  b' \"c d\" e\\ f $HOME *", "a  b c d e f $HOME *\n"),
            ("true", ""),
            ("sh -c 'echo out; echo err >&2; exit 3'", "out\nerr\n"),
            ("'open", "error: a quotation mark is not closed"),
            ("false", "error: false ended with status 1 and no output"),
            ("sh -c 'kill -9 $$'", "error: sh was ended by signal 9"),
            ("nosuchprog", "error: nosuchprog is not installed on this device."),
        ]:
            client.send(line)
            assert client.expect("answer") == wanted
            answers.add(wanted)
        client.socket.send("  ")
        answers.add(client.expect("answer"))
        client.socket.send(b"\xff")
        answers.add(client.expect("answer"))
    with Conversation(small_server, "ws") as client:
        client.send("seq 100000")
        answers.add(client.expect("answer"))
    answers |= too_many_lines(server)
    answers |= python_that_ends(server)
    forms = look_up("#/components/schemas/WsAnswer")["anyOf"]
    assert unseen([form["pattern"] for form in forms if "pattern" in form], answers) == []


def too_many_lines(server):
    go = server.work / "go"
    with Conversation(server, "ws") as client:
        client.send(f"sh -c 'until [ -e {go} ]; do sleep 0.01; done; echo done'")
        lines = 70
        for number in range(lines):
            client.send(f"echo {number}")
        # The server has read them when it answers this.
        assert client.socket.ping().wait(30)
        go.touch()
        answers = [client.expect("answer") for _ in range(1 + lines)]
    go.unlink()
    assert answers[0] == "done\n"
    assert answers[1:65] == [f"{number}\n" for number in range(64)]
    return set(answers)


def python_that_ends(server):
    with Conversation(server, "ws", mode="python") as client:
        client.send("import os; print('last words', flush=True); os._exit(3)")
        answer = client.expect("answer")
        assert answer.endswith("\nlast words\n")
        client.send("1")
        assert client.expect("answer") == "1\n"
    return {answer}


def test_python_lines(server):
    with Conversation(server, "ws", mode="python") as client:
        for line, wanted in [
            ("x = 6 * 7", ""),
            ("x", "42\n"),
            ("for i in range(2):", ""),
            ("  print(i)", ""),
            ("", "0\n1\n"),
            ("import math\nmath.floor(2.5)", "2\n"),
        ]:
            client.send(line)
            assert client.expect("answer") == wanted
        client.send("1 / 0")
        assert "ZeroDivisionError" in client.expect("answer")


def test_user_that_there_is_not(server):
    for mode in ("command", "python"):
        with Conversation(server, "ws", mode=mode, user="nosuch") as client:
            client.send("echo 1")
            assert client.expect("answer") == "error: There is no user nosuch on this device."


# At the end


def test_every_message_was_sent_or_has_come(request):
    here = {name for name in globals() if name.startswith("test_")}
    if not here <= {getattr(item, "originalname", None) for item in request.session.items}:
        pytest.skip("this needs all tests of the file")
    for channel in document()["channels"]:
        known = {message.key for message in messages(channel)}
        # It is not sent yet (section 8).
        assert known - Conversation.had[channel] <= {"novnc"}, channel
