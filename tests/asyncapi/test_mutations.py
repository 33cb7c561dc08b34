"""Messages that are not quite right must not pass: what the schemas let through is listed here."""

import copy

import pytest

from document import CLIENT, all_messages, document, validator

# A value of each type that JSON has, with integers apart.
VALUES = {
    "null": None,
    "boolean": True,
    "integer": 7,
    "number": 0.5,
    "string": "other",
    "array": [],
    "object": {},
}


def type_of(value):
    if isinstance(value, bool):
        return "boolean"
    names = {
        type(None): "null",
        int: "integer",
        float: "number",
        str: "string",
        list: "array",
        dict: "object",
    }
    return names[type(value)]


def places(value, path=()):
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def mutants(message):
    """What is changed, and the message with that change.

    `a.b -c` is without the key c of a.b, `a.b +` with a key more, `a.b=null` with a value of
    another type, `a.b~` with another text. `*` is any item of a list, `.` the message."""

    def change(path, edit):
        root = [copy.deepcopy(message)]
        holder, last = root, 0
        for key in path:
            holder, last = holder[last], key
        edit(holder, last)
        return root[0]

    def put(value):
        return lambda holder, last: holder.__setitem__(last, value)

    for path, value in places(message):
        name = ".".join("*" if isinstance(key, int) else key for key in path) or "."
        if isinstance(value, dict):
            for key in value:
                yield (
                    f"{name} -{key}",
                    change(path, lambda holder, last, key=key: holder[last].pop(key)),
                )
            yield f"{name} +", change(path, lambda holder, last: holder[last].update(unexpected=1))
        if isinstance(value, str):
            yield f"{name}~", change(path, put(value + "?"))
        for kind, other in VALUES.items():
            # Each integer is a number.
            if kind != type_of(value) and (kind, type_of(value)) != ("integer", "number"):
                yield f"{name}={kind}", change(path, put(other))


# Another text is as good for these two.
ENVELOPE = {"client~", "process~"}

# All that the examples of each message may be changed to. What is not here has nothing.
LET_THROUGH = {
    "runStart": ["data -code", "data -path", "data.code~", "data.path~", "data.runner~"],
    "runStdin": ["data.input~"],
    "runKeyevent": ["data.key~"],
    "runFigureevent": ["data.id~"],
    # The value of a slider may be that of a switch: what type it has is said by the widget.
    "runWidgetevent": [
        "data.id~",
        "data.value.x=number",
        "data.value=boolean",
        "data.value=integer",
        "data.value=number",
    ],
    "runHelloAnswer": ["data.version~"],
    "runStdout": ["data.output~"],
    "runStderr": ["data.output~"],
    "runError": ["data -detail", "data.detail~", "process=null"],
    "runKeylisten": ["data.key~", "data.output~"],
    "runFigure": ["data.id~", "data.title~"],
    # Handed on as the program has written it, so there may be more.
    "runPlot": [
        "data +",
        "data -window",
        "data.name~",
        "data.series.* +",
        "data.series.*.name~",
        "data.series.*.x.*=number",
        "data.series.*.y.*=integer",
        "data.series.*.y.*=null",
        "data.series.*.y.*=number",
    ],
    "runWidget": [
        "data +",
        "data -label",
        "data -maximum",
        "data -minimum",
        "data -removed",
        "data -step",
        "data -value",
        "data.id~",
        "data.kind~",
        "data.label~",
        "data.maximum=number",
        "data.minimum=number",
    ],
    "runSound": ["data.volume=number"],
    "runNovnc": ["data.path~"],
    "streamError": ["data -detail", "process=null"],
    "pyStart": [
        "data -directoryName",
        "data.directoryName~",
        "data.sourcePath~",
        "data.sourceScript~",
    ],
    "execStart": ["data.sourcePath~", "data.sourceScript~"],
    "pyStdin": ["data.input~"],
    "pyKeyevent": ["data.key~"],
    "pyUpload": [
        "data.directory -username",
        "data.directory.files -images/cat.jpg",
        "data.directory.files -main.py",
        "data.directory.files.images/cat.jpg.content.bucketName~",
        "data.directory.files.images/cat.jpg.content.fileName~",
        "data.directory.files.images/cat.jpg.content.url~",
        "data.directory.files.main.py.content.text~",
        "data.directory.name~",
        "data.directory.username~",
    ],
    "pyStdout": ["data.output~"],
    "pyStderr": ["data.output~"],
    "pyError": ["data -detail"],
    "execError": ["data -detail"],
    "pyKeylisten": ["data.key~", "data.output~"],
}


def components(content=None):
    """Messages of the document by their content type, None for JSON."""
    found = document()["components"]["messages"]
    return [name for name, message in found.items() if message.get("contentType") == content]


def component(name):
    message = document()["components"]["messages"][name]
    return [example["payload"] for example in message["examples"]], validator(
        message["payload"]["$ref"]
    )


@pytest.mark.parametrize("name", components())
def test_only_what_is_listed_passes(name):
    examples, payload = component(name)
    passed, tried = set(), 0
    for example in examples:
        for change, mutant in mutants(example):
            tried += 1
            if payload.is_valid(mutant):
                passed.add(change)
    assert tried > 10
    assert passed - ENVELOPE == set(LET_THROUGH.get(name, [])), name


def test_messages_listed_are_there():
    assert set(LET_THROUGH) <= set(components())


@pytest.mark.parametrize(
    "message", [m for m in all_messages() if m.direction == CLIENT and not m.is_binary], ids=str
)
def test_server_takes_further_keys_but_no_other_type(message):
    for example in message.examples:
        for change, mutant in mutants(example):
            if change.endswith(" +"):
                assert message.taken.is_valid(mutant), (change, mutant)
            if change in (". -type", "type~", "type=null", "type=integer", ".=array", ".=null"):
                assert not message.taken.is_valid(mutant), (change, mutant)


def frame_mutants(frame):
    data = bytes.fromhex(frame)
    for place in range(4):
        for value in {0, 1, 2, 3, 255} - {data[place]}:
            yield f"byte {place} is {value}", data[:place] + bytes([value]) + data[place + 1 :]
    yield "no number", data[:4] + bytes(4) + data[8:]
    yield "nothing", b""
    yield "half a head", data[:8]
    yield "one byte less than a head", data[:15]


@pytest.mark.parametrize("name", components("application/octet-stream"))
def test_frames_that_are_not_quite_right_do_not_pass(name):
    examples, payload = component(name)
    for frame in examples:
        for change, mutant in frame_mutants(frame):
            assert not payload.is_valid(mutant.hex()), change
        assert not payload.is_valid(frame.upper() + "0"), "half a byte"
        head, bytes_behind = frame[:32], frame[32:]
        # Only `data` has bytes, and only that of input may have none.
        assert payload.is_valid(head + "00") == bool(bytes_behind)
        assert payload.is_valid(head) == (name == "inputFrame" or not bytes_behind)
    if name in ("stdoutFrame", "stderrFrame"):
        assert payload.is_valid(head + "00" * 16384)
        assert not payload.is_valid(head + "00" * 16385)
