"""Ask a trained model what it would have listed at moments of a training window, for a smaller one.

The teacher is any artifact: only its scorer is read, so a hybrid can teach a transformer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from recommender.ml.evaluation import histories_of
from recommender.ml.interactions import BoolArray, FloatArray, IntArray, Interactions
from recommender.ml.scoring import History, Scorer
from recommender.ml.topk import top_k

MOST_MOMENTS = 20_000  # asked about; of a hybrid each costs about 2 ms
LISTED = 50  # items of each answer; of all others only their sum is told
BATCH = 250


@dataclass(frozen=True)
class Teacher:
    """Hold who teaches, and how the student's data translate into its terms."""

    scorer: Scorer
    numbers: IntArray  # (M+1,) the teacher's number of each of the student's items, 0 = unknown
    features: FloatArray  # (U+1, F) of the student's users, in the teacher's columns


@dataclass(frozen=True)
class Lessons:
    """Hold the teacher's answers at n moments: what it would list next, and how surely."""

    row_at: IntArray  # (N,) row of each event's moment, just before it; −1 where none was asked
    items: IntArray  # (n, T) the student's item numbers, best first
    shares: FloatArray  # (n, T) of these items in the teacher's softmax, float32; sum ≤ 1


def ask(
    teacher: Teacher,
    data: Interactions,
    rng: np.random.Generator,
    should_stop: Callable[[], bool],
) -> Lessons:
    """Ask about up to 20,000 moments, drawn evenly from all events of `data`, in their order.

    Only items that somebody took in `data` are answers, and none that the user took before. Items
    that the teacher does not know are never its answer. Costs the scoring of every moment; asked to
    stop, it leaves the rest of them out.

    Source: Hinton et al. 2015 (arXiv 1503.02531), section 2; of the teacher's softmax only the
        first items are kept, as Tang & Wang 2018 (arXiv 1809.07428) rank.
    """
    users = np.arange(data.n_users + 1)
    histories = histories_of(data, users)
    lengths = [len(history.items) for history in histories]
    n = int(np.sum(lengths))
    # In chance order, so that what a stop leaves is even too.
    chosen = rng.choice(n, min(n, MOST_MOMENTS), replace=False)
    user_of = np.repeat(users, lengths)[chosen]
    step_of = chosen - np.append(0, np.cumsum(lengths))[user_of]
    pasts = [histories[user].first(step) for user, step in zip(user_of, step_of, strict=True)]
    is_answer = np.bincount(data.item[data.weight > 0], minlength=data.n_items + 1) > 0
    is_answer &= teacher.numbers > 0
    k = min(LISTED, max(int(is_answer.sum()), 1))
    items, shares = np.zeros((len(chosen), k), np.int64), np.zeros((len(chosen), k), np.float32)
    for at in range(0, len(pasts), BATCH):
        if should_stop():
            break
        part = slice(at, at + BATCH)
        items[part], shares[part] = _answers(teacher, (pasts[part], user_of[part]), is_answer, k)
    has_answer = shares.sum(axis=1) > 0
    row_at = np.full(n, -1, np.int64)
    row_at[chosen[has_answer]] = np.flatnonzero(has_answer)
    return Lessons(row_at, items, shares)


def _answers(
    teacher: Teacher, asked: tuple[Sequence[History], IntArray], is_answer: BoolArray, k: int
) -> tuple[IntArray, FloatArray]:
    """Return (B, k) items and shares; a list that has fewer ends in shares of 0."""
    pasts, users = asked
    read = [_translated(teacher, past, user) for past, user in zip(pasts, users, strict=True)]
    scores = teacher.scorer.score(read)[:, teacher.numbers].astype(np.float64)  # (B, M+1)
    scores[:, ~is_answer] = -np.inf
    for row, past in enumerate(pasts):
        scores[row, past.items] = -np.inf
    items = top_k(scores, k)
    top = np.take_along_axis(scores, items[:, :1], axis=1)
    weights = np.exp(scores - np.where(np.isfinite(top), top, 0.0))  # (B, M+1)
    total = np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    return items, np.asarray(np.take_along_axis(weights, items, axis=1) / total, np.float32)


def _translated(teacher: Teacher, past: History, user: int) -> History:
    """Return what the teacher reads of a past: events with items it knows, in its numbers."""
    known = past.keep(np.flatnonzero(teacher.numbers[past.items] > 0))
    return replace(known, items=teacher.numbers[known.items], features=teacher.features[user])
