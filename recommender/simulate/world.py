"""A made-up world of visitors, in arrays: what they like, what they look at, what they do.

Only for demo traffic and tests. A click and its value are apart: appeal makes people click, taste
and quality make them glad. Position bias follows the examination hypothesis (Joachims 2017): a card
is clicked when it is looked at *and* attractive.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recommender.ml.interactions import FloatArray

ROW_SHARE = (0.95, 0.70, 0.50, 0.36, 0.26, 0.20)  # chance that row 1, 2, … is looked at


@dataclass(frozen=True)
class WorldConfig:
    """How visitors differ and how strongly taste drives them."""

    n_visitors: int = 60
    taste_strength: float = 1.6  # 0 is the null world: clicks carry no taste
    quality_strength: float = 0.8
    click_base: float = -2.6  # log-odds of a click on an average card that is looked at
    column_fall: float = 0.18  # how fast attention falls along a row
    rate_share: float = 0.45  # share of clicks that end in a rating
    dismiss_share: float = 0.02
    seed: int = 7


@dataclass(frozen=True)
class Visitor:
    """One made-up person."""

    number: int
    age: int
    gender: str
    taste: FloatArray  # (C,) by category


class World:
    """Visitors and items that meet by category."""

    def __init__(self, config: WorldConfig, categories: Sequence[Sequence[str]]) -> None:
        """Draw the world from its seed.

        Args:
            config: the world's numbers.
            categories: of each item, (M,) lists of names.
        """
        self.config = config
        self.names = sorted({name for names in categories for name in names}) or ["none"]
        index = {name: number for number, name in enumerate(self.names)}
        rng = np.random.default_rng(config.seed)
        self.item_categories = np.zeros((len(categories), len(self.names)))  # (M, C)
        for row, names in enumerate(categories):
            for name in names:
                self.item_categories[row, index[name]] = 1.0 / np.sqrt(len(names))
        self.quality = rng.normal(0.0, 1.0, len(categories))  # (M,)
        self.appeal = 0.6 * self.quality + rng.normal(0.0, 0.8, len(categories))  # (M,)
        gender_shift = rng.normal(0.0, 0.5, (2, len(self.names)))
        age_shift = rng.normal(0.0, 0.5, len(self.names))
        self.visitors = [
            self._visitor(number, rng, gender_shift, age_shift)
            for number in range(config.n_visitors)
        ]

    def _visitor(
        self,
        number: int,
        rng: np.random.Generator,
        gender_shift: FloatArray,
        age_shift: FloatArray,
    ) -> Visitor:
        age = int(np.clip(rng.normal(36, 13), 13, 80))
        gender = int(rng.random() < 0.5)
        taste = rng.normal(0.0, 1.0, len(self.names)) + gender_shift[gender]
        taste = taste + age_shift * (age - 36) / 20
        return Visitor(number, age, "FM"[gender], taste)

    def affinity(self, visitor: Visitor, items: Sequence[int]) -> FloatArray:
        """Return how glad the visitor would be with each item, (k,) in standard units."""
        rows = np.asarray(items, dtype=np.int64)
        match = self.item_categories[rows] @ visitor.taste  # (k,)
        return np.asarray(
            self.config.taste_strength * match + self.config.quality_strength * self.quality[rows]
        )

    def click_probability(self, visitor: Visitor, items: Sequence[int]) -> FloatArray:
        """Return the chance of a click on each item that is looked at, (k,)."""
        rows = np.asarray(items, dtype=np.int64)
        drive = 0.0 if self.config.taste_strength == 0 else 0.7 * self.affinity(visitor, items)
        log_odds = self.config.click_base + drive + 0.4 * self.appeal[rows]
        return np.asarray(1.0 / (1.0 + np.exp(-log_odds)))

    def looked_at(self, row: int, col: int) -> float:
        """Return the chance that the card in this row and column (1-based) is looked at."""
        share = ROW_SHARE[min(row, len(ROW_SHARE)) - 1]
        return float(share / (1.0 + self.config.column_fall * (col - 1)))

    def rating(self, gladness: float, rng: np.random.Generator) -> float:
        """Turn gladness into half to five stars, in steps of a half."""
        stars = 3.1 + 0.75 * gladness + rng.normal(0.0, 0.6)
        return float(np.clip(np.round(stars * 2) / 2, 0.5, 5.0))
