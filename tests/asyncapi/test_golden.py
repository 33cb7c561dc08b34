"""The document against the samples that the server and the clients are tested with."""

import json
import re

import pytest

import golden
from document import (
    CLIENT,
    SERVER,
    NotJson,
    decode,
    details_like,
    document,
    matching,
    messages,
    validator,
    why_not,
)

HALF_PAIR = re.compile("[\ud800-\udfff]")


def test_each_folder_of_samples_belongs_to_a_channel():
    files = {str(path.relative_to(golden.FOLDER)) for path in golden.FOLDER.glob("*/*")}
    # What programs and the server say to each other is no matter of clients; the terminal server is
    # another one.
    files -= {file for file in files if file.startswith(("channel/", "terminal/"))}
    known = {file for pair in golden.FILES.values() for file in pair}
    known |= {golden.FRAMES, golden.UPLOADS}
    assert files == known
    # `/ws` is text without a form; test_live.py talks to it.
    assert set(document()["channels"]) == set(golden.FILES) | {"ws"}


def has_half_pair(value):
    return HALF_PAIR.search(json.dumps(value, ensure_ascii=False, default=str)) is not None


def decoded(case):
    """The message of a case, or None if it is no JSON."""
    text = golden.text_of(case)
    try:
        return None if text is None else decode(text)
    except NotJson:
        return None


@pytest.mark.parametrize(("channel", "case"), **golden.parameters(golden.FILES, golden.from_client))
def test_from_client(channel, case):
    value = decoded(case)
    taken = matching(channel, CLIENT, value, taken=True)
    right = matching(channel, CLIENT, value)
    if "command" in case:
        assert len(taken) == 1, case
        assert right in ([], taken)
    else:
        assert taken == [], case
        # What clients should send does not mention halves of surrogate pairs: no client's text has
        # one.
        assert right == [] or has_half_pair(value), case
        assert details_like(channel, golden.rejected_detail(case)), case["rejected"]


@pytest.mark.parametrize(("channel", "case"), **golden.parameters(golden.FILES, golden.to_client))
def test_to_client(channel, case):
    event = case["event"]
    name = event.get("stream") or event["kind"].lower()
    if case["message"] is None:
        assert name not in names(channel, SERVER)
        return
    value = decode(case["message"])
    found = matching(channel, SERVER, value)
    assert [message.name for message in found] == [name], why_not(channel, SERVER, value)
    if event.get("message") == "Bad message" and event["detail"] is not None:
        assert details_like(channel, event["detail"])


@pytest.mark.parametrize("case", golden.cases(golden.FRAMES), ids=lambda case: case["name"])
def test_frames(case):
    direction = case["from"]
    found = matching(
        "runStream", direction, case["frameHex"], taken=direction == CLIENT, binary=True
    )
    if "head" in case:
        assert [message.name for message in found] == [case["head"]["kind"]]
    else:
        assert found == []
        assert details_like("runStream", case["rejected"])


@pytest.mark.parametrize("case", golden.cases(golden.UPLOADS), ids=lambda case: case["name"])
def test_uploads(case):
    value = decoded(case)
    taken = validator("#/components/schemas/UploadTaken").is_valid(value)
    right = validator("#/components/schemas/Upload").is_valid(value)
    assert taken == ("upload" in case)
    assert taken or not right or has_half_pair(value)
    # Below `directory` of a message there is an object, whatever it holds.
    if isinstance(value, dict) and "rejected" in case:
        assert len(details_like("runPy", case["rejected"], "Bad upload")) == 1


def test_upload_has_a_sample_as_it_should_be():
    upload = validator("#/components/schemas/Upload")
    values = [decoded(case) for case in golden.cases(golden.UPLOADS) if "upload" in case]
    right = [value for value in values if upload.is_valid(value)]
    kinds = {file["type"] for value in right for file in value["files"].values()}
    assert kinds == {"text", "url"}


def names(channel, direction, binary=False):
    return {
        message.name
        for message in messages(channel)
        if message.direction == direction and message.is_binary == binary
    }


@pytest.mark.parametrize("channel", golden.FILES)
def test_each_message_of_a_client_has_a_sample_as_it_should_be(channel):
    found = set()
    for case in golden.from_client(channel):
        if "command" in case:
            found.update(message.name for message in matching(channel, CLIENT, decoded(case)))
    assert found == names(channel, CLIENT)


@pytest.mark.parametrize("channel", golden.FILES)
def test_each_message_of_the_server_has_a_sample(channel):
    found = set()
    for case in golden.to_client(channel):
        if case["message"] is not None:
            found.add(decode(case["message"])["type"])
    assert found == names(channel, SERVER)


def test_each_frame_has_a_sample():
    for direction in (CLIENT, SERVER):
        found = {
            case["head"]["kind"]
            for case in golden.cases(golden.FRAMES)
            if case["from"] == direction and "head" in case
        }
        assert found == names("runStream", direction, binary=True)
