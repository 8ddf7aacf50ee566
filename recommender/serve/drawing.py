"""Draw a personal list from a mixture of contenders, knowing the exact chance of every place.

The best model's list alone would only ever confirm itself. So a few places go to what is popular
and to what nobody would have picked, and the order is drawn rather than fixed: it costs a percent
of the list's worth, and makes everything that is measured on it unbiased.
"""

import os
from dataclasses import replace

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.policy import Draw, Mixture, contender_logits, draw
from recommender.ml.rerank import mmr_values
from recommender.serve.blend import Scores
from recommender.serve.candidates import Ranked, distinct, part, popular_items
from recommender.serve.drawn import Drawn
from recommender.serve.policy import POLICY
from recommender.serve.scene import Scene

CONTENDERS = ("champion", "popularity", "uniform")
LEAST_POOL = 2


def drawn(scene: Scene, ranked: Ranked, need: int) -> Ranked:
    """Return the list as drawn, `need` places of it to be shown; as it is where none may be.

    A list that no model made for this person stays deterministic, and so do shadow reads and
    catalogs whose exploration is off: their rows are marked so and enter no estimate.
    """
    scores = ranked.personal or scene.scores
    if not _may_be_drawn(scene, ranked) or scores is None or scores.served is not ranked.served:
        return ranked
    seed = int.from_bytes(os.urandom(8), "big") >> 1
    pool = _pool(scene, ranked, max(POLICY.n_drawn, need), seed)
    if len(pool) < LEAST_POOL:
        return ranked
    numbers, totals, values = valued(scores, pool.ids)
    mixture = _mixture(scores, numbers, values, scene.reading.tau)
    made = draw(mixture, len(pool), seed)
    found = Drawn(
        pool=pool.ids,
        letters=pool.sources,
        mixture=mixture,
        contenders=CONTENDERS,
        seed=seed,
        draw=made,
        tau=scene.reading.tau,
        eps=POLICY.uniform_share,
        cost=_cost(_worth(scores, numbers, totals), values, made, need),
    )
    return replace(
        ranked,
        ids=found.ids,
        scores=totals[made.order].astype(np.float32),
        sources=found.sources,
        personal=scores,
        drawn=found,
        undrawn=ranked,
    )


def valued(scores: Scores, ids: IntArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return (C,) numbers, scores, and values as the champion draws by them: variety included."""
    model = scores.served.model
    numbers = np.asarray(model.item_numbers(ids), np.int64)
    totals = _known(scores.total[numbers], numbers)
    return numbers, totals, mmr_values(model.scorer.vectors[numbers], totals, POLICY.mmr_trade_off)


def _may_be_drawn(scene: Scene, ranked: Ranked) -> bool:
    is_read_only = scene.request.is_shadow or scene.is_cut_off
    return ranked.is_personalized and not is_read_only and scene.reading.explores


def _pool(scene: Scene, ranked: Ranked, n_best: int, seed: int) -> Ranked:
    """Join the model's best, what is popular, and a few of all items: support is never closed."""
    popular = part(popular_items(scene), 0, POLICY.n_popular)
    joined = distinct([part(ranked, 0, n_best), popular])
    others = scene.table.ids[np.flatnonzero(scene.is_open)]
    others = np.setdiff1d(others, joined.ids)
    rng = np.random.default_rng(seed)
    few = rng.choice(others, min(POLICY.n_admitted, len(others)), replace=False)
    return distinct([joined, Ranked(few, np.zeros(len(few), np.float32), "e" * len(few), "any")])


def _mixture(scores: Scores, numbers: IntArray, values: FloatArray, tau: float) -> Mixture:
    popularity = _known(scores.served.popularity_z[numbers], numbers)
    logits = [contender_logits(values, tau), contender_logits(popularity, tau)]
    shares = [POLICY.popularity_share, POLICY.uniform_share]
    return Mixture(
        np.stack([*logits, np.zeros(len(numbers), np.float32)]),
        np.array([1.0 - sum(shares), *shares]),
    )


def _known(levels: FloatArray, numbers: IntArray) -> FloatArray:
    """Give items that the model has never met the lowest level among those it has."""
    is_known = numbers > 0
    lowest = levels[is_known].min() if is_known.any() else 0.0
    return np.where(is_known, levels, lowest).astype(np.float64)


def _worth(scores: Scores, numbers: IntArray, totals: FloatArray) -> FloatArray:
    """Return what each candidate is worth to show: its chance of a click, else its scaled score."""
    for chance in scores.served.model.chances:
        if chance.kind == "click":
            return np.asarray(chance.predict(scores.model_z[numbers]), np.float64)
    spread = np.ptp(totals)
    return (totals - totals.min()) / spread if spread > 0 else np.ones(len(totals))


def _cost(worth: FloatArray, values: FloatArray, made: Draw, need: int) -> float | None:
    """Return 1 − Σ θ·worth as drawn / the same of the list that would have been shown undrawn.

    θ = 1 / log2(1 + place) until examination by place is measured. One draw may gain by chance;
    only the mean over many is a cost.
    """
    best = np.argsort(-values, kind="stable")[:need]
    places = 1.0 / np.log2(np.arange(2, len(best) + 2))
    most = float(places @ worth[best])
    return 1.0 - float(places @ worth[made.order[:need]]) / most if most > 0 else None
