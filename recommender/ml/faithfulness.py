"""Test explanations: does removing the named cause change the result, and does the model matter?

An explanation is faithful when what it names is what the score rests on. Two tests say so: the
deletion test takes the cited event away and looks how far the item falls, beside every other event
of the same person; the randomized-weights test explains the same lists with a model whose weights
mean nothing, and expects other explanations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from recommender.ml.explain import causes, centered, leave_one_out
from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.scoring import History, Scorer
from recommender.ml.stats import RESAMPLES, Interval
from recommender.ml.topk import mask_seen, top_k

LEAST_EVENTS = 3  # with fewer, "a random other event" is hardly another
Choose = Callable[[FloatArray, float], IntArray]


@dataclass(frozen=True)
class Deletion:
    """What removing an event does to the places of a person's top items; one row a person.

    `ratio` compares means over people, so one person's huge fall does not decide alone.
    """

    cited_fall: FloatArray  # (U,) places lost without the cited event, mean over cited items
    random_fall: FloatArray  # (U,) places lost without an event drawn from all of the person's
    cited_flips: FloatArray  # (U,) share of items that leave the top k without the cited event
    random_flips: FloatArray  # (U,) the same without an event drawn from all
    n_items: int  # top items looked at
    n_cited: int  # of them, those for which an event is named

    def ratio(self, seed: int = 1) -> Interval:
        """Return cited fall / random fall with a 95 % interval over resampled people."""
        return ratio_of_means(self.cited_fall, self.random_fall, seed)

    def flip_ratio(self, seed: int = 1) -> Interval:
        """Return how many times likelier the cited event's removal is to end the item's stay."""
        return ratio_of_means(self.cited_flips, self.random_flips, seed)


def deletion_test(
    scorer: Scorer,
    histories: Sequence[History],
    seen: Sequence[IntArray],
    choose: Choose = causes,
    k: int = 10,
) -> Deletion:
    """Remove each event of each person in turn, and see how far their top k items fall.

    The random event's fall is its exact expectation, the mean over all events, the cited one among
    them. Places are counted among items that are not in `seen`, which stays as it was: the item
    of a removed event does not come back. People with fewer than three events are left out, and so
    are items for which `choose` names nothing.

    Args:
        histories: one a person.
        seen: item numbers that the person is not shown, one array a person.
        choose: from (n,) drops and the score to the events to cite, the strongest first.
    Source: the deletion metric of Petsiuk, Das & Saenko 2018 (RISE), for one event at a time.
    """
    rows: list[tuple[float, float, float, float]] = []
    n_items = n_cited = 0
    for history, hidden in zip(histories, seen, strict=True):
        if len(history.items) < LEAST_EVENTS:
            continue
        scores, places = _places(scorer, history, hidden, k)  # (n + 1, k) each
        falls = places[1:] - places[0]  # (n, k)
        picked = [choose(scores[0, at] - scores[1:, at], scores[0, at]) for at in range(k)]
        named = [(int(found[0]), at) for at, found in enumerate(picked) if len(found)]
        n_items += k
        n_cited += len(named)
        if not named:
            continue
        events, columns = (np.array(part) for part in zip(*named, strict=True))
        out = places[1:] > k
        own = falls[events, columns].mean(), falls[:, columns].mean()
        flips = out[events, columns].mean(), out[:, columns].mean()
        rows.append((own[0], own[1], flips[0], flips[1]))
    table = np.array(rows).reshape(-1, 4)
    return Deletion(table[:, 0], table[:, 1], table[:, 2], table[:, 3], n_items, n_cited)


def _places(
    scorer: Scorer, history: History, hidden: IntArray, k: int
) -> tuple[FloatArray, FloatArray]:
    """Return scores and places (1 = first) of the top k, whole and without each event."""
    batch = [history, *(history.without(event) for event in range(len(history.items)))]
    scores = mask_seen(centered(scorer.score(batch)), [hidden] * len(batch))
    top = top_k(scores[:1], k)[0]
    own = scores[:, top]  # (n + 1, k)
    ordered = np.sort(scores[:, 1:], axis=1)  # ascending
    places = np.empty_like(own)
    for row in range(len(batch)):
        better = ordered.shape[1] - np.searchsorted(ordered[row], own[row], side="right")
        places[row] = better + 1
    return own, places


@dataclass(frozen=True)
class Agreement:
    """How alike the explanations of two models are, one entry an explained item."""

    correlation: FloatArray  # (N,) Spearman, between the drops of the person's events
    is_same_cause: FloatArray  # (N,) 1 where both would cite the same event
    by_chance: FloatArray  # (N,) how likely that is between strangers: 1 / the person's events

    @property
    def changed(self) -> float:
        """Return the share of items whose cited event differs."""
        return 1.0 - float(self.is_same_cause.mean())


def agreement(
    scorer: Scorer,
    other: Scorer,
    histories: Sequence[History],
    seen: Sequence[IntArray],
    k: int = 5,
) -> Agreement:
    """Explain the top k of `scorer` with both models and compare event by event.

    With `other` = the same model with `randomized` weights this is the sanity check of Adebayo et
    al. 2018 (arXiv 1810.03292): an explanation that survives it does not depend on what was
    learned. Columns where a model's drops are all equal have no order and are left out.
    """
    correlations, same, chances = [], [], []
    for history, hidden in zip(histories, seen, strict=True):
        if len(history.items) < LEAST_EVENTS:
            continue
        top = top_k(mask_seen(scorer.score([history]).astype(np.float64), [hidden]), k)[0]
        ours, theirs = (leave_one_out(each, history, top) for each in (scorer, other))
        for a, b in zip(ours.T, theirs.T, strict=True):
            if np.ptp(a) > 0 and np.ptp(b) > 0:
                correlations.append(_spearman(a, b))
                same.append(float(a.argmax() == b.argmax()))
                chances.append(1.0 / len(a))
    return Agreement(np.array(correlations), np.array(same), np.array(chances))


def ratio_of_means(above: FloatArray, below: FloatArray, seed: int) -> Interval:
    """Bound mean(above) / mean(below) over people by resampling people; NaN without any.

    Where a resampled denominator is not above zero the ratio has no upper bound: it is infinite.
    """
    n = len(above)
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    picks = np.random.default_rng(seed).integers(0, n, (RESAMPLES, n))
    ratios = _ratio(above[picks].mean(axis=1), below[picks].mean(axis=1))
    low, high = np.quantile(ratios, [0.025, 0.975], method="nearest")
    value = _ratio(above.mean(keepdims=True), below.mean(keepdims=True))[0]
    return Interval(float(value), float(low), float(high), n)


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    is_safe = below > 0
    return np.where(is_safe, above / np.where(is_safe, below, 1.0), np.inf)


def _spearman(a: FloatArray, b: FloatArray) -> float:
    """Correlate ranks, equal values sharing their mean rank."""
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
