"""The document itself: AsyncAPI's own schema, references, directions, examples."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

from document import (
    BASE,
    CLIENT,
    PATH,
    ROOT,
    SERVER,
    all_messages,
    details_like,
    directions,
    document,
    look_up,
    messages,
    resolve,
)

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def specification():
    """AsyncAPI's JSON schema for the version of the document, out of its npm package."""
    package = HERE / "node_modules/@asyncapi/specs"
    if not package.exists():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=HERE, check=True, timeout=300)
    return json.loads((package / f"schemas/{document()['asyncapi']}.json").read_text())


def test_is_an_asyncapi_document(specification):
    error = best_match(Draft7Validator(specification).iter_errors(document()))
    assert error is None, f"{'/'.join(map(str, error.absolute_path))}: {error.message[:1000]}"


def test_check_sees_what_is_wrong(specification):
    check = Draft7Validator(specification)
    for change in (
        lambda broken: broken.pop("info"),
        lambda broken: broken["operations"]["runPing"].pop("action"),
        lambda broken: broken["channels"]["run"].update(adress="/run"),
        lambda broken: broken["components"]["messages"]["runPing"].update(
            payload={"type": "strnig"}
        ),
    ):
        broken = yaml.safe_load(PATH.read_text())
        change(broken)
        assert not check.is_valid(broken)


def test_no_key_comes_twice():
    """YAML forbids it, but PyYAML takes the last one."""

    class Loader(yaml.SafeLoader):
        pass

    def mapping(loader, node):
        keys = [loader.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"line {node.start_mark.line + 1}: {keys}"
        return loader.construct_mapping(node)

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    yaml.load(PATH.read_text(), Loader)


def references(value, place="#"):
    """All references: where each stands, and where it leads."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            assert len(value) == 1, f"{place}: what stands beside $ref is ignored"
            yield place, value["$ref"]
        for key, item in value.items():
            yield from references(item, f"{place}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from references(item, f"{place}/{index}")


def test_references_lead_somewhere():
    for _, target in references(document()):
        look_up(target)


def test_all_components_are_used():
    used = {target for _, target in references(document())}
    for kind, components in document()["components"].items():
        for name in components:
            # `POST /upload` takes it, which is no message.
            assert f"#/components/{kind}/{name}" in used, f"{kind} {name}"


def test_all_schemas_are_of_draft_7():
    for schema in document()["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)


def test_operations_name_messages_of_their_channel():
    for name, operation in document()["operations"].items():
        for place in (operation, operation.get("reply")):
            if place is not None:
                channel = place["channel"]["$ref"]
                assert channel == operation["channel"]["$ref"], name
                for message in place["messages"]:
                    assert message["$ref"].startswith(f"{channel}/messages/"), name


def test_each_message_has_an_operation():
    for channel, value in document()["channels"].items():
        assert set(directions(channel)) == set(value["messages"]), channel


def test_messages_to_the_server_have_two_schemas_and_others_one():
    for message in all_messages():
        assert (message.taken is not None) == (message.direction == CLIENT), message


def test_each_type_occurs_once_in_a_direction():
    for channel in document()["channels"]:
        found = [
            (message.direction, message.is_binary, message.name) for message in messages(channel)
        ]
        assert len(found) == len(set(found)), channel


@pytest.mark.parametrize("message", all_messages(), ids=str)
def test_examples_are_right(message):
    assert message.examples
    for example in message.examples:
        message.payload.validate(example)
        if message.taken:
            message.taken.validate(example)


def test_upload_of_the_examples_is_an_upload():
    examples = resolve({"$ref": "#/components/messages/pyUpload"})["examples"]
    assert {
        file["type"] for file in examples[0]["payload"]["data"]["directory"]["files"].values()
    } == {"text", "url"}


def test_version_is_that_of_the_product():
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())
    assert document()["info"]["version"] == cargo["workspace"]["package"]["version"]


def test_protocol_page_knows_the_paths_and_types():
    """Nothing is described that docs/protocol.md does not have."""
    page = (ROOT / "docs/protocol.md").read_text()
    for channel in document()["channels"].values():
        assert f"`{channel['address']}`" in page
    for message in all_messages():
        if message.channel != "ws" and not message.is_binary:
            assert f"`{message.name}`" in page, message


def rows_under(page, heading):
    """What stands in code in the first column of the tables with this heading."""
    for table in page.split(heading)[1:]:
        for line in table.split("\n")[2:]:
            if not line.startswith("| `"):
                break
            yield line.split("`")[1]


def test_details_of_the_protocol_page_are_here():
    page = (ROOT / "docs/protocol.md").read_text()
    rows = list(rows_under(page, "| `detail` | when |"))
    assert len(rows) > 20
    for row in rows:
        # Three dots stand for more words.
        assert len(details_like("runStream", row.replace("…", "more."))) == 1, row


def test_answers_of_the_protocol_page_are_here():
    page = (ROOT / "docs/protocol.md").read_text()
    rows = list(rows_under(page, "| answer | when |"))
    assert len(rows) > 5
    forms = [
        form["pattern"]
        for form in look_up("#/components/schemas/WsAnswer")["anyOf"]
        if "pattern" in form
    ]
    for row in rows:
        assert sum(re.search(form, row + "\n") is not None for form in forms) == 1, row


def test_sections_named_are_there():
    page = (ROOT / "docs/protocol.md").read_text()
    headings = set(re.findall(r"^## ([0-9]+)\. ", page, re.MULTILINE))
    text = PATH.read_text()
    named = set()
    for part in re.findall(r"[Ss]ections? ([0-9]+(?:, [0-9]+)*(?: and [0-9]+)?)", text):
        named.update(re.findall(r"[0-9]+", part))
    assert named and named <= headings


def test_servers_messages_are_closed():
    """The envelopes of all messages of the server, and their data where the specification fixes the
    keys."""
    for message in all_messages():
        if message.direction == SERVER and message.content == "application/json":
            schema = look_up(message.payload.schema["$ref"].removeprefix(BASE))
            assert schema["additionalProperties"] is False, message
            assert set(schema["required"]) == set(schema["properties"]), message
