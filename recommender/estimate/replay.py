"""Read drawn lists back, with the chance that another version would have drawn the same."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from recommender.collect.models import Event, Impression, Slate, UserState
from recommender.collect.state import decode_ids
from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.off_policy import Lists
from recommender.ml.placement import placement
from recommender.ml.policy import Mixture, contender_logits, prefix_probabilities
from recommender.ml.topk import mask_seen, top_k
from recommender.serve import blend
from recommender.serve.blend import Scores
from recommender.serve.drawing import valued
from recommender.serve.drawn import Drawn, replayed
from recommender.serve.evidence import Evidence
from recommender.serve.registry import Served

PLACES = 10  # of a list that are read


@dataclass(frozen=True)
class Row:
    """One list as `Lists` wants it."""

    rewards: FloatArray  # (PLACES,) NaN beyond the end; so are the others
    chances: FloatArray  # (4, PLACES) marginal logged and target, log prefix logged and target
    outside: float


def read(served: Served, slates: Iterable[Slate]) -> tuple[Lists, int]:
    """Return the lists, and how many could not be read since the version knows nothing of whom."""
    slates = list(slates)
    keys = [slate.pk for slate in slates]
    shown, clicked, known = _shown(keys), _clicked(keys), _known(slates)
    rows, users, lost = [], [], 0
    for slate in slates:
        row = _row(served, slate, shown[slate.pk], clicked, known.get(slate.user_id or 0))
        if row is None:
            lost += 1
            continue
        rows.append(row)
        users.append(slate.user_id or 0)
    if not rows:
        none = np.zeros((0, PLACES))
        return Lists(np.zeros(0, np.int64), none, none, none, none, none, np.zeros(0)), lost
    chances = np.stack([row.chances for row in rows])  # (n, 4, PLACES)
    return Lists(
        users=np.array(users, np.int64),
        rewards=np.stack([row.rewards for row in rows]),
        logged=chances[:, 0],
        target=chances[:, 1],
        logged_prefix=chances[:, 2],
        target_prefix=chances[:, 3],
        outside=np.array([row.outside for row in rows]),
    ), lost


def _row(
    served: Served,
    slate: Slate,
    shown: Mapping[int, int],
    clicked: set[tuple[UUID, int]],
    known: IntArray | None,
) -> Row | None:
    scores = _scores(served, slate)
    if scores is None or not scores.known.facts:
        return None
    made = replayed(slate)
    _, _, values = valued(scores, made.pool)
    logits = made.mixture.logits.copy()
    logits[0] = contender_logits(values, slate.tau)
    target = Mixture(logits, made.mixture.alphas)
    places = _drawn_places(slate, made, shown)
    order = made.draw.order[: len(places)]
    chances = np.full((4, PLACES), np.nan)
    rewards = np.full(PLACES, np.nan)
    at = np.arange(len(places))
    for line, marginal in enumerate(_marginals(made.mixture, target, len(places))):
        chances[line, at] = marginal[order, at]
    chances[2, at] = prefix_probabilities(made.mixture, order)
    chances[3, at] = prefix_probabilities(target, order)
    rewards[at] = [float((slate.pk, position) in clicked) for position in places]
    return Row(rewards, chances, _outside(scores, made, known))


def _drawn_places(slate: Slate, made: Drawn, shown: Mapping[int, int]) -> list[int]:
    """Return the positions, in order, that hold the first places of the draw."""
    fixed = {entry[0] for entry in slate.fixed}
    drawn = sorted(position for position in shown if position not in fixed)
    ids, places = made.ids.tolist(), []
    for place, position in enumerate(drawn[:PLACES]):
        if shown[position] != ids[place]:  # a later page left something out
            break
        places.append(position)
    return places


def _marginals(logged: Mixture, target: Mixture, k: int) -> tuple[FloatArray, FloatArray]:
    """Return (C, k) chances under both mixtures, which differ in their first contender only."""
    shared = np.zeros((logged.n_candidates, k))
    for alpha, z in zip(logged.alphas[1:], logged.logits[1:], strict=True):
        shared += alpha * placement(z.astype(np.float64), k)
    both = [
        shared + mixture.alphas[0] * placement(mixture.logits[0].astype(np.float64), k)
        for mixture in (logged, target)
    ]
    return both[0], both[1]


def _outside(scores: Scores, made: Drawn, known: IntArray | None) -> float:
    """Return the share of the version's own best that the logged candidates lack.

    What the person has seen by now is left out, unless it was a candidate then.
    """
    model = scores.served.model
    seen = np.array([fact.item_id for fact in scores.known.facts], np.int64)
    gone = np.setdiff1d(np.union1d(seen, known if known is not None else seen), made.pool)
    masked = mask_seen(scores.total, model.item_numbers(gone))
    best = top_k(masked, PLACES)
    ids = np.asarray(model.item_ids)[best[best > 0]]
    return float(np.mean(~np.isin(ids, made.pool))) if len(ids) else 1.0


def _scores(served: Served, slate: Slate) -> Scores | None:
    if slate.feature_snapshot is None:
        return None
    evidence = Evidence.decode(zlib.decompress(bytes(slate.feature_snapshot.blob)))
    return blend.score(served, evidence)


def _shown(keys: list[UUID]) -> dict[UUID, dict[int, int]]:
    found: dict[UUID, dict[int, int]] = {key: {} for key in keys}
    rows = Impression.objects.filter(slate_id__in=keys)
    for slate, position, item in rows.values_list("slate_id", "position", "item_id"):
        found[slate][position] = item
    return found


def _clicked(keys: list[UUID]) -> set[tuple[UUID, int]]:
    rows = Event.objects.standing().filter(slate_id__in=keys, type="click")
    places = rows.values_list("slate_id", "position")
    return {(slate, position) for slate, position in places if slate and position}


def _known(slates: list[Slate]) -> dict[int, IntArray]:
    users = {slate.user_id for slate in slates if slate.user_id is not None}
    rows = UserState.objects.filter(user_id__in=users).values_list("user_id", "seen", "hidden")
    return {
        user: np.union1d(decode_ids(seen or b""), decode_ids(hidden or b"")).astype(np.int64)
        for user, seen, hidden in rows
    }
