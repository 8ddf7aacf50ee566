"""Read the user's recent events in order: a causal transformer that needs no user id."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender.ml.interactions import Interactions
from recommender.ml.models.events import Events, TowerModule
from recommender.ml.models.item_table import Dropout, ItemTable, ItemTableConfig
from recommender.ml.models.objective import Aims
from recommender.ml.models.pooling import Pooling
from recommender.ml.models.tower import TowerRecommender
from recommender.ml.tokens import N_GAPS, N_KINDS, rating_units

START_SCALE = 0.08  # deviation of the co-occurrence start vectors
WEIGHT_SCALE = 0.02
HIDDEN_FACTOR = 2
FIVE_STARS = (1.0, 5.0)


@dataclass(frozen=True)
class TransformerConfig:
    """Set the size of the network and how it learns."""

    embedding_size: int = 64
    n_blocks: int = 2
    n_heads: int = 2
    history_length: int = 50  # events read; older ones are not
    dropout: float = 0.3
    id_dropout: float = 0.05  # share of item ids hidden, so that content learns to stand in
    epochs: int = 30
    warm_epochs: int = 6  # instead of `epochs` when starting from an earlier version
    patience: int = 12  # epochs without a better validation before stopping
    learning_rate: float = 2e-3
    reg: float = 1e-4  # AdamW's weight decay
    batch_size: int = 3_000  # positions
    n_negatives: int = 256
    hold_out_share: float = 0.05  # of items kept out until the end, to judge cold starts by
    horizon: int = 2  # a target is drawn from this many next events
    ppmi_window: int = 8  # events apart that count as together, for the start; 0 = random start
    matryoshka: float = 0.0  # weight of the same loss with vectors half as long; 0 = not taken


class Block(nn.Module):
    """Let each position read the earlier ones, then think: pre-norm attention and two layers."""

    def __init__(self, config: TransformerConfig, generator: torch.Generator) -> None:
        """Build with small normal weights."""
        super().__init__()
        size = config.embedding_size
        self.n_heads = config.n_heads
        self.attention_norm = nn.LayerNorm(size)
        self.read = _linear(size, 3 * size, generator)
        self.write = _linear(size, size, generator)
        self.hidden_norm = nn.LayerNorm(size)
        self.widen = _linear(size, HIDDEN_FACTOR * size, generator)
        self.narrow = _linear(HIDDEN_FACTOR * size, size, generator)
        self.dropout = Dropout(config.dropout, generator)

    def forward(self, states: Tensor) -> Tensor:
        """Return (B, L, D) states."""
        states = states + self.dropout(self.write(self._attend(self.attention_norm(states))))
        hidden = functional.gelu(self.widen(self.hidden_norm(states)))
        states = states + self.dropout(self.narrow(hidden))
        return states

    def _attend(self, states: Tensor) -> Tensor:
        n, length, size = states.shape
        heads = self.read(states).view(n, length, 3 * self.n_heads, size // self.n_heads)
        query, key, value = heads.transpose(1, 2).chunk(3, dim=1)  # (B, heads, L, D / heads)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return mixed.transpose(1, 2).reshape(n, length, size)


class EventTokens(nn.Module):
    """Say of each event what its item does not: type, rating, and how long the user had paused.

    Starts at zero, so that the co-occurrence start of the items is not blurred.
    """

    def __init__(self, size: int) -> None:
        """Build for vectors of `size` entries."""
        super().__init__()
        self.gaps = nn.Parameter(torch.zeros(N_GAPS, size))
        self.kinds = nn.Parameter(torch.zeros(N_KINDS, size))
        self.value = nn.Parameter(torch.zeros(size))
        self.middle, self.reach = rating_units(FIVE_STARS)  # constants of the exported graph

    def read_on(self, scale: tuple[float, float]) -> None:
        """Read ratings on this scale from now on; its ends then count −1 and 1."""
        self.middle, self.reach = rating_units(scale)

    def forward(self, events: Events) -> Tensor:
        """Return (B, L, D) to add to the item vectors; a rating counts from its scale's middle."""
        worth = torch.nan_to_num((events.values - self.middle) / self.reach).unsqueeze(-1)
        tokens: Tensor = self.gaps[events.gaps] + self.kinds[events.kinds] + worth * self.value
        return tokens


class TransformerModule(TowerModule):
    """Encode a history of item vectors; position 0 stands for the user before any event."""

    inputs = ("vectors", "weights", "gaps", "kinds", "values", "lengths", "features")

    def __init__(
        self, table: ItemTable, config: TransformerConfig, n_features: int, g: torch.Generator
    ) -> None:
        """Build for items of `table` and `n_features` user features."""
        super().__init__(table)
        size = config.embedding_size
        self.start = nn.Parameter(torch.randn(size, generator=g) * WEIGHT_SCALE)
        self.feature_map = nn.Parameter(torch.zeros(n_features, size))
        positions = torch.randn(config.history_length + 1, size, generator=g) * WEIGHT_SCALE
        self.positions = nn.Parameter(positions)
        self.tokens = EventTokens(size)
        self.dropout = Dropout(config.dropout, g)
        self.blocks = nn.ModuleList(Block(config, g) for _ in range(config.n_blocks))
        self.norm = nn.LayerNorm(size)
        self.pooling = Pooling()
        self.pooled = nn.Parameter(torch.ones(size))

    def encode(self, events: Events) -> Tensor:
        """Read left to right; padding lies to the right, where causal attention never looks."""
        person = (events.features @ self.feature_map).unsqueeze(1)
        first = self.start + person
        states = torch.cat([first, events.vectors + self.tokens(events)], dim=1)  # (B, L+1, D)
        states = self.dropout(states + self.positions[: states.shape[1]])
        for block in self.blocks:
            states = block(states)
        even, recent = self.pooling(events.vectors, events.weights)
        encoded: Tensor = self.norm(states) + (even + recent) * self.pooled + person
        return encoded


class Transformer(TowerRecommender):
    """Predict the next event from the last ones (Kang & McAuley 2018, SASRec).

    Differs: an event is its item, type, rating and the pause before it; item vectors start from
    factored co-occurrence and add content and features; softmax over all items, or sampled with
    shared, corrected negatives, instead of one negative per event; padding right; user features
    enter at a start position, so even an empty history has a vector.

    With `matryoshka`, vectors learn to be cut to half their length (Kusupati et al. 2022, arXiv
    2205.13147). Differs: what is kept are not the first numbers but the axes along which users
    differ most, found anew in every batch as compression finds them; and what is read is cut too.
    """

    name = "transformer"
    Config = TransformerConfig
    config: TransformerConfig

    def _build(self, data: Interactions, generator: torch.Generator) -> TransformerModule:
        config = self.config
        table_config = ItemTableConfig(config.embedding_size, START_SCALE, config.id_dropout)
        table = ItemTable(data, table_config, generator)
        module = TransformerModule(table, config, data.user_features.shape[1], generator)
        module.tokens.read_on(data.rating_scale)
        return module

    def _aims(self) -> Aims:
        return replace(super()._aims(), matryoshka=self.config.matryoshka)

    def _components(self) -> dict[str, Tensor]:
        return self.module.table.components()


def _linear(n_in: int, n_out: int, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(n_in, n_out)
    with torch.no_grad():
        layer.weight.normal_(0, WEIGHT_SCALE, generator=generator)
        layer.bias.zero_()
    return layer
