"""docs/asyncapi.yaml as the tests use it: the messages of each channel, with validators."""

import functools
import json
import re
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import yaml
from jsonschema import Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT7

ROOT = Path(__file__).resolve().parents[2]
PATH = ROOT / "docs/asyncapi.yaml"
BASE = "urn:further-link"

CLIENT, SERVER = "client", "server"

# Samples are nested 1000 deep.
sys.setrecursionlimit(20_000)


@functools.cache
def document():
    return yaml.safe_load(PATH.read_text())


@functools.cache
def registry():
    return Registry().with_resource(BASE, DRAFT7.create_resource(document()))


def validator(pointer):
    """For the schema at a place of the document, such as `#/components/schemas/Upload`."""
    return Draft7Validator({"$ref": BASE + pointer}, registry=registry())


def look_up(pointer):
    value = document()
    for key in pointer.removeprefix("#/").split("/"):
        value = value[key.replace("~1", "/").replace("~0", "~")]
    return value


def resolve(value):
    """Follows a reference of the document."""
    while isinstance(value, dict) and "$ref" in value:
        value = look_up(value["$ref"])
    return value


@dataclass(frozen=True)
class Message:
    channel: str
    key: str
    # What stands in `type`; of a binary frame, its kind.
    name: str
    direction: str
    content: str
    payload: Draft7Validator
    # What the server takes; of messages to the server.
    taken: Draft7Validator | None
    examples: tuple

    def __str__(self):
        return f"{self.channel}.{self.key}"

    @property
    def is_binary(self):
        return self.content == "application/octet-stream"


def directions(channel):
    """Of each message of a channel, who sends it, as the operations say."""
    found = {}
    for name, operation in document()["operations"].items():
        own = CLIENT if operation["action"] == "receive" else SERVER
        places = [(own, operation), (SERVER, operation.get("reply", {}))]
        for direction, place in places:
            for reference in place.get("messages", []):
                _, _, of, _, key = reference["$ref"].split("/")
                if of == channel:
                    assert found.setdefault(key, direction) == direction, (name, key)
    return found


@functools.cache
def messages(channel):
    who = directions(channel)
    found = []
    for key, value in document()["channels"][channel]["messages"].items():
        message = resolve(value)
        taken = message.get("x-taken")
        found.append(
            Message(
                channel=channel,
                key=key,
                name=message["name"],
                direction=who[key],
                content=message.get("contentType", document()["defaultContentType"]),
                payload=validator(message["payload"]["$ref"]),
                taken=validator(taken["$ref"]) if taken else None,
                examples=tuple(example["payload"] for example in message["examples"]),
            )
        )
    return tuple(found)


def all_messages():
    return [message for channel in document()["channels"] for message in messages(channel)]


def matching(channel, direction, value, *, taken=False, binary=False):
    """The messages of which `value` may be one. Exactly one is right; a frame comes as hexadecimal
    digits."""
    return [
        message
        for message in messages(channel)
        if message.direction == direction
        and message.is_binary == binary
        and (message.taken if taken else message.payload).is_valid(value)
    ]


def why_not(channel, direction, value, *, binary=False):
    """Why `value` is no message, for the one that it comes nearest to."""
    lines = []
    for message in messages(channel):
        if message.direction != direction or message.is_binary != binary:
            continue
        if isinstance(value, dict) and value.get("type") != message.name:
            continue
        for error in message.payload.iter_errors(value):
            place = "/".join(map(str, error.absolute_path))
            lines.append(f"{message}: {place}: {error.message[:500]}")
    return "\n".join(lines) or f"{channel} has no such message"


class NotJson(ValueError):
    pass


def decode(text):
    """Reads JSON as strictly as the server does. 24.0 becomes a `Decimal`, so that it is no
    integer."""

    def refuse(word):
        raise NotJson(word)

    try:
        return json.loads(text, parse_constant=refuse, parse_float=Decimal)
    except ValueError as error:
        raise NotJson(str(error)) from error


def details(channel, message="Bad message"):
    """Patterns of what `detail` says beside this message of `error`."""

    def patterns(schema):
        schema = resolve(schema)
        if "anyOf" in schema:
            return [pattern for part in schema["anyOf"] for pattern in patterns(part)]
        return [schema["pattern"]]

    error = resolve(document()["channels"][channel]["messages"]["error"])
    data = resolve(resolve(error["payload"])["properties"]["data"])
    forms = [resolve(form)["properties"] for form in data["anyOf"]]
    [form] = [form for form in forms if form["message"].get("const") == message]
    return patterns(form["detail"])


def details_like(channel, detail, message="Bad message"):
    """Those of the patterns that this text has."""
    return [pattern for pattern in details(channel, message) if re.search(pattern, detail)]
