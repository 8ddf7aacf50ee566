"""Let a network judge user and item together: a product of factors beside layers over both."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from recommender.ml.artifact import Array
from recommender.ml.interactions import Interactions
from recommender.ml.models.base import Export
from recommender.ml.models.events import Events, TowerModule
from recommender.ml.models.item_table import Dropout, ItemTable, ItemTableConfig, draw
from recommender.ml.models.pooling import Pooling
from recommender.ml.models.tower import TowerRecommender
from recommender.ml.scorers.pair import PAIR, PAIR_SHAPES

START_SCALE = 0.08
WEIGHT_SCALE = 0.05


@dataclass(frozen=True)
class NeuMFConfig:
    """Set the size of the factors and the layers, and how they learn."""

    embedding_size: int = 48
    hidden_size: int = 32  # of the first layer over a pair; the second has half
    history_length: int = 50  # events read; older ones are not
    dropout: float = 0.2  # of the user's vector
    id_dropout: float = 0.05  # share of item ids hidden, so that content learns to stand in
    user_dropout: float = 0.5  # share of user ids hidden, so that unknown users are served well
    epochs: int = 20
    warm_epochs: int = 5  # instead of `epochs` when starting from an earlier version
    patience: int = 5  # epochs without a better validation before stopping
    learning_rate: float = 3e-3
    reg: float = 1e-3  # AdamW's weight decay
    batch_size: int = 3_000  # positions
    n_negatives: int = 64  # shared by a batch: each is judged with every position
    hold_out_share: float = 0.05  # of items kept out until the end, to judge cold starts by
    horizon: int = 1  # a target is drawn from this many next events
    ppmi_window: int = 8  # events apart that count as together, for the start; 0 = random start


class NeuMFModule(TowerModule):
    """Read a user as id, features and the mean of their items; match by product and layers."""

    inputs = ("vectors", "weights", "lengths", "features", "user")

    def __init__(
        self,
        table: ItemTable,
        config: NeuMFConfig,
        shape: tuple[int, int],
        generator: torch.Generator,
    ) -> None:
        """Build for `shape` = (number of users, number of user features)."""
        super().__init__(table)
        n_users, n_features = shape
        size, hidden, deep = config.embedding_size, config.hidden_size, config.hidden_size // 2
        self.user_dropout = config.user_dropout
        self.generator = generator
        self.dropout = Dropout(config.dropout, generator)
        self.users = nn.Parameter(torch.zeros(n_users + 1, size))
        self.feature_map = nn.Parameter(
            torch.randn(n_features, size, generator=generator) * WEIGHT_SCALE
        )
        self.pooling = Pooling()
        self.scale = nn.Parameter(torch.ones(size))
        self.product = nn.Parameter(torch.ones(size))
        self.user_layer = _matrix(size, hidden, generator)
        self.item_layer = _matrix(size, hidden, generator)
        self.first_bias = nn.Parameter(torch.zeros(hidden))
        self.second = _matrix(hidden, deep, generator)
        self.second_bias = nn.Parameter(torch.zeros(deep))
        self.last = nn.Parameter(torch.randn(deep, generator=generator) / deep**0.5)

    def own(self, users: Tensor) -> Tensor:
        """Return (B, D); the unknown user 0 is the zero vector, and so is a hidden one."""
        shown = users > 0
        if self.training and self.user_dropout > 0:
            kept = draw(users.shape, self.generator, users.device) >= self.user_dropout
            shown = shown & kept
        return self.users[users] * shown.unsqueeze(-1)

    def encode(self, events: Events) -> Tensor:
        """Add the means of the events before each position to what stays the same."""
        even, recent = self.pooling(events.vectors, events.weights)  # (B, L+1, D)
        own = self.users[:1] if events.own is None else events.own
        still = (events.features @ self.feature_map + own).unsqueeze(1)
        users: Tensor = self.dropout((even + recent) * self.scale + still)
        return users

    def match(self, users: Tensor, items: Tensor) -> Tensor:
        """Return (P, K): generalized product plus what two layers say of each pair."""
        first = (users @ self.user_layer).unsqueeze(1) + items @ self.item_layer  # (P, K, H)
        return (users * self.product) @ items.T + self._deep(first)

    def match_own(self, users: Tensor, items: Tensor) -> Tensor:
        """Return (P,): each user with the item in the same row."""
        first = users @ self.user_layer + items @ self.item_layer  # (P, H)
        return (users * self.product * items).sum(-1) + self._deep(first)

    def _deep(self, first: Tensor) -> Tensor:
        hidden = torch.relu(first + self.first_bias)
        thought: Tensor = torch.relu(hidden @ self.second + self.second_bias) @ self.last
        return thought


class NeuMF(TowerRecommender):
    """Score by GMF + MLP over a pair of user and item (He et al. 2017, arXiv 1708.05031, eq. 12).

    Differs: both branches share one pair of vectors, so that one tower serves them; a user is the
    mean of their items beside id and features, so that unknown users are served and a new event
    counts at once; sampled softmax over shared negatives instead of four negatives per event.
    """

    name = "neumf"
    Config = NeuMFConfig
    config: NeuMFConfig

    def _build(self, data: Interactions, generator: torch.Generator) -> NeuMFModule:
        config = self.config
        table_config = ItemTableConfig(config.embedding_size, START_SCALE, config.id_dropout)
        table = ItemTable(data, table_config, generator)
        shape = (data.n_users, data.user_features.shape[1])
        return NeuMFModule(table, config, shape, generator)

    def _export(self, data: Interactions) -> Export:
        tower = super()._export(data)
        weights = self._finite_arrays()
        network: dict[str, Array] = {PAIR + stem: weights[stem].copy() for stem in PAIR_SHAPES}
        return replace(tower, kind="pair", arrays=tower.arrays | network)


def _matrix(n_in: int, n_out: int, generator: torch.Generator) -> nn.Parameter:
    return nn.Parameter(torch.randn(n_in, n_out, generator=generator) / n_in**0.5)
