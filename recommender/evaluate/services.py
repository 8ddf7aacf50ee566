"""Judge a version on the later window of a snapshot, beside the champion and the baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recommender import clock
from recommender.collect.state import HISTORY_LENGTH
from recommender.errors import NotReady
from recommender.evaluate.cold import measure_cold
from recommender.evaluate.contender import Contender, Version, enter
from recommender.evaluate.models import Evaluation
from recommender.evaluate.window import Window, open_window
from recommender.ml import evaluation as ml
from recommender.ml.evaluation import Outcome
from recommender.ml.stats import Interval
from recommender.ml.visits import histories_at
from recommender.prepare.models import Snapshot
from recommender.prepare.services import open_snapshot

SEED = 1
Figures = dict[str, dict[str, float | int | None]]


@dataclass(frozen=True)
class Outcomes:
    """All models of one comparison, judged on the same users."""

    challenger: Outcome
    champion: Outcome | None
    random: Outcome
    popularity: Outcome
    cold: Mapping[str, Any]  # new items and newcomers, as plain JSON


def measure(*, version: Version, champion: Version | None, snapshot: Snapshot) -> Evaluation:
    """Score challenger, champion, random and popularity on the same users and write one row.

    Both artifacts are loaded and checked, and read at each visit what the user did before it.
    Costs one scoring of every judged user per model, seconds for a thousand users; new items and
    newcomers cost at most half as much again.

    Raises: NotReady when nobody took anything new after the split; ArtifactError for a broken
        artifact; BadData for a changed snapshot.
    """
    opened = open_snapshot(snapshot)
    window = open_window(opened, snapshot.catalog)
    if not len(window.cases):
        raise NotReady(
            f"Snapshot {snapshot.pk}: nobody took anything new after "
            f"{snapshot.split_at:%Y-%m-%d %H:%M}; collect more events before judging a model."
        )
    ours = enter(version, opened)
    theirs = enter(champion, opened) if champion else None
    outcomes = Outcomes(
        challenger=judge(ours, window),
        champion=judge(theirs, window) if theirs else None,
        random=ml.evaluate(
            ml.random_scores(window.setting.n_items, SEED), window.cases, window.setting
        ),
        popularity=ml.evaluate(ml.popularity_scores(window.train), window.cases, window.setting),
        cold=measure_cold(window, ours, theirs),
    )
    return _record(version, champion, snapshot, window, outcomes)


def judge(contender: Contender, window: Window) -> Outcome:
    """Let a model rank everything at each visit of the window. Costs one scoring of all visits."""
    histories = histories_at(
        window.data,
        window.cases,
        contender.numbers,
        features=contender.features,
        length=HISTORY_LENGTH,
    )
    scores_for = ml.scores_of(contender.model.scorer, histories, contender.numbers)
    return ml.evaluate(scores_for, window.cases, window.setting)


def _record(
    version: Version,
    champion: Version | None,
    snapshot: Snapshot,
    window: Window,
    outcomes: Outcomes,
) -> Evaluation:
    judged = outcomes.challenger
    metrics = _summary(judged, window)
    finite = float(judged.is_finite)
    metrics["finite_scores"] = {"value": finite, "low": finite, "high": finite, "n": 0}
    baselines = {
        "random": _summary(outcomes.random, window),
        "popularity": _summary(outcomes.popularity, window),
    }
    if outcomes.champion:
        baselines["champion"] = _summary(outcomes.champion, window)
    return Evaluation.objects.create(
        catalog=snapshot.catalog,
        snapshot=snapshot,
        model_version_id=version.pk,
        window_from=snapshot.split_at,
        window_to=datetime.fromtimestamp(int(window.last), UTC),
        n_users=window.cases.n_users,
        n_events=sum(len(items) for items in window.cases.relevant),
        metrics=metrics,
        baselines=baselines,
        segments=_segments(judged, window),
        paired=_paired(outcomes, champion, snapshot),
        by_k=ml.mean_curves(judged),
        cold=outcomes.cold,
        created_at=clock.now(),
    )


def _summary(outcome: Outcome, window: Window) -> Figures:
    return _plain(ml.summarize(outcome, window.setting))


def _segments(outcome: Outcome, window: Window) -> dict[str, dict[str, Any]]:
    segments: dict[str, dict[str, Any]] = {}
    for name in ml.SEGMENTS:
        mask = window.cases.segment(name)
        figures = _plain(ml.summarize(outcome, window.setting, mask)) if mask.any() else {}
        segments[name] = {"n": int(mask.sum()), **figures}
    return segments


def _paired(
    outcomes: Outcomes, champion: Version | None, snapshot: Snapshot
) -> dict[str, dict[str, Any]]:
    """Return differences challenger − other: `metric` to the champion, `metric:popularity`.

    `leak` marks a champion that has seen events of the window it is judged on: it is flattered.
    """
    paired: dict[str, dict[str, Any]] = {}
    if champion is not None and outcomes.champion is not None:
        facts = {"against": champion.pk, "leak": champion.trained_to > snapshot.split_at}
        differences = ml.compare(outcomes.challenger, outcomes.champion, SEED)
        paired = {name: {**figures, **facts} for name, figures in _plain(differences).items()}
        paired["champion"] = facts
    against = _plain(ml.compare(outcomes.challenger, outcomes.popularity, SEED))
    paired |= {f"{name}:popularity": figures for name, figures in against.items()}
    return paired


def _plain(intervals: Mapping[str, Interval]) -> Figures:
    return {name: interval.as_dict() for name, interval in intervals.items()}
