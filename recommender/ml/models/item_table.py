"""Represent items as the sum of what was learned about them and what is known of them."""

import re
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from recommender.ml.interactions import FloatArray, Interactions, Modality

OPEN = 2.0  # a gate's bias at the start: sigmoid(2) = .88 open


def draw(shape: torch.Size, generator: torch.Generator, device: torch.device) -> Tensor:
    """Return numbers from [0, 1): drawn on the CPU, so that every device sees the same ones."""
    return torch.rand(shape, generator=generator).to(device)


class Dropout(nn.Module):
    """Zero a share of the entries, drawn from the model's own generator."""

    def __init__(self, share: float, generator: torch.Generator) -> None:
        """Take the share in [0, 1) and the generator to draw from."""
        super().__init__()
        self.share = share
        self.generator = generator

    def forward(self, values: Tensor) -> Tensor:
        """Return the values, scaled so that their mean stays; untouched in evaluation."""
        if not self.training or self.share == 0:
            return values
        kept = draw(values.shape, self.generator, values.device) >= self.share
        return values * kept / (1 - self.share)


@dataclass(frozen=True)
class ItemTableConfig:
    """Set the size of item vectors and how their parts start."""

    embedding_size: int
    start_scale: float  # standard deviation of the start vectors' entries
    id_dropout: float  # share of item ids hidden per batch, so that content learns to stand in


class ContentMaps(nn.Module):
    """Project each modality of an item and let it through a gate that looks at it; then add up.

    A gate is sigmoid(w · c + b), one number per item and modality, so that a blank picture or a
    text of two words can be believed less (Arevalo et al. 2017, arXiv 1702.01992; differs: each
    gate reads its own modality only, so that an item without the others is no special case). A
    modality that an item lacks is a zero vector and adds exactly nothing.
    """

    content: Tensor

    def __init__(self, data: Interactions, size: int) -> None:
        """Build for the data's modalities; maps start at zero, gates open.

        Parameters are named for what they read: a warm start finds those of the same modality,
        encoder and version, and no others.
        """
        super().__init__()
        self.register_buffer("content", _tensor(data.content), persistent=False)
        self.columns = [(_key(modality), at) for modality, at in data.content_columns()]
        self.names = [modality.name for modality, _ in data.content_columns()]
        self.maps, self.gates = nn.ParameterDict(), nn.ParameterDict()
        self.gate_biases = nn.ParameterDict()
        for modality, _ in data.content_columns():
            key = _key(modality)
            # Zero, so that the co-occurrence start is not blurred; gradients fill it at once.
            self.maps[key] = nn.Parameter(torch.zeros(modality.width, size))
            self.gates[key] = nn.Parameter(torch.zeros(modality.width))
            self.gate_biases[key] = nn.Parameter(torch.tensor(OPEN))

    def forward(self, items: Tensor) -> list[Tensor]:
        """Return one (n, D) part per modality, in the order of `names`."""
        rows = self.content[items]
        return [self._part(rows[..., at], key) for key, at in self.columns]

    def _part(self, rows: Tensor, key: str) -> Tensor:
        gate = torch.sigmoid(rows @ self.gates[key] + self.gate_biases[key])
        part: Tensor = (rows @ self.maps[key]) * gate.unsqueeze(-1)
        return part


class ItemTable(nn.Module):
    """Add an id vector, projected content and projected features; a bias beside.

    An item that training never saw keeps a zero id vector: only what is known of it speaks, and
    its bias is the median of the trained ones.
    """

    features: Tensor
    is_trained: Tensor

    def __init__(
        self, data: Interactions, config: ItemTableConfig, generator: torch.Generator
    ) -> None:
        """Build for the data's items; ids start small and random until `start_from`."""
        super().__init__()
        rows, size = data.n_items + 1, config.embedding_size
        self.config = config
        self.generator = generator
        counts = np.bincount(data.item[data.weight > 0], minlength=rows)
        self.register_buffer("features", _tensor(data.item_features), persistent=False)
        self.register_buffer("is_trained", torch.from_numpy(counts > 0), persistent=False)
        start = torch.randn((rows, size), generator=generator) * config.start_scale
        self.ids = nn.Parameter(start)
        self.bias = nn.Parameter(torch.zeros(rows))
        self.content = ContentMaps(data, size)
        self.feature_map = nn.Parameter(torch.zeros(self.features.shape[1], size))

    def start_from(self, vectors: FloatArray) -> None:
        """Take (M+1, D) start vectors, scaled to the config's deviation; zero rows stay random."""
        known = np.abs(vectors).sum(axis=1) > 0
        if not known.any():
            return
        scaled = vectors[known] * (self.config.start_scale / max(float(vectors[known].std()), 1e-9))
        with torch.no_grad():
            self.ids[torch.from_numpy(known)] = _tensor(scaled)

    def forward(self, items: Tensor) -> Tensor:
        """Return (n, D) vectors of these item numbers; item 0 is the zero vector."""
        vectors = self.ids[items] * self._ids_shown(items)
        for part in self.content(items):
            vectors = vectors + part
        vectors = vectors + self.features[items] @ self.feature_map
        return vectors * (items > 0).unsqueeze(-1)

    def settling(self, rows: Tensor, *, is_fresh: bool) -> list[nn.Parameter]:
        """Count these items as trained from now on; return the parameters that hold theirs.

        Args:
            rows: item numbers, shape (n,).
            is_fresh: their ids start at zero, not at what an earlier version had learned.
        """
        with torch.no_grad():
            self.bias[rows] = self.biases()[rows]
            if is_fresh:
                self.ids[rows] = 0
        self.is_trained[rows] = True
        return [self.ids, self.bias]

    def components(self) -> dict[str, Tensor]:
        """Return the parts that sum to each item's vector, (M+1, D) each; empty ones left out.

        `taste` is the id, `features` what the catalog says; `content_text`, `content_picture` and
        `content_sound` are what an encoder read.
        """
        rows = torch.arange(1, len(self.ids))
        parts = {"taste": self.ids[rows] * self.is_trained[rows].unsqueeze(-1)}
        for name, part in zip(self.content.names, self.content(rows), strict=True):
            parts[f"content_{name}"] = part
        if self.features.shape[1]:
            parts["features"] = self.features[rows] @ self.feature_map
        padding = torch.zeros(1, self.ids.shape[1])
        return {name: torch.cat([padding, part]) for name, part in parts.items()}

    def biases(self) -> Tensor:
        """Return (M+1,) biases, the median trained one for items never seen."""
        trained = self.bias[self.is_trained]
        level = trained.median() if len(trained) else self.bias.new_zeros(())
        biases = torch.where(self.is_trained, self.bias, level).clone()
        biases[0] = 0
        return biases

    def _ids_shown(self, items: Tensor) -> Tensor:
        shown = self.is_trained[items]
        if self.training and self.config.id_dropout > 0 and self._has_more_than_ids():
            hidden = draw(items.shape, self.generator, items.device) < self.config.id_dropout
            shown = shown & ~hidden
        return shown.unsqueeze(-1)

    def _has_more_than_ids(self) -> bool:
        return len(self.content.names) + self.features.shape[1] > 0


def _key(modality: Modality) -> str:
    """Return a name that a parameter may have: letters, digits and underscores."""
    return re.sub(r"\W+", "_", f"{modality.name}_{modality.encoder}_{modality.width}")


def _tensor(array: FloatArray) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))
