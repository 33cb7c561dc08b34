"""Sounds."""

from __future__ import annotations

import io
import json
import wave

import pytest
from fake_server import SOUND

from further_link import play, sound


def wav(seconds: float = 0.01) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(int(8000 * seconds) * 2))
    return out.getvalue()


def sent(linked) -> tuple[dict[str, object], bytes]:
    header, _, audio = linked.wait_for(SOUND)[0].partition(b"\n")
    return json.loads(header), audio


@pytest.mark.parametrize(
    ("tone", "frequency"),
    [
        (440, 440.0),
        (20, 20.0),
        (1234.5, 1234.5),
        ("A4", 440.0),
        ("a3", 220.0),
        ("C4", 261.626),
        ("C#5", 554.365),
        ("Bb3", 233.082),
    ],
)
def test_tone_is_sent_as_frequency(linked, tone, frequency) -> None:
    play(tone, duration=0.25, volume=0.5)
    assert sent(linked) == ({"volume": 0.5, "frequency": frequency, "duration": 0.25}, b"")


def test_file_is_sent_whole(linked, tmp_path) -> None:
    path = tmp_path / "ding.wav"
    path.write_bytes(wav())
    play(path)
    assert sent(linked) == ({"volume": 1.0}, wav())


def test_bytes_and_paths_are_the_same(linked, tmp_path) -> None:
    path = tmp_path / "ding.wav"
    path.write_bytes(wav())
    play(wav(), volume=0)
    play(str(path), volume=0)
    first, second = linked.wait_for(SOUND, 2)
    assert first == second


def test_program_waits_for_the_end_if_it_says_so(linked, monkeypatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(sound.time, "sleep", slept.append)
    play("A4", duration=0.125, wait=True)
    play(wav(0.5), wait=True)
    play(440)
    assert slept == [0.125, 0.5]


@pytest.mark.parametrize(
    ("what", "options", "message"),
    [
        (19, {}, "from 20 to 20000 Hz"),
        (float("nan"), {}, "from 20 to 20000 Hz"),
        (440, {"volume": 1.5}, "volume is from 0 to 1"),
        (440, {"duration": 61}, "duration is from 0 to 60"),
        (b"ID3", {}, "not a WAV file"),
        (b"", {}, "not a WAV file"),
        (None, {}, "a frequency, a note or a WAV file"),
    ],
)
def test_what_is_no_sound_raises(linked, what, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        play(what, **options)


def test_large_file_raises(linked) -> None:
    with pytest.raises(ValueError, match="4 MB are the most"):
        play(wav(300))


def test_missing_file_raises(linked, tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        play(tmp_path / "none.wav")


def test_program_without_server_goes_on(monkeypatch, capsys) -> None:
    monkeypatch.delenv("FURTHER_LINK_CHANNEL", raising=False)
    play(440)
