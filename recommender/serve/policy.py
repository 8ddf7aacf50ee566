"""The serving policy in figures: one frozen config, hashed into every slate."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from recommender.catalog.models import Catalog
from recommender.serve.answers import Stage


@dataclass(frozen=True)
class Policy:
    """How a list is put together. Changing a figure changes `config_hash`."""

    policy_id: str = "mixture"
    version: str = "1"
    n_candidates: int = 100
    # A draw reaches the model's best, the most popular, and a few of all open items.
    n_drawn: int = 60
    n_popular: int = 20
    n_admitted: int = 3
    # Weights of the contenders besides the champion, which has the rest.
    popularity_share: float = 0.02
    uniform_share: float = 0.02
    row_length: int = 12
    # Share of variety against relevance. Item-kNN, MovieLens-100K's later window, 153 people: 0.15
    # gave NDCG@10 .255 and intra-list diversity .544, against .251 and .527 by score alone.
    mmr_trade_off: float = 0.15
    # λ = prior_events / (prior_events + positives): a slow fade (12) narrows the lists.
    prior_events: float = 6.0
    # A cold-start list takes one fresh item after this many popular ones.
    popular_per_fresh: int = 3
    # A reason must carry this share of the score, or the source is named instead.
    reason_share: float = 0.10
    personal_from: int = 3  # positives or ratings from which the rows count as personal
    explore_share: float = 0.5  # the less popular part of the catalog, where exploring draws
    trending_days: int = 14
    trending_half_life_days: float = 3.0

    def blend(self, n_positive: int) -> float:
        """Return the weight λ of popularity for somebody with that many positive events.

        >>> Policy().blend(0), Policy().blend(6)
        (1.0, 0.5)
        """
        return self.prior_events / (self.prior_events + n_positive)

    @cached_property
    def config_hash(self) -> str:
        """Return the SHA-256 of all figures."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


POLICY = Policy()


def stages(catalog: Catalog, version: str | None, model: str | None) -> tuple[Stage, ...]:
    """List the pipeline as it runs, in order."""
    parts: Mapping[str, Mapping[str, Any]] = {
        "filters": {
            "always": ["hidden", "expired", "seen", "dismissed"],
            "on_request": list(filter_names(catalog)),
        },
        "candidates": {
            "n_candidates": POLICY.n_candidates,
            "n_drawn": POLICY.n_drawn,
            "n_popular": POLICY.n_popular,
            "n_admitted": POLICY.n_admitted,
            "sources": ["model", "popular", "new", "any"],
            "popular_per_fresh": POLICY.popular_per_fresh,
        },
        "scorer": {"model_version": version, "model": model},
        "blend": {"prior_events": POLICY.prior_events},
        "diversity": {"method": "mmr", "trade_off": POLICY.mmr_trade_off},
        "draw": {
            "policy_id": POLICY.policy_id,
            "policy_version": POLICY.version,
            "sampler": "mix" if catalog.exploration_target > 0 else "deterministic",
            "tau": catalog.exploration_tau,
            "cost_target": catalog.exploration_target,
            "popularity_share": POLICY.popularity_share,
            "uniform_share": POLICY.uniform_share,
            "config_hash": POLICY.config_hash,
        },
    }
    return tuple(Stage(name=name, parameters=figures) for name, figures in parts.items())


def filter_names(catalog: Catalog) -> tuple[str, ...]:
    """Return the names that `ListRequest.filters` may use in this catalog."""
    return (*BUILT_IN_FILTERS, *(str(name) for name in catalog.filters))


BUILT_IN_FILTERS = (
    "category",
    "tag",
    "creator",
    "language",
    "price_min",
    "price_max",
    "published_after",
    "published_before",
)
