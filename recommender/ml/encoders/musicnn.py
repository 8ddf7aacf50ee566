"""musicnn: 200 dimensions of music, trained to tag the Million Song Dataset.

Source: Pons & Serra 2019, arXiv 1909.06654; weights from the package `musicnn` (ISC), a
TensorFlow checkpoint that is read and run here without TensorFlow. Differs from the package in
that sound is resampled by a polyphase filter and the spectrogram kept in 32 bits.
"""

from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import get_window
from torch import Tensor
from torch.nn import functional

from recommender.ml.encoders.base import Encoder, ModalityName, NotAvailable, Source, Vectors
from recommender.ml.encoders.checkpoint import read_checkpoint
from recommender.ml.encoders.sounds import read_windows
from recommender.ml.trainer import limited_threads

PACKAGE = "musicnn"
RATE = 16_000
WINDOW, HOP, N_MELS, N_FRAMES = 512, 256, 96, 187
SECONDS = HOP * (N_FRAMES - 1) / RATE  # a centered spectrogram has one frame more than hops
EPSILON = 1e-3  # of TensorFlow's batch normalization
AT_ONCE = 8  # windows

Arrays = Mapping[str, NDArray[np.float32]]


class MusicnnEncoder(Encoder):
    """Hear what music sounds like; about 0.4 CPU seconds per window of 3 s, four a piece."""

    id = "musicnn-msd"
    dimension = 200
    modality: ModalityName = "sound"

    def __init__(self) -> None:
        """Load the weights (3 MB of a package of 36 MB).

        Raises: NotAvailable when the package is missing.
        """
        found = find_spec("musicnn")  # importing it would bring TensorFlow
        if found is None or found.origin is None:
            raise NotAvailable(
                f"The encoder bundled:musicnn needs the package {PACKAGE}. Install it with "
                "`pip install --no-deps --require-hashes -r requirements-demo.txt`, "
                "or set ENCODER_SOUND=none."
            )
        folder = Path(found.origin).parent / "MSD_musicnn"
        self.version = metadata.version(PACKAGE)
        self._net = Musicnn(read_checkpoint(folder / ".index", folder / ".data-00000-of-00001"))
        self._mels = torch.from_numpy(mel_filters())
        self._hann = torch.from_numpy(get_window("hann", WINDOW).astype(np.float32))

    def _read(self, source: Source) -> NDArray[np.float32]:
        return read_windows(source, rate=RATE, seconds=SECONDS)

    def _run(self, entries: list[NDArray[np.float32]]) -> Vectors:
        windows = torch.from_numpy(np.concatenate(entries))
        parts = []
        with torch.inference_mode(), limited_threads(1):
            for start in range(0, len(windows), AT_ONCE):
                sound = self.spectrogram(windows[start : start + AT_ONCE])
                parts.append(self._net.last_hidden(sound))
        hidden = torch.cat(parts).numpy()
        counts = np.cumsum([len(entry) for entry in entries])[:-1]
        return np.stack([part.mean(axis=0) for part in np.split(hidden, counts)])

    def spectrogram(self, windows: Tensor) -> Tensor:
        """Return (B, 187, 96): log of 1 + 10,000 × mel power."""
        spectrum = torch.stft(
            windows, WINDOW, HOP, window=self._hann, pad_mode="constant", return_complex=True
        )
        power = spectrum.abs() ** 2  # (B, 257, 187)
        return torch.log10(1 + 10_000 * (self._mels @ power)).transpose(1, 2)


class Musicnn:
    """Run the network: wide and tall filters, three layers over time, pooling, one hidden layer."""

    def __init__(self, arrays: Arrays) -> None:
        """Take the checkpoint's arrays."""
        self._arrays = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    def last_hidden(self, sound: Tensor) -> Tensor:
        """Return (B, 200), normalized, from (B, 187, 96)."""
        image = self._norm(sound.unsqueeze(1), 0)  # (B, 1, time, mel)
        padded = functional.pad(image, (0, 0, 3, 3))
        wide = [self._band(padded, at) for at in (0, 1)]
        # 'same' with an even kernel: TensorFlow pads one more at the end than at the start.
        tall = [
            self._band(functional.pad(image, (0, 0, (size - 1) // 2, size // 2)), at)
            for at, size in ((2, 128), (3, 64), (4, 32))
        ]
        layers = [torch.cat([*wide, *tall], dim=1)]  # (B, 561, time)
        layers.append(self._along(layers[0], 5))
        layers.append(self._along(layers[1], 6) + layers[1])
        layers.append(self._along(layers[2], 7) + layers[2])
        features = torch.cat(layers, dim=1)  # (B, 753, time)
        pooled = torch.stack([features.amax(2), features.mean(2)], dim=2).flatten(1)  # (B, 1506)
        dense = self._norm(pooled, 9) @ self._arrays["dense/kernel"] + self._arrays["dense/bias"]
        return self._norm(dense.relu(), 10)

    def tags(self, hidden: Tensor) -> Tensor:
        """Return (B, 50) chances of the 50 tags."""
        logits = hidden @ self._arrays["dense_1/kernel"] + self._arrays["dense_1/bias"]
        return logits.sigmoid()

    def _band(self, image: Tensor, at: int) -> Tensor:
        """Filter, normalize, and keep the strongest place on the mel axis: (B, filters, time)."""
        kernel, bias = self._convolution(at)
        filtered = functional.conv2d(image, kernel.permute(3, 2, 0, 1), bias).relu()
        return self._norm(filtered, at + 1).amax(3)

    def _along(self, features: Tensor, at: int) -> Tensor:
        kernel, bias = self._convolution(at)  # (7, channels, 1, 64)
        weight = kernel.squeeze(2).permute(2, 1, 0)
        return self._norm(functional.conv1d(features, weight, bias, padding=3).relu(), at + 1)

    def _convolution(self, at: int) -> tuple[Tensor, Tensor]:
        place = f"conv2d_{at}" if at else "conv2d"
        return self._arrays[f"{place}/kernel"], self._arrays[f"{place}/bias"]

    def _norm(self, values: Tensor, at: int) -> Tensor:
        place = f"batch_normalization_{at}" if at else "batch_normalization"
        mean, variance, gamma, beta = (
            self._arrays[f"{place}/{name}"]
            for name in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return functional.batch_norm(values, mean, variance, gamma, beta, eps=EPSILON)


def mel_filters() -> NDArray[np.float32]:
    """Return (96, 257) triangles on Slaney's mel scale, each of area 2 / width in Hz.

    Source: Slaney 1998, Auditory Toolbox; as librosa.filters.mel(sr=16000, n_fft=512, n_mels=96).
    """
    frequencies = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    edges = _to_hertz(np.linspace(_to_mel(0.0), _to_mel(RATE / 2), N_MELS + 2))
    widths = np.diff(edges)
    ramps = edges[:, None] - frequencies[None, :]
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    triangles *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return np.asarray(triangles, dtype=np.float32)


# Slaney's scale: linear up to 1,000 Hz (15 mel), then logarithmic.
_STEP = np.log(6.4) / 27.0


def _to_mel(hertz: float) -> float:
    return float(3 * hertz / 200 if hertz < 1000 else 15 + np.log(hertz / 1000) / _STEP)


def _to_hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mels < 15, 200 * mels / 3, 1000 * np.exp(_STEP * (mels - 15)))
