"""The bytes of messages."""

from __future__ import annotations

import struct

import fake_server
import pytest

from further_link import _wire


def from_server(kind: int, payload: bytes) -> bytes:
    return struct.pack(">IB", len(payload), kind) + payload


def test_message_is_its_length_its_kind_and_its_payload() -> None:
    assert _wire.message(_wire.KEYS.kind, "ä".encode()) == b"\0\0\0\x02\x02\xc3\xa4"


def test_table_has_kinds_and_limits_of_protocol() -> None:
    table = {row.kind: row.max_bytes for row in _wire.CHANNELS}
    assert {_wire.HELLO: 1024, **table} == fake_server.LIMITS
    kinds = {*table, *(row.event_kind for row in _wire.CHANNELS if row.event_kind is not None)}
    kinds |= {_wire.HELLO, _wire.SERVER_HELLO, _wire.ERROR}
    names = {name: kind for name, kind in vars(fake_server).items() if name.isupper()}
    assert kinds == {kind for kind in names.values() if isinstance(kind, int)}


@pytest.mark.parametrize("kind", sorted(fake_server.LIMITS))
def test_payload_may_have_its_limit_and_no_byte_more(kind: int) -> None:
    limit = fake_server.LIMITS[kind]
    assert len(_wire.message(kind, bytes(limit))) == limit + 5
    with pytest.raises(ValueError, match="too large to be sent: %d bytes" % (limit + 1)):
        _wire.message(kind, bytes(limit + 1))


MESSAGES = [
    (_wire.SERVER_HELLO, b'{"version":"0.1.0","features":[]}'),
    (_wire.KEYS.event_kind, b"{}"),
    (_wire.ERROR, b""),
    (_wire.WIDGET.event_kind, bytes(range(256))),
]


def test_messages_may_be_cut_anywhere() -> None:
    stream = b"".join(from_server(*message) for message in MESSAGES)
    for first in range(len(stream)):
        for second in (first, first + 1, len(stream) - 1):
            decoder = _wire.Decoder()
            found = decoder.feed(stream[:first])
            found += decoder.feed(stream[first:second])
            found += decoder.feed(stream[max(first, second) :])
            assert found == MESSAGES
    decoder = _wire.Decoder()
    found = []
    for byte in stream:
        found += decoder.feed(bytes([byte]))
    assert found == MESSAGES


def test_kinds_that_are_not_known_are_skipped() -> None:
    for kind in (0, 1, 6, 64, 70, 255):
        for size in (0, 1, 100, 3 * 1048576):
            stream = from_server(kind, b"x" * size) + from_server(_wire.ERROR, b"y")
            decoder = _wire.Decoder()
            found = []
            for start in range(0, len(stream), 65536):
                found += decoder.feed(stream[start : start + 65536])
                assert len(decoder._bytes) < 65536
            assert found == [(_wire.ERROR, b"y")]


def test_message_that_is_too_long_is_skipped_without_being_kept() -> None:
    decoder = _wire.Decoder()
    decoder.feed(struct.pack(">IB", 2**32 - 1, _wire.KEYS.event_kind))
    decoder.feed(bytes(1000000))
    assert len(decoder._bytes) == 0
    assert decoder._skip_bytes == 2**32 - 1 - 1000000


@pytest.mark.parametrize("payload", [b"", b"[]", b"1", b"\xff", b"{", b"[" * 100000, b"null"])
def test_what_is_no_object_is_none(payload: bytes) -> None:
    assert _wire.from_json(payload) is None


def test_json_stands_on_one_line_and_is_strict() -> None:
    assert _wire.to_json({"a": "ä\n", "b": [1, None]}) == b'{"a":"\\u00e4\\n","b":[1,null]}'
    with pytest.raises(ValueError, match="JSON"):
        _wire.to_json(float("nan"))


def test_half_of_a_surrogate_pair_does_not_get_through() -> None:
    assert _wire.text("a\ud800b") == "a?b"
    assert _wire.text("😀") == "😀"
    assert _wire.text(5) == "5"
