"""Say which settings of each model may be searched, and between which bounds; imports nothing.

What is left out stays at its default: `epochs`, `patience` and `batch_size` buy accuracy with time,
which the search's budget already limits; `matryoshka` buys short vectors, which it never judges.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

Settings = Mapping[str, Any]  # config field → number


@dataclass(frozen=True)
class Range:
    """Allow every number between two bounds, both included; whole numbers if `low` is whole."""

    low: int | float
    high: int | float
    is_log: bool = False  # equal ratios are equally likely, not equal differences

    @property
    def is_whole(self) -> bool:
        """Say whether only whole numbers are allowed."""
        return isinstance(self.low, int)

    def holds(self, value: Any) -> bool:
        """Say whether a value lies within.

        >>> Range(1, 4).holds(4), Range(1, 4).holds(2.5), Range(0.5, 4.0).holds(2.5)
        (True, False, True)
        """
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        whole = isinstance(value, int) or not self.is_whole
        return is_number and whole and self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """Allow these numbers only."""

    values: tuple[int | float, ...]

    def holds(self, value: Any) -> bool:
        """Say whether a value is one of them."""
        return not isinstance(value, bool) and value in self.values


Knob = Range | Choice
Space = Mapping[str, Knob]

_HALF_LIVES = Range(0.25, 32.0, is_log=True)
_NEGATIVES = Choice((64, 128, 256, 512))

_TRANSFORMER: Space = {
    "embedding_size": Choice((32, 64, 96, 128)),
    "n_blocks": Range(1, 3),
    "n_heads": Choice((1, 2, 4)),
    "dropout": Range(0.0, 0.6),
    "id_dropout": Range(0.0, 0.4),
    "learning_rate": Range(0.0003, 0.01, is_log=True),
    "reg": Range(0.000001, 0.1, is_log=True),
    "n_negatives": _NEGATIVES,
    "horizon": Range(1, 5),
}

_SPACES: dict[str, Space] = {
    "popularity": {"half_life_scale": Range(0.02, 20.0, is_log=True)},
    "user_knn": {
        "n_neighbors": Range(10, 400, is_log=True),
        "shrinkage": Range(0.5, 200.0, is_log=True),
        "half_life_scale": _HALF_LIVES,
        "half_life_days": Range(3.0, 1000.0, is_log=True),
        "history_length": Range(5, 50, is_log=True),
    },
    "item_knn": {
        "n_neighbors": Range(10, 400, is_log=True),
        "shrinkage": Range(0.5, 200.0, is_log=True),
        "half_life_scale": _HALF_LIVES,
        "half_life_days": Range(3.0, 1000.0, is_log=True),
        "history_length": Range(5, 50, is_log=True),
    },
    "content": {
        "half_life_days": Range(3.0, 1000.0, is_log=True),
        "history_length": Range(5, 50, is_log=True),
        "popularity_weight": Range(0.001, 3.0, is_log=True),
    },
    "ease": {
        "reg": Range(5.0, 2000.0, is_log=True),
        "n_neighbors": Range(20, 400, is_log=True),
        "half_life_scale": _HALF_LIVES,
        "fade": Range(0.7, 1.0),
        "history_length": Range(5, 200, is_log=True),
    },
    "matrix_factorization": {
        "embedding_size": Range(8, 128, is_log=True),
        "reg": Range(0.5, 64.0, is_log=True),
        "alpha": Range(0.3, 30.0, is_log=True),
        "half_life_scale": _HALF_LIVES,
    },
    "slit": {
        "history_length": Range(3, 50, is_log=True),
        "fade": Range(0.5, 0.99),
        "horizon": Range(1, 10),
        "horizon_fade": Range(0.2, 1.0),
        "reg": Range(10.0, 2_000.0, is_log=True),
    },
    "neumf": {
        "embedding_size": Choice((32, 48, 64)),
        "hidden_size": Choice((16, 32, 64)),
        "dropout": Range(0.0, 0.6),
        "id_dropout": Range(0.0, 0.4),
        "user_dropout": Range(0.0, 0.9),
        "learning_rate": Range(0.0003, 0.02, is_log=True),
        "reg": Range(0.00001, 0.1, is_log=True),
        "horizon": Range(1, 5),
    },
    "two_tower": {
        "embedding_size": Choice((32, 64, 96, 128)),
        "hidden_size": Choice((64, 128, 256)),
        "dropout": Range(0.0, 0.6),
        "id_dropout": Range(0.0, 0.4),
        "user_dropout": Range(0.0, 0.9),
        "learning_rate": Range(0.0003, 0.02, is_log=True),
        "reg": Range(0.00001, 0.1, is_log=True),
        "n_negatives": _NEGATIVES,
        "horizon": Range(1, 5),
    },
    "caser": {
        "embedding_size": Choice((32, 48, 64, 96)),
        "window": Range(3, 10),
        "n_horizontal": Choice((8, 16, 32)),
        "n_vertical": Choice((2, 4, 8)),
        "dropout": Range(0.0, 0.6),
        "learning_rate": Range(3e-4, 1e-2, is_log=True),
        "horizon": Range(1, 5),
    },
    "transformer": _TRANSFORMER,
    "hybrid": {**_TRANSFORMER, "member_weight": Range(0.2, 3.0, is_log=True)},
}

SPACES: Mapping[str, Space] = MappingProxyType(_SPACES)
