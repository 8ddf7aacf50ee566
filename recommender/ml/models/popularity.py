"""Recommend what many different people liked lately."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from recommender.ml.evaluation import decayed_popularity
from recommender.ml.interactions import Interactions
from recommender.ml.models.base import EpochRecord, Export, FitOptions, Recommender
from recommender.ml.models.likeness import likeness_vectors


@dataclass(frozen=True)
class PopularityConfig:
    """Set how fast popularity fades."""

    half_life_scale: float = 1.0  # stretches every event type's half-life


class Popularity(Recommender):
    """Count distinct users per item, recent ones more; the baseline every model must beat."""

    name = "popularity"
    Config = PopularityConfig
    config: PopularityConfig

    def _epochs(self, data: Interactions, options: FitOptions) -> Iterator[EpochRecord]:
        began = time.perf_counter()
        half_lives = data.half_life_s * self.config.half_life_scale
        popularity = decayed_popularity(replace(data, half_life_s=half_lives))
        self._popularity = popularity.astype(np.float32)
        self._vectors = likeness_vectors(data, options.seed)
        spent = time.perf_counter() - began
        yield self._single_record(data, options, spent)

    def _export(self, data: Interactions) -> Export:
        del data
        return Export("popularity", {}, {"vectors": self._vectors})
