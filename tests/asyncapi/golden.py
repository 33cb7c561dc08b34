"""The samples of tests/golden. Their README says what the cases look like."""

import functools
import json

from document import ROOT

FOLDER = ROOT / "tests/golden"

# The files with what clients send and what the server sends, of each channel of the document that
# has samples.
FILES = {
    "run": ("run/from-client.json", "run/to-client.json"),
    # Text frames from a client are those of `run`.
    "runStream": ("run/from-client.json", "further-link.3/to-client.json"),
    "runPy": ("run-py/from-client.json", "run-py/to-client.json"),
    "exec": ("exec/from-client.json", "exec/to-client.json"),
}
FRAMES = "further-link.3/frames.json"
UPLOADS = "upload/from-client.json"

# Details after this one go on with what the server's JSON parser says.
NOT_JSON = "the message is not valid JSON"


@functools.cache
def cases(file):
    return json.loads((FOLDER / file).read_text())


def from_client(channel):
    return cases(FILES[channel][0])


def to_client(channel):
    return cases(FILES[channel][1])


def text_of(case):
    """The text of a message; none if its bytes are no UTF-8."""
    if "message" in case:
        return case["message"]
    try:
        return bytes.fromhex(case["messageHex"]).decode()
    except UnicodeDecodeError:
        return None


def rejected_detail(case):
    detail = case["rejected"]
    return f"{detail}: what the parser says" if detail == NOT_JSON else detail


def parameters(channels, read):
    """(channel, case) for pytest, and the names of the cases."""
    pairs = [(channel, case) for channel in channels for case in read(channel)]
    return {"argvalues": pairs, "ids": [f"{channel}: {case['name']}" for channel, case in pairs]}
