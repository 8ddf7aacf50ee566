"""Read the last few events as a picture, by convolutions across and along them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender.ml.interactions import Interactions
from recommender.ml.models.events import Events, TowerModule
from recommender.ml.models.item_table import Dropout, ItemTable, ItemTableConfig
from recommender.ml.models.pooling import Pooling
from recommender.ml.models.tower import TowerRecommender

START_SCALE = 0.08
WEIGHT_SCALE = 0.05


@dataclass(frozen=True)
class CaserConfig:
    """Set the filters and how they learn."""

    embedding_size: int = 64
    window: int = 5  # events that the filters see
    n_horizontal: int = 16  # filters of each height from 1 to `window`
    n_vertical: int = 4  # filters along the window, one weight an event
    history_length: int = 50  # events in the user's long-term mean
    dropout: float = 0.3
    id_dropout: float = 0.05  # share of item ids hidden, so that content learns to stand in
    epochs: int = 20
    warm_epochs: int = 5  # instead of `epochs` when starting from an earlier version
    patience: int = 5  # epochs without a better validation before stopping
    learning_rate: float = 2e-3
    reg: float = 1e-4  # AdamW's weight decay
    batch_size: int = 3_000  # positions
    n_negatives: int = 256
    hold_out_share: float = 0.05  # of items kept out until the end, to judge cold starts by
    horizon: int = 2  # a target is drawn from this many next events
    ppmi_window: int = 8  # events apart that count as together, for the start; 0 = random start


class CaserModule(TowerModule):
    """Convolve the window before every position at once; zeros stand before the first event."""

    inputs = ("vectors", "weights", "lengths", "features")

    def __init__(
        self, table: ItemTable, config: CaserConfig, n_features: int, g: torch.Generator
    ) -> None:
        """Build for items of `table` and `n_features` user features."""
        super().__init__(table)
        size, self.window = config.embedding_size, config.window
        self.horizontal = nn.ParameterList(
            nn.Parameter(torch.randn(config.n_horizontal, size, height, generator=g) * WEIGHT_SCALE)
            for height in range(1, config.window + 1)
        )
        vertical = torch.randn(config.n_vertical, 1, config.window, generator=g)
        self.vertical = nn.Parameter(vertical / config.window)
        n_found = config.n_horizontal * config.window + config.n_vertical * size
        self.narrow = nn.Parameter(torch.randn(n_found, size, generator=g) / n_found**0.5)
        self.feature_map = nn.Parameter(torch.zeros(n_features, size))
        self.start = nn.Parameter(torch.randn(size, generator=g) * WEIGHT_SCALE)
        self.dropout = Dropout(config.dropout, g)
        self.pooling = Pooling()
        self.pooled = nn.Parameter(torch.ones(size))

    def encode(self, events: Events) -> Tensor:
        """Add what the filters find to the user's long-term mean and features."""
        person = (events.features @ self.feature_map).unsqueeze(1)
        even, recent = self.pooling(events.vectors, events.weights)
        found = torch.cat([self._across(events.vectors), self._along(events.vectors)], dim=-1)
        thought = functional.gelu(self.dropout(found) @ self.narrow)
        users: Tensor = self.start + thought + (even + recent) * self.pooled + person
        return users

    def _across(self, vectors: Tensor) -> Tensor:
        """Return (B, L+1, n): each horizontal filter's best match within the window."""
        padded = self._padded(vectors)
        best = [
            functional.max_pool1d(
                functional.relu(functional.conv1d(padded, filters)),  # (B, n, W + L − height + 1)
                self.window - filters.shape[2] + 1,
                stride=1,
            )
            for filters in self.horizontal
        ]
        return torch.cat(best, dim=1).transpose(1, 2)

    def _along(self, vectors: Tensor) -> Tensor:
        """Return (B, L+1, n·D): the window's events, added with each vertical filter's weights."""
        n, length, size = vectors.shape
        rows = self._padded(vectors).reshape(n * size, 1, self.window + length)
        sums = functional.conv1d(rows, self.vertical)  # (B·D, n, L+1)
        return sums.reshape(n, -1, length + 1).transpose(1, 2)

    def _padded(self, vectors: Tensor) -> Tensor:
        """Return (B, D, W + L) with zeros before the first event."""
        nothing = vectors.new_zeros(vectors.shape[0], self.window, vectors.shape[2])
        return torch.cat([nothing, vectors], dim=1).transpose(1, 2)


class Caser(TowerRecommender):
    """Predict the next events from the last ones by convolutions (Tang & Wang 2018, 1809.07426).

    Differs: a user is the mean of their events and their features instead of an id, so that unknown
    users are served and a new event counts at once; sampled softmax as in the other towers.
    """

    name = "caser"
    Config = CaserConfig
    config: CaserConfig

    def _build(self, data: Interactions, generator: torch.Generator) -> CaserModule:
        config = self.config
        table_config = ItemTableConfig(config.embedding_size, START_SCALE, config.id_dropout)
        table = ItemTable(data, table_config, generator)
        return CaserModule(table, config, data.user_features.shape[1], generator)

    def _components(self) -> dict[str, Tensor]:
        return self.module.table.components()
