"""Open sound files that strangers made, and cut windows out of them."""

from io import BytesIO

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from recommender.ml.encoders.base import Source, Unreadable
from recommender.ml.encoders.pictures import read_bytes

MOST_BYTES = 50_000_000
MOST_CHANNELS = 8
RATES = (4_000, 192_000)  # samples per second
LEAST_S = 0.05
N_WINDOWS = 4


def read_windows(source: Source, *, rate: int, seconds: float) -> NDArray[np.float32]:
    """Return (1..4, rate · seconds) windows in mono, spread evenly over the sound.

    Only the windows are decoded, so an hour costs no more than a minute. A sound shorter than a
    window is repeated until it fills one.

    Raises: Unreadable, saying what is wrong.
    """
    data = read_bytes(source, MOST_BYTES)
    try:
        with soundfile.SoundFile(BytesIO(data)) as file:
            _check(file)
            windows = [_window(file, start, seconds) for start in _starts(file, seconds)]
            given = file.samplerate
    except Unreadable:
        raise
    except Exception as error:  # libsndfile's bindings raise several kinds, by version
        words = str(error)[:100] or type(error).__name__
        raise Unreadable(f"It is no sound file that can be read ({words}).") from None
    length = round(rate * seconds)
    return np.stack([_fit(_resampled(window, given, rate), length) for window in windows])


def _check(file: soundfile.SoundFile) -> None:
    low, high = RATES
    if not low <= file.samplerate <= high or file.channels > MOST_CHANNELS:
        raise Unreadable(
            f"It has {file.channels} channels at {file.samplerate} Hz; at most {MOST_CHANNELS} "
            f"are read, at {low} to {high} Hz."
        )
    if file.frames < LEAST_S * file.samplerate:
        raise Unreadable(f"It is shorter than {LEAST_S} s.")


def _starts(file: soundfile.SoundFile, seconds: float) -> list[int]:
    room = file.frames - round(seconds * file.samplerate)
    if room <= 0:
        return [0]
    n = min(N_WINDOWS, 1 + round(room / (seconds * file.samplerate)))
    # The middle of n equal stretches: beginnings and ends are often silent.
    return [int(room * (2 * at + 1) / (2 * n)) for at in range(n)]


def _window(file: soundfile.SoundFile, start: int, seconds: float) -> NDArray[np.float32]:
    file.seek(start)
    frames = file.read(round(seconds * file.samplerate), dtype="float32", always_2d=True)
    mono = frames.mean(axis=1)  # (n,)
    if len(mono) < LEAST_S * file.samplerate or not np.isfinite(mono).all():
        raise Unreadable("It breaks off, or holds numbers that are no sound.")
    return np.asarray(mono, dtype=np.float32)


def _resampled(window: NDArray[np.float32], given: int, rate: int) -> NDArray[np.float32]:
    if given == rate:
        return window
    shared = int(np.gcd(given, rate))
    resampled = resample_poly(window, rate // shared, given // shared)
    return np.asarray(resampled, dtype=np.float32)


def _fit(window: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    return np.resize(window, length)  # repeats what is too short, cuts what is too long
