"""Meet in the middle: a user tower and an item tower, each an MLP over ids and features."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender.ml.interactions import Interactions
from recommender.ml.models.events import Events, TowerModule
from recommender.ml.models.item_table import Dropout, ItemTable, ItemTableConfig, draw
from recommender.ml.models.pooling import Pooling
from recommender.ml.models.tower import TowerRecommender

START_SCALE = 0.08
WEIGHT_SCALE = 0.05


@dataclass(frozen=True)
class TwoTowerConfig:
    """Set the size of the towers and how they learn."""

    embedding_size: int = 64
    hidden_size: int = 128
    history_length: int = 50  # events read; older ones are not
    dropout: float = 0.2
    id_dropout: float = 0.05  # share of item ids hidden, so that content learns to stand in
    user_dropout: float = 0.5  # share of user ids hidden, so that unknown users are served well
    epochs: int = 20
    warm_epochs: int = 5  # instead of `epochs` when starting from an earlier version
    patience: int = 5  # epochs without a better validation before stopping
    learning_rate: float = 3e-3
    reg: float = 1e-3  # AdamW's weight decay
    batch_size: int = 3_000  # positions
    n_negatives: int = 256
    hold_out_share: float = 0.05  # of items kept out until the end, to judge cold starts by
    horizon: int = 1  # a target is drawn from this many next events
    ppmi_window: int = 8  # events apart that count as together, for the start; 0 = random start


class Layers(nn.Module):
    """Add two layers' thought to what comes in."""

    def __init__(self, n_in: int, config: TwoTowerConfig, generator: torch.Generator) -> None:
        """Build for `n_in` inputs; the last layer starts at zero."""
        super().__init__()
        self.widen = nn.Parameter(
            torch.randn(n_in, config.hidden_size, generator=generator) / n_in**0.5
        )
        self.hidden_bias = nn.Parameter(torch.zeros(config.hidden_size))
        self.narrow = nn.Parameter(torch.zeros(config.hidden_size, config.embedding_size))
        self.dropout = Dropout(config.dropout, generator)

    def forward(self, values: Tensor) -> Tensor:
        """Return (…, D)."""
        hidden = functional.gelu(values @ self.widen + self.hidden_bias)
        thought: Tensor = self.dropout(hidden) @ self.narrow
        return thought


class TwoTowerModule(TowerModule):
    """Read a user as id, features, the mean of recent items and the mean of all read ones."""

    inputs = ("vectors", "weights", "lengths", "features", "user")

    def __init__(
        self,
        table: ItemTable,
        config: TwoTowerConfig,
        shape: tuple[int, int],
        generator: torch.Generator,
    ) -> None:
        """Build for `shape` = (number of users, number of user features)."""
        super().__init__(table)
        n_users, n_features = shape
        size = config.embedding_size
        self.user_dropout = config.user_dropout
        self.generator = generator
        self.users = nn.Parameter(torch.zeros(n_users + 1, size))
        self.feature_map = nn.Parameter(
            torch.randn(n_features, size, generator=generator) * WEIGHT_SCALE
        )
        self.item_layers = Layers(size, config, generator)
        self.user_layers = Layers(4 * size, config, generator)
        self.pooling = Pooling()
        self.scale = nn.Parameter(torch.ones(size))

    def items(self, numbers: Tensor) -> Tensor:
        """Return (n, D): id, content and features through the item tower."""
        known = self.table(numbers)
        vectors: Tensor = known + self.item_layers(known) * (numbers > 0).unsqueeze(-1)
        return vectors

    def own(self, users: Tensor) -> Tensor:
        """Return (B, D); the unknown user 0 is the zero vector, and so is a hidden one."""
        shown = users > 0
        if self.training and self.user_dropout > 0:
            kept = draw(users.shape, self.generator, users.device) >= self.user_dropout
            shown = shown & kept
        return self.users[users] * shown.unsqueeze(-1)

    def encode(self, events: Events) -> Tensor:
        """Average the events before each position, once evenly and once fading, then the MLP."""
        even, recent = self.pooling(events.vectors, events.weights)  # (B, L+1, D)
        own = self.users[:1] if events.own is None else events.own
        still = torch.cat([events.features @ self.feature_map, own], -1)
        still = still.unsqueeze(1).expand(-1, even.shape[1], -1)
        thought = self.user_layers(torch.cat([even, recent, still], -1))
        users: Tensor = (even + recent) * self.scale + still[..., -even.shape[-1] :] + thought
        return users


class TwoTower(TowerRecommender):
    """Score user representation · item representation + bias (Yi et al. 2019, sampling-corrected).

    Differs: the user side reads item-tower vectors of the events before each position, so every
    event is an example and a new event moves the user at once; ids are hidden at random, so that
    users and items without one are served by what is known of them.
    """

    name = "two_tower"
    Config = TwoTowerConfig
    config: TwoTowerConfig

    def _build(self, data: Interactions, generator: torch.Generator) -> TwoTowerModule:
        config = self.config
        table_config = ItemTableConfig(config.embedding_size, START_SCALE, config.id_dropout)
        table = ItemTable(data, table_config, generator)
        shape = (data.n_users, data.user_features.shape[1])
        return TwoTowerModule(table, config, shape, generator)
