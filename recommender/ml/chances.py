"""Predict how likely a person is to click or buy an item: calibrated, or silent.

Of 100 times that an item not yet touched had a score like this when somebody came by, so many
times they clicked it (bought it) before the window had passed. A visit is a moment at which the
person did something; the window is at most a week. Scores say who comes first; only this says how
often it happens, and it says nothing where too few of such events are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from recommender.ml.evaluation import Cases
from recommender.ml.interactions import FloatArray, IntArray, Interactions
from recommender.ml.ratings import z_scores
from recommender.ml.scoring import History, Scorer
from recommender.ml.topk import mask_seen, top_k
from recommender.ml.visits import histories_at, sample, spread

KINDS = ("click", "purchase")
LISTED = 100  # places that serving fills: these decide how good the figures are
MOST_WINDOW_S = 7 * 86_400
LEAST_TAKEN = 25  # taken items in each bin; two bins are the least that can rise
MOST_BINS = 20
MOST_USERS = 1_000
VISITS = 4  # of one user
OTHERS = 100  # unlisted items looked at per visit, standing for all of them
BATCH_VISITS = 250


@dataclass(frozen=True)
class ChanceModel:
    """Map a standardized score to a probability that never falls as the score rises."""

    kind: str
    z: tuple[float, ...]  # (n,) rising: mean standardized score of each bin
    chance: tuple[float, ...]  # (n,) never falling
    window_days: float
    n_pairs: int  # visits × items looked at
    n_taken: int
    error: float  # expected calibration error over listed items of people held out
    n_listed: int  # pairs behind `error`
    bins: tuple[tuple[float, float, int], ...]  # said, came true, pairs: of people held out

    def predict(self, z: FloatArray) -> FloatArray:
        """Return the probability at each standardized score; straight between bins in log-odds."""
        return np.asarray(_read_off(np.array(self.z), np.array(self.chance), z))

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> ChanceModel:
        """Read what `as_dict` gave. Raises: KeyError, TypeError or ValueError for anything else."""
        fields = dict(plain)
        for name in ("z", "chance"):
            fields[name] = tuple(float(number) for number in fields[name])
        fields["bins"] = tuple((float(a), float(b), int(n)) for a, b, n in fields["bins"])
        made = cls(**fields)
        rises = all(a < b for a, b in zip(made.z, made.z[1:], strict=False))
        if not rises or len(made.z) != len(made.chance) or len(made.z) < 2:
            raise ValueError(f"the chances of {made.kind} are no rising curve")
        return made


@dataclass(frozen=True)
class Pairs:
    """Visits × items: how high it stood, what it stands for, and whether it was taken."""

    user: IntArray
    z: FloatArray
    weight: FloatArray  # how many pairs this one stands for
    is_taken: FloatArray  # 0 or 1
    is_listed: FloatArray  # 0 or 1: among the best that serving would list

    def of(self, mask: Any) -> Pairs:
        """Keep the pairs that a mask selects."""
        columns = (self.user, self.z, self.weight, self.is_taken, self.is_listed)
        return Pairs(*(column[mask] for column in columns))


def fit_chances(
    data: Interactions, later: Interactions, scorer: Scorer, seed: int
) -> tuple[ChanceModel, ...]:
    """Fit one model per kind of event that `later` holds enough of; the same seed, the same models.

    Args:
        data: what the scorer was trained on.
        later: a later window that it was not trained on.
    """
    window_s = min(MOST_WINDOW_S, (int(later.time[-1]) - int(later.time[0])) // 2)
    if window_s <= 0:
        return ()
    both = data.followed_by(later)
    models = []
    for kind in KINDS:
        if kind not in data.kinds:
            continue
        is_kind = (both.kind == both.kinds.index(kind)) & (both.weight > 0)
        if is_kind[len(data) :].sum() < 2 * LEAST_TAKEN:
            continue
        visits = _visits(both, is_kind, int(later.time[0]), window_s)
        pairs = _pairs(both, sample(visits, MOST_USERS, seed), scorer, seed)
        model = fit_pairs(kind, pairs, window_s / 86_400, seed)
        models += [model] if model else []
    return tuple(models)


def fit_pairs(kind: str, pairs: Pairs, window_days: float, seed: int) -> ChanceModel | None:
    """Fit the curve on all pairs, and its error on people whom a curve of others never saw.

    Returns: None when half of the people took too little to fit a curve on.
    """
    people = np.unique(pairs.user)
    in_first = np.random.default_rng(seed).permutation(len(people)) % 2 == 0
    is_first = in_first[np.searchsorted(people, pairs.user)]
    said = np.zeros(len(pairs.z))
    for fitted, judged in ((is_first, ~is_first), (~is_first, is_first)):
        curve = _curve(pairs.of(fitted))
        if curve is None:
            return None
        said[judged] = _read_off(*curve, pairs.z[judged])
    whole = _curve(pairs)
    if whole is None:
        return None
    listed = pairs.is_listed > 0
    bins = reliability(said[listed], pairs.is_taken[listed])
    return ChanceModel(
        kind=kind,
        z=tuple(whole[0].tolist()),
        chance=tuple(whole[1].tolist()),
        window_days=window_days,
        n_pairs=len(pairs.z),
        n_taken=int(pairs.is_taken.sum()),
        error=calibration_error(bins),
        n_listed=int(listed.sum()),
        bins=bins,
    )


def reliability(
    said: FloatArray, came_true: FloatArray, n_bins: int = 10
) -> tuple[tuple[float, float, int], ...]:
    """Return (mean probability said, share that came true, n) of equally large bins, rising."""
    order = np.argsort(said, kind="stable")
    parts = [part for part in np.array_split(order, n_bins) if len(part)]
    return tuple(
        (float(said[part].mean()), float(came_true[part].mean()), len(part)) for part in parts
    )


def calibration_error(bins: tuple[tuple[float, float, int], ...]) -> float:
    """Return the expected calibration error: |said − came true| over the bins, by their size.

    Source: Naeini, Cooper & Hauskrecht 2015; bins of equal size. NaN without any pair.
    """
    total = sum(n for _said, _true, n in bins)
    if not total:
        return float("nan")
    return sum(n * abs(said - true) for said, true, n in bins) / total


def _visits(data: Interactions, is_kind: Any, since: int, window_s: int) -> Cases:
    """Return moments with a whole window after them, and what was taken in it for the first time.

    Unlike the visits of an evaluation, these also hold people who took nothing.
    """
    order, starts = data.by_user()
    last = int(data.time[-1]) - window_s
    rows: list[tuple[int, int, IntArray, IntArray]] = []
    for user in np.unique(data.user[(data.time >= since) & (data.time <= last)]).tolist():
        own = order[starts[user] : starts[user + 1]]
        time, item = data.time[own], data.item[own]
        for moment in spread(np.unique(time[(time >= since) & (time <= last)]), VISITS).tolist():
            seen = np.unique(item[time < moment])
            soon = (time >= moment) & (time < moment + window_s) & is_kind[own]
            rows.append((user, moment, np.setdiff1d(item[soon], seen), seen))
    users = np.array([row[0] for row in rows], np.int64)
    times = np.array([row[1] for row in rows], np.int64)
    wanted, seen_by = tuple(row[2] for row in rows), tuple(row[3] for row in rows)
    return Cases(users, wanted, seen_by, np.zeros(len(users), np.int64), times)


def _pairs(data: Interactions, visits: Cases, scorer: Scorer, seed: int) -> Pairs:
    rng = np.random.default_rng(seed)
    histories = histories_at(data, visits)
    columns = [
        column
        for start in range(0, len(visits), BATCH_VISITS)
        for column in _of_batch(visits, slice(start, start + BATCH_VISITS), histories, scorer, rng)
    ]
    if not columns:
        return Pairs(np.zeros(0, np.int64), *(np.zeros(0) for _ in range(4)))
    return Pairs(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))


def _of_batch(
    visits: Cases,
    part: slice,
    histories: list[History],
    scorer: Scorer,
    rng: np.random.Generator,
) -> Iterator[tuple[Any, ...]]:
    """Yield the columns of `Pairs` for each visit: all listed and taken items, some of the rest."""
    z = z_scores(scorer.score(histories[part]).astype(np.float64))
    open_z = mask_seen(z, visits.seen[part])
    best = top_k(open_z, LISTED)
    rows = zip(open_z, best, visits.users[part], visits.relevant[part], strict=True)
    for row, listed, user, taken in rows:
        listed = listed[listed > 0]
        kept = np.union1d(listed, taken)
        kept = kept[np.isfinite(row[kept])]
        rest = np.setdiff1d(np.flatnonzero(np.isfinite(row)), kept, assume_unique=True)
        drawn = rng.choice(rest, min(OTHERS, len(rest)), replace=False)
        items = np.concatenate([kept, drawn])
        weight = np.ones(len(items))
        weight[len(kept) :] = len(rest) / max(len(drawn), 1)
        yield (
            np.full(len(items), user),
            row[items],
            weight,
            np.isin(items, taken).astype(np.float64),
            np.isin(items, listed).astype(np.float64),
        )


def _curve(pairs: Pairs) -> tuple[FloatArray, FloatArray] | None:
    """Return (z, chance) of a rising step curve; None when too little was taken.

    Each bin holds at least 25 taken items, so that its share is known to about a fifth of itself;
    neighbors that fall are pooled (isotonic regression by pool-adjacent-violators).
    """
    order = np.argsort(-pairs.z, kind="stable")
    z, weight, taken = pairs.z[order], pairs.weight[order], pairs.is_taken[order]
    total = int(taken.sum())
    n_bins = min(MOST_BINS, total // LEAST_TAKEN)
    if n_bins < 2:
        return None
    number = np.minimum((np.cumsum(taken) - taken) * n_bins // total, n_bins - 1).astype(np.int64)
    mass = np.bincount(number, weight, n_bins)
    center = np.bincount(number, weight * z, n_bins) / mass
    share = np.bincount(number, weight * taken, n_bins) / mass
    blocks: list[tuple[float, float, float]] = []  # center, share, mass: rising
    for at in range(n_bins - 1, -1, -1):
        blocks.append((center[at], share[at], mass[at]))
        while len(blocks) > 1 and blocks[-1][1] <= blocks[-2][1]:
            blocks.append(_pooled(blocks.pop(), blocks.pop()))
    if len(blocks) < 2:
        return None  # higher scores are taken no more often: nothing to say
    return np.array([block[0] for block in blocks]), np.array([block[1] for block in blocks])


def _pooled(
    a: tuple[float, float, float], b: tuple[float, float, float]
) -> tuple[float, float, float]:
    mass = a[2] + b[2]
    return (a[0] * a[2] + b[0] * b[2]) / mass, (a[1] * a[2] + b[1] * b[2]) / mass, mass


def _read_off(z_known: FloatArray, chance: FloatArray, z: FloatArray) -> FloatArray:
    odds = logit(np.clip(chance, 1e-9, 1 - 1e-9))
    return np.asarray(expit(np.interp(z, z_known, odds)))
