"""Sounds where the client is: tones, notes and WAV files."""

from __future__ import annotations

import io
import math
import os
import re
import time
import wave

from . import _wire
from ._connection import current_connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    Sound = Union[float, str, "os.PathLike[str]", bytes]

# Hz that people hear, and the server takes.
_AUDIBLE_HZ = (20.0, 20000.0)
# Seconds of a tone, at most.
_TONE_MAX_SECONDS = 60.0
# A note as musicians write it: its name, perhaps sharp or flat, and its octave.
_NOTE_PATTERN = re.compile(r"([A-Ga-g])([#b]?)([0-8])\Z")
# Half tones of the notes above C.
_HALF_TONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def play(sound: Sound, *, duration: float = 0.5, volume: float = 1.0, wait: bool = False) -> None:
    """Play a sound in the client's browser.

    >>> play(440)
    >>> play("C4", duration=0.25, wait=True)
    >>> play("ding.wav", volume=0.3)

    `sound` is a frequency in Hz from 20 to 20000, a note like `"A4"`, `"C#5"` or `"Bb3"`, the path
    of a WAV file, or the bytes of one (up to 4 MB). `duration` is for tones and notes, in seconds,
    up to 60. `volume` is from 0 (silent) to 1.

    The program goes on at once, so two sounds are heard together. With `wait=True` it goes on when
    the sound is over, so that notes follow each other.

    Raises ValueError for what is no sound, and OSError if the file cannot be read. Without a client
    that plays sounds nothing is heard.
    """
    if not 0 <= volume <= 1:
        raise ValueError("volume is from 0 to 1, not %r" % (volume,))
    frequency = _frequency_of(sound)
    if frequency is not None:
        if not 0 <= duration <= _TONE_MAX_SECONDS:
            raise ValueError("duration is from 0 to 60 seconds, not %r" % (duration,))
        header = {"volume": volume, "frequency": frequency, "duration": duration}
        payload = _wire.to_json(header)
    else:
        audio = _read(sound)
        duration = _seconds_of(audio)
        payload = _wire.to_json({"volume": volume}) + b"\n" + audio
    if len(payload) > _wire.SOUND.max_bytes:
        raise ValueError("this WAV file is too large: 4 MB are the most")
    connection = current_connection()
    if connection.usable():
        connection.want(_wire.SOUND)
        connection.send(_wire.SOUND.kind, payload)
    if wait:
        time.sleep(duration)


def _frequency_of(sound: Sound) -> float | None:
    """Return the frequency of a tone or a note, None for anything else."""
    if isinstance(sound, str):
        note = _NOTE_PATTERN.match(sound)
        if note is None:
            return None
        name, accidental, octave = note.groups()
        half_tones = _HALF_TONES[name.upper()] + {"#": 1, "b": -1, "": 0}[accidental]
        # A4 is 440 Hz, in equal temperament.
        octaves_above_a4 = int(octave) - 4 + (half_tones - 9) / 12.0
        return round(440.0 * math.pow(2.0, octaves_above_a4), 3)
    if isinstance(sound, (int, float)):
        if not _AUDIBLE_HZ[0] <= sound <= _AUDIBLE_HZ[1]:
            raise ValueError("a frequency is from 20 to 20000 Hz, not %r" % (sound,))
        return float(sound)
    return None


def _read(sound: Sound) -> bytes:
    if isinstance(sound, (bytes, bytearray, memoryview)):
        return bytes(sound)
    if isinstance(sound, (str, os.PathLike)):
        with open(sound, "rb") as file:
            # One byte more says that it is too large.
            return file.read(_wire.SOUND.max_bytes + 1)
    raise ValueError("a sound is a frequency, a note or a WAV file, not %r" % (sound,))


def _seconds_of(audio: bytes) -> float:
    try:
        with wave.open(io.BytesIO(audio)) as file:
            return float(file.getnframes()) / (file.getframerate() or 1)
    except (EOFError, wave.Error) as error:
        raise ValueError("this is not a WAV file: %s" % error) from error
