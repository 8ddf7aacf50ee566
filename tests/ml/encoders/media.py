"""Pictures and sounds made on the spot, whole and broken ones."""

import importlib.util
import io
import struct
import sys
import zlib

import numpy as np
import soundfile
from PIL import Image


def picture(color="red", size=(300, 400), kind="PNG", mode="RGB"):
    """Return the bytes of a picture of one color."""
    out = io.BytesIO()
    Image.new(mode, size, color).save(out, kind)
    return out.getvalue()


def photo(seed=1, size=(320, 240), kind="JPEG"):
    """Return the bytes of a picture of noise: it hardly compresses."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def bomb(width=60_000, height=60_000):
    """Return a PNG of a hundred bytes whose header promises gigabytes."""

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def wav(samples, rate=16_000, kind="WAV", **options):
    """Return the bytes of a sound file."""
    out = io.BytesIO()
    soundfile.write(out, np.asarray(samples, np.float32), rate, format=kind, **options)
    return out.getvalue()


def tone(hertz=440.0, seconds=1.0, rate=16_000):
    """Return the samples of a sine."""
    return 0.4 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def melody(rate=22_050, seconds=9):
    """Return a piano's arpeggio: decaying notes with soft overtones."""
    t = np.arange(rate * seconds) / rate
    notes = np.array([261.6, 329.6, 392.0, 523.3])[(t // 0.5).astype(int) % 4]
    phase = np.cumsum(2 * np.pi * notes / rate)
    loudness = np.exp(-(t % 0.5) / 0.25) * 0.3
    return sum(np.sin(k * phase) / k**1.5 for k in range(1, 8)) * loudness


def beat(rate=22_050, seconds=9):
    """Return a drum machine: kick, hat and a square bass."""
    t = np.arange(rate * seconds) / rate
    kick = np.sin(2 * np.pi * 60 * t) * np.exp(-(t % 0.46) / 0.08)
    noise = np.random.default_rng(0).standard_normal(len(t))
    hat = noise * np.exp(-((t + 0.23) % 0.46) / 0.02) * 0.3
    bass = np.sign(np.sin(2 * np.pi * 55 * t)) * 0.2 * np.exp(-(t % 0.23) / 0.1)
    return (kick + hat + bass) * 0.5


def forget_package(monkeypatch, name):
    """Let a package look as if it were not installed."""
    find = importlib.util.find_spec
    monkeypatch.setitem(sys.modules, name, None)

    def absent(asked, *rest):
        return None if asked == name else find(asked, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", absent)
    for module in ("", ".minilm", ".efficientnet", ".musicnn"):
        place = sys.modules.get(f"recommender.ml.encoders{module}")
        if place is not None:
            monkeypatch.setattr(place, "find_spec", absent)
