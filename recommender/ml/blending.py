"""Choose how much each opinion counts in a blend, on a later window that no member saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.ml.evaluation import per_user_mean
from recommender.ml.interactions import FloatArray, Interactions
from recommender.ml.metrics import ndcg_at_k
from recommender.ml.new_items import AUC, judge_new_items, make_new_item_cases
from recommender.ml.scorers.blend import BlendScorer, standardized
from recommender.ml.topk import mask_seen, top_k
from recommender.ml.validation import K, Watched
from recommender.ml.visits import histories_at

MOST_VISITS = 2_000  # one try costs a ranking of each
MOST_CELLS = 20_000_000  # scores held of each member
SWEEPS = 3  # over the members; the weights seldom move after the second
CONTENT = "content"  # the member that knows an item by what it is
FEWEST_NEW = 30  # users who took a new item: with fewer, chance would choose


@dataclass(frozen=True)
class Opinions:
    """Hold what tower and members say about each visit: scored once, blended many times."""

    watched: Watched
    tower: FloatArray  # (n, M+1) −inf where seen
    members: Mapping[str, FloatArray]  # name → (n, M+1) standardized, 0 for new items

    def worth(self, weights: Mapping[str, float]) -> tuple[float, float]:
        """Return (NDCG@10, −loss) of the blend with these weights: more is better in both."""
        scores = self.tower.copy()
        for name, weight in weights.items():
            scores += np.float32(weight) * self.members[name]
        ranked = top_k(scores, K)
        top = scores.max(axis=1)
        total = top + np.log(np.exp(scores - top[:, None]).sum(axis=1))
        rows = [
            (ndcg_at_k(ranked[row], wanted, K), (scores[row, wanted] - total[row]).mean())
            for row, wanted in enumerate(self.watched.cases.relevant)
        ]
        _, user_of = np.unique(self.watched.cases.users, return_inverse=True)
        gain, nearness = per_user_mean(np.array(rows), user_of).mean(axis=0)
        return float(gain), float(nearness)


def collect(blend: BlendScorer, watched: Watched) -> Opinions:
    """Score up to 2,000 visits with the tower and each member."""
    fit = max(1, min(MOST_VISITS, MOST_CELLS // (blend.n_items + 1)))
    n = len(watched.cases)
    chosen = np.unique(np.linspace(0, n - 1, min(n, fit)).astype(np.int64))
    part = Watched(watched.cases.take(chosen), [watched.histories[at] for at in chosen])
    tower = mask_seen(blend.tower.score(part.histories), part.cases.seen)
    members = {
        name: standardized(member.scorer.score(part.histories)) * ~blend.is_new
        for name, member in blend.members.items()
    }
    return Opinions(part, tower, members)


def fit_weights(
    opinions: Opinions, usual: Mapping[str, float], grid: Sequence[float]
) -> dict[str, float]:
    """Return the weights of best NDCG@10, one member at a time; the loss decides between equals.

    Begins at the usual weights, which stay where nothing is better: a few hundred visits must
    speak for a change. Every weight is one of `grid` or the usual one.
    """
    weights = dict(usual)
    best = opinions.worth(weights)
    for _ in range(SWEEPS):
        before = dict(weights)
        for name in weights:
            for value in grid:
                tried = weights | {name: value}
                worth = opinions.worth(tried)
                if worth > best:
                    best, weights = worth, tried
        if weights == before:
            break
    return weights


def fit_new_weight(
    blend: BlendScorer, watched: Watched, both: Interactions, usual: float, grid: Sequence[float]
) -> float:
    """Return how much a member that knows new items by what they are is to count for them.

    Judged by the order (AUC) that the items held out of training get among themselves, as if
    nobody had touched them: against known items a larger weight always looks better, since it
    spreads the new ones. The usual weight stays where fewer than 30 users took such an item.

    Args:
        blend: what is fitted; `content` is the member.
        watched: visits to the validation window.
        both: events of training and validation.
        usual: the weight that stands without evidence.
        grid: the weights to choose from, rising; of equal ones the first.
    """
    items = blend.held_out
    if items is None or not len(items) or CONTENT not in blend.members:
        return usual
    known = np.unique(both.item[both.weight > 0])
    cases = make_new_item_cases(both, watched.cases, items, known, seed=0)
    if len(cases) < FEWEST_NEW:
        return usual
    readable = np.arange(both.n_items + 1)
    readable[items] = 0
    cold, histories = blend.cold(items), histories_at(both, cases.cases, readable)
    tower = cold.tower.score(histories)
    content = standardized(cold.members[CONTENT].scorer.score(histories))

    def worth(weight: float) -> float:
        scores = tower + np.float32(weight) * content
        order = judge_new_items(lambda chosen: scores[chosen], cases)[AUC]
        return float(np.nan_to_num(order, nan=0.5).mean())  # nothing to compare with: chance

    return max(grid, key=worth)
