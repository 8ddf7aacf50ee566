"""Judge all lists, ours and the peers', in one place, and check our metrics against ir-measures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.frozen import Answer, Ask, load_answer
from recommender.ml import metrics
from recommender.ml.evaluation import per_user_mean
from recommender.ml.interactions import BoolArray, FloatArray, IntArray
from recommender.ml.stats import Interval, bootstrap_means, paired_bootstrap

K = 10
HR, NDCG, RECALL, PRECISION, MRR, AUC = "HR@10", "NDCG@10", "R@10", "P@10", "MRR", "AUC"
TOLERANCE = 1e-9
SEED = 1  # of the resampling; the same for all rows


@dataclass(frozen=True)
class Judged:
    """Hold what one model's lists for one ask are worth, per user."""

    per_user: Mapping[str, FloatArray]
    groups: Mapping[str, BoolArray]  # (users,) masks of further tables
    tied_share: float  # of the negatives: a tie counts as ranked behind, which flatters
    oracle_gap: float  # largest difference from ir-measures

    def figures(self, group: str | None = None) -> dict[str, Interval]:
        """Return each metric with its 95 % interval by resampling users."""
        chosen = slice(None) if group is None else self.groups[group]
        table = np.stack([values[chosen] for values in self.per_user.values()], axis=1)
        return dict(zip(self.per_user, bootstrap_means(table, SEED), strict=True))

    def ahead_of(self, other: "Judged", metric: str, group: str | None = None) -> Interval:
        """Return the paired difference self − other over the same users."""
        chosen = slice(None) if group is None else self.groups[group]
        return paired_bootstrap(self.per_user[metric][chosen], other.per_user[metric][chosen], SEED)


def judge(task_folder: Path, ask: Ask, written: Path) -> Judged:
    """Judge the file that a model wrote for one ask. Raises: ValueError when it does not fit."""
    answer = load_answer(task_folder, ask.name)
    found = np.load(written, allow_pickle=False)
    if len(found) != len(ask):
        raise ValueError(f"{written} holds {len(found)} lists; {ask.name} asks for {len(ask)}")
    if ask.candidates is None:
        check_lists(found, ask)
        return _judged(found, answer, tied_share=0.0)
    if ask.name == "among":
        return _areas(found, ask.candidates, answer)
    lists, tied_share = ranked_candidates(found, ask.candidates, answer)
    return _judged(lists, answer, tied_share)


def check_lists(lists: IntArray, ask: Ask) -> None:
    """Refuse lists that repeat an item or hold a seen one: they would be judged too well."""
    for row, seen in zip(lists, ask.seen, strict=True):
        shown = row[row > 0]
        if len(np.unique(shown)) < len(shown):
            raise ValueError(f"a list of {ask.name} repeats an item")
        if np.isin(shown, seen).any():
            raise ValueError(f"a list of {ask.name} holds an item the user has seen")


def ranked_candidates(
    scores: FloatArray, candidates: IntArray, answer: Answer
) -> tuple[IntArray, float]:
    """Order each case's candidates by strict >: the positive stands before its ties.

    Returns: lists (n, C), repeated candidates once and 0 at the end, and the share of negatives
        tied with the positive.
    """
    lists = np.zeros(candidates.shape, np.int64)
    ties = 0
    for row, (own, numbers) in enumerate(zip(scores, candidates, strict=True)):
        positive = answer.relevant[row][0]
        is_positive = numbers == positive
        ties += int(((own == own[is_positive][0]) & ~is_positive).sum())
        order = np.lexsort((~is_positive, -own))
        ordered = numbers[order]
        _, firsts = np.unique(ordered, return_index=True)
        once = ordered[np.sort(firsts)]
        lists[row, : len(once)] = once
    return lists, ties / max(1, scores.size - len(scores))


def oracle_gap(lists: IntArray, relevant: tuple[IntArray, ...]) -> float:
    """Return the largest difference between our metrics and ir-measures on the same lists."""
    import ir_measures
    from ir_measures import RR, P, R, Success, nDCG

    judged_as = {str(case): {str(item): 1 for item in own} for case, own in enumerate(relevant)}
    run = {
        str(case): {str(item): float(-rank) for rank, item in enumerate(row) if item > 0}
        for case, row in enumerate(lists)
    }
    ours = metrics.judge(lists, relevant, lists.shape[1])
    names = {nDCG @ K: ours.ndcg, P @ K: ours.precision, R @ K: ours.recall, Success @ K: ours.hit}
    gap = 0.0
    for entry in ir_measures.iter_calc([*names, RR], judged_as, run):
        case = int(entry.query_id)
        mine = (
            ours.reciprocal_rank[case] if entry.measure == RR else names[entry.measure][case, K - 1]
        )
        gap = max(gap, abs(float(mine) - float(entry.value)))
    if gap > TOLERANCE:
        raise ValueError(f"our metrics differ from ir-measures by {gap}; expected ≤ {TOLERANCE}")
    return gap


def _judged(lists: IntArray, answer: Answer, tied_share: float) -> Judged:
    found = metrics.judge(lists, answer.relevant, lists.shape[1])
    per_case = {
        HR: found.hit[:, K - 1],
        NDCG: found.ndcg[:, K - 1],
        RECALL: found.recall[:, K - 1],
        PRECISION: found.precision[:, K - 1],
        MRR: found.reciprocal_rank,
    }
    gap = oracle_gap(lists, answer.relevant)
    return _by_user(per_case, answer, (tied_share, gap))


def _areas(scores: FloatArray, candidates: IntArray, answer: Answer) -> Judged:
    """Judge by the chance that a taken candidate scores above one not taken, ties one half."""
    areas = np.full(len(scores), np.nan)
    for row, (own, numbers) in enumerate(zip(scores, candidates, strict=True)):
        taken = np.isin(numbers, answer.relevant[row])
        if taken.all() or not taken.any():
            continue
        above = own[taken][:, None] - own[~taken][None, :]
        areas[row] = ((above > 0) + 0.5 * (above == 0)).mean()
    return _by_user({AUC: areas}, answer, (0.0, 0.0))


def _by_user(
    per_case: Mapping[str, FloatArray], answer: Answer, checks: tuple[float, float]
) -> Judged:
    _, firsts, user_of = np.unique(answer.users, return_index=True, return_inverse=True)
    return Judged(
        {name: per_user_mean(values, user_of) for name, values in per_case.items()},
        {name: mask[firsts] for name, mask in answer.groups.items()},
        *checks,
    )
