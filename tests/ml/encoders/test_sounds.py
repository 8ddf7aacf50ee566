"""Sounds that strangers send, and the network that hears them."""

import contextlib
import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.ml.encoders import NotAvailable, Unreadable, load_encoder, sounds
from recommender.ml.encoders.checkpoint import read_checkpoint
from recommender.ml.encoders.musicnn import SECONDS, Musicnn, mel_filters
from recommender.ml.encoders.sounds import read_windows
from tests.ml.encoders import media
from tests.ml.encoders.media import forget_package, tone, wav

WEIGHTS = Path(find_spec("musicnn").origin).parent


def windows(data):
    return read_windows(data, rate=16_000, seconds=3.0)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_four_formats_are_read_at_any_rate(kind):
    (window,) = windows(wav(tone(440, 3, 44_100), 44_100, kind))
    spectrum = np.abs(np.fft.rfft(window))
    assert len(window) == 48_000
    assert spectrum.argmax() / 3 == pytest.approx(440, abs=2)


def test_stereo_becomes_its_mean_and_a_short_sound_is_repeated():
    both = np.stack([np.full(16_000, 0.5), np.zeros(16_000)], axis=1)
    (window,) = windows(wav(both))
    assert window.shape == (48_000,)
    np.testing.assert_allclose(window, 0.25, atol=1e-3)


def test_windows_lie_evenly_over_a_long_sound_away_from_its_ends():
    rising = np.linspace(0, 1, 16_000 * 63)  # at second t it is t / 63
    starts = windows(wav(rising, subtype="FLOAT"))[:, 0] * 63
    np.testing.assert_allclose(starts, [7.5, 22.5, 37.5, 52.5], atol=0.01)


def header(channels=1, rate=16_000, frames=0):
    """Return a WAV header that promises what follows, or does not."""
    size = 2 * channels * frames
    return b"RIFF" + struct.pack(
        "<I4s4sIHHIIHH4sI",
        *(36 + size, b"WAVE", b"fmt ", 16, 1, channels, rate, 2 * channels * rate),
        *(2 * channels, 16, b"data", size),
    )


HOSTILE = {
    "nothing": (b"", "The file is empty"),
    "no bytes after the header": (header(), "shorter than"),
    "text": (b"la la la " * 100, "no sound file"),
    "a header that lies": (header(frames=10**9), "shorter than|breaks off|no sound file"),
    "a hundred channels": (header(100) + b"\0" * 40_000, "100 channels"),
    "a rate that nobody hears": (wav(tone(rate=500), 500), "at 500 Hz"),
    "a moment": (wav(np.zeros(100)), "shorter than"),
    "no numbers": (wav(np.full(48_000, np.nan), subtype="FLOAT"), "no sound"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_sound_is_refused_with_a_reason(name):
    data, words = HOSTILE[name]
    with pytest.raises(Unreadable, match=words):
        windows(data)


def test_a_file_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(sounds, "MOST_BYTES", 2_000_000)
    with pytest.raises(Unreadable, match="more than 2 MB"):
        windows(wav(np.zeros(1_100_000)))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_is_broken_in_a_file_only_unreadable_is_raised(data):
    broken = bytearray(wav(tone(seconds=0.3), kind=data.draw(st.sampled_from(["WAV", "FLAC"]))))
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Unreadable):
        assert np.isfinite(windows(bytes(broken))).all()


def test_the_checkpoint_gives_the_shapes_of_the_paper():
    folder = WEIGHTS / "MSD_musicnn"
    arrays = read_checkpoint(folder / ".index", folder / ".data-00000-of-00001")
    assert arrays["conv2d/kernel"].shape == (7, 38, 1, 204)  # 1.6 · 128 filters, 40 % of 96 mels
    assert arrays["conv2d_2/kernel"].shape == (128, 1, 1, 51)
    assert arrays["dense/kernel"].shape == (2 * 753, 200)
    assert (arrays["batch_normalization_9/moving_variance"] > 0).all()


@pytest.mark.parametrize("cut", [0, 20, 4_000])
def test_a_checkpoint_that_is_cut_off_is_refused(cut, tmp_path):
    folder = WEIGHTS / "MSD_musicnn"
    (tmp_path / "index").write_bytes((folder / ".index").read_bytes()[:cut])
    with pytest.raises(ValueError, match="is not the index of a checkpoint"):
        read_checkpoint(tmp_path / "index", folder / ".data-00000-of-00001")
    (tmp_path / "data").write_bytes((folder / ".data-00000-of-00001").read_bytes()[: cut * 100])
    with pytest.raises(ValueError, match="data are cut off"):
        read_checkpoint(folder / ".index", tmp_path / "data")


def test_mel_filters_have_slaneys_areas():
    filters = mel_filters()
    assert filters.shape == (96, 257)
    # Triangles of height 2 / width sum to 1 over frequency, but for sampling at 31.25 Hz.
    np.testing.assert_allclose(filters[60:].sum(axis=1) * 31.25, 1, atol=0.05)
    # The 12th filter peaks at mel 12 · 45.245 / 97 = 5.597, linear there: 373 Hz, bin 12.
    assert filters[11].argmax() == 12


@pytest.mark.parametrize(("sound", "tag"), [(media.melody, 9), (media.beat, 3)])
def test_the_network_hears_a_piano_and_a_drum_machine(sound, tag):
    """Ask its sister, whose 50 tags have names: 9 is piano, 3 is techno."""
    encoder = load_encoder("bundled:musicnn", "sound")
    folder = WEIGHTS / "MTT_musicnn"
    sister = Musicnn(read_checkpoint(folder / ".index", folder / ".data-00000-of-00001"))
    read = read_windows(wav(sound(), 22_050), rate=16_000, seconds=SECONDS)
    with torch.inference_mode():
        hidden = sister.last_hidden(encoder.spectrogram(torch.from_numpy(read)))
        tags = sister.tags(hidden).mean(0)
    assert tags.shape == (50,)
    assert tags.argmax() == tag


def test_a_broken_sound_spoils_no_other():
    told = {}
    good = wav(tone())
    rows = load_encoder("bundled:musicnn", "sound").encode([good, b"x", good], told.__setitem__)
    assert list(told) == [1]
    assert not rows[1].any()
    np.testing.assert_allclose(rows[0], rows[2], atol=1e-6)


def test_without_its_package_the_remedy_is_named(monkeypatch):
    forget_package(monkeypatch, "musicnn")
    with pytest.raises(NotAvailable, match=r"requirements-demo\.txt`, or set ENCODER_SOUND=none"):
        load_encoder.__wrapped__("bundled:musicnn", "sound")
