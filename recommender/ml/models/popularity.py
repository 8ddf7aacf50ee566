"""Recommend what many different people liked lately."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from recommender.ml.interactions import Interactions
from recommender.ml.models.base import EpochRecord, Export, FitOptions, Recommender
from recommender.ml.models.decay import decayed_popularity
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
        self._popularity = decayed_popularity(data, self.config.half_life_scale)
        self._vectors = likeness_vectors(data, options.seed)
        spent = time.perf_counter() - began
        yield self._single_record(data, options, spent)

    def _export(self, data: Interactions) -> Export:
        del data
        return Export("popularity", {}, {"vectors": self._vectors})
