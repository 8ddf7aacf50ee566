"""Recommend what is like the user's own items, by what is known of them, not by who took them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recommender.ml.interactions import FloatArray, Interactions
from recommender.ml.models.base import EpochRecord, Export, FitOptions, Recommender
from recommender.ml.scoring import unit_rows


@dataclass(frozen=True)
class ContentConfig:
    """Set how a history is read and how much popularity is added."""

    half_life_days: float = 60.0  # when scoring: an event this much older counts half; 0 = no decay
    history_length: int = 50
    popularity_weight: float = 1.0  # the most popular item gets this much, a cosine is at most 1


class Content(Recommender):
    """Compare items with a profile, the mean vector of the user's items (Lops et al. 2011, §3).

    Vectors are those of the encoders, or the item features where no item has content; each
    modality is centered first, since what all items share tells none apart. Events count by
    their weight, in which a rating lies already, and newer ones more. An item nobody has touched
    is placed as well as any other.
    """

    name = "content"
    Config = ContentConfig
    config: ContentConfig

    def _epochs(self, data: Interactions, options: FitOptions) -> Iterator[EpochRecord]:
        began = time.perf_counter()
        self._vectors = described(data)
        yield self._single_record(data, options, time.perf_counter() - began)

    def _export(self, data: Interactions) -> Export:
        del data
        level = np.log1p(self._shared()["popularity"])
        bias = self.config.popularity_weight * level / max(float(level.max()), 1e-9)
        numbers = {
            "half_life_days": self.config.half_life_days,
            "history_length": self.config.history_length,
        }
        arrays = {"vectors": self._vectors, "item_bias": bias.astype(np.float32)}
        return Export("profile", numbers, arrays)


def described(data: Interactions) -> FloatArray:
    """Return (M+1, D) unit rows of what is known of each item; zero where nothing is."""
    blocks = [_centered(data.content[:, columns]) for _, columns in data.content_columns()]
    if not blocks:
        blocks = [_centered(_scaled(data.item_features))]
    return unit_rows(np.hstack(blocks))


def _centered(block: FloatArray) -> FloatArray:
    """Take the mean off the rows that hold something, and scale them to length 1."""
    known = np.abs(block).sum(axis=1) > 0
    rows = np.zeros(block.shape, np.float32)
    if known.sum() > 1:
        rows[known] = block[known] - block[known].mean(axis=0)
    else:  # one item is like itself
        rows[known] = block[known]
    return unit_rows(rows)


def _scaled(features: FloatArray) -> FloatArray:
    """Let every column vary alike: a rare category says more than a common one."""
    deviation = features[1:].std(axis=0) if len(features) > 1 else np.zeros(features.shape[1])
    return np.asarray(features / np.where(deviation > 0, deviation, np.inf), np.float32)
