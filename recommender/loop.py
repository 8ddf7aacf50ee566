"""The whole loop in one function: start here.

collect → **prepare → train → evaluate → promote** → serve → collect. The events that people leave
are frozen, a model learns from them, is judged on what came later, and goes live if it is better.
Serving writes down what it showed, and the next round learns from that. A search for settings
(`search_settings`) walks beside the loop: it ends in a report, and a person decides.
"""

from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from recommender import clock
from recommender.errors import NotReady
from recommender.evaluate.contender import enter
from recommender.evaluate.models import Evaluation
from recommender.evaluate.services import measure
from recommender.evaluate.third import Contest, judge_on_third_window
from recommender.ml.artifact import Manifest
from recommender.ml.teaching import Teacher
from recommender.prepare.models import Snapshot
from recommender.prepare.services import OpenSnapshot, freeze, open_snapshot
from recommender.promote.models import ModelVersion, Promotion
from recommender.promote.services import consider, live_version, register
from recommender.promote.shelf import catalog_folder
from recommender.train.failpoints import hit
from recommender.train.fit import cpu_s, fit
from recommender.train.lease import Heart, add_log, advance, finish, holding, write
from recommender.train.models import Search, TrainingRun, Trial
from recommender.train.search import refit, search

State = TrainingRun.State


def close_loop(run: TrainingRun, heart: Heart) -> TrainingRun:
    """Take a claimed run through every step; each ends in a row, and is skipped if that exists.

    So a run that was killed anywhere goes on with the next step when it is claimed again.
    """
    snapshot = run.snapshot or _freeze(run, heart)
    version = run.model_version or _register(run, heart, *_fit(run, heart, snapshot))
    promotion = version.promotions.filter(actor="gate").first()
    if promotion is None:
        evaluation = _measure(run, heart, version)
        promotion = _consider(run, heart, version, evaluation)
    return _finish(heart, promotion)


def search_settings(run: TrainingRun, heart: Heart) -> TrainingRun:
    """Take a claimed search to its report; its trials are rows, so a killed one goes on."""
    snapshot = run.snapshot or _freeze(run, heart)
    opened = open_snapshot(snapshot)
    best = search(run=run, opened=opened, heart=heart)
    advance(lease=heart.lease, state=State.EVALUATING, progress=0.85)
    report = _report(run, heart, opened, best)
    with holding(heart.lease):
        Search.objects.filter(run=run).update(report=report)
        done = finish(lease=heart.lease, state=State.DONE)
    hit("search.reported")
    return done


def _report(run: TrainingRun, heart: Heart, opened: OpenSnapshot, best: Trial) -> dict[str, Any]:
    """Train with the defaults and with what was found, and judge both on the third window."""
    first = run.search.trials.in_order()[0]
    defaults = refit(run=run, opened=opened, trial=first, heart=heart)
    found = None
    if best != first:
        advance(lease=heart.lease, state=State.EVALUATING, progress=0.92)
        found = refit(run=run, opened=opened, trial=best, heart=heart)
    contest = Contest(defaults.scorer(), found.scorer() if found else None)
    judged = judge_on_third_window(opened=opened, catalog=run.catalog, contest=contest)
    hit("search.judged")
    heart.check()
    return {"trial": best.number, "settings": best.settings, **judged}


def _freeze(run: TrainingRun, heart: Heart) -> Snapshot:
    hit("freeze.before")
    run.snapshot = freeze(catalog=run.catalog, until=clock.now())
    hit("freeze.done")
    write(lease=heart.lease, snapshot=run.snapshot)
    hit("freeze.noted")
    events, people = run.snapshot.n_events, run.snapshot.n_users
    add_log(lease=heart.lease, line=f"Froze {events} events of {people} users.")
    return run.snapshot


def _fit(run: TrainingRun, heart: Heart, snapshot: Snapshot) -> tuple[Path, Manifest, float]:
    # The fence keeps two tries of one run out of each other's folder; the number is what the
    # version will most likely get, for the eye only.
    number = run.catalog.versions.count() + 1
    name = f"v{number}-run{run.pk}-{heart.lease.fence}"
    folder = catalog_folder(run.catalog) / name
    began = cpu_s()
    teacher = _teacher(run, snapshot)
    manifest = fit(run=run, snapshot=snapshot, heart=heart, folder=folder, teacher=teacher)
    return folder, manifest, cpu_s() - began


def _teacher(run: TrainingRun, snapshot: Snapshot) -> Teacher | None:
    """Open the version that the run learns from; as it serves, be that a smaller variant."""
    if run.teacher is None:
        return None
    opened = open_snapshot(snapshot)
    if run.teacher.trained_to.timestamp() > opened.split_at:
        raise NotReady(
            _("%(teacher)s has seen events of the later window; it would give the test away.")
            % {"teacher": run.teacher}
        )
    found = enter(run.teacher, opened)
    return Teacher(found.model.scorer, found.numbers, found.features)


def _register(
    run: TrainingRun, heart: Heart, folder: Path, manifest: Manifest, train_cpu_s: float
) -> ModelVersion:
    with holding(heart.lease):
        version = register(run=run, folder=folder, manifest=manifest, train_cpu_s=train_cpu_s)
        write(lease=heart.lease, model_version=version)
        hit("register.noted")
    hit("register.committed")
    run.model_version = version
    add_log(lease=heart.lease, line=f"Registered {version} ({version.size_bytes:,} bytes).")
    return version


def _measure(run: TrainingRun, heart: Heart, version: ModelVersion) -> Evaluation:
    advance(lease=heart.lease, state=State.EVALUATING, progress=0.85)
    hit("measure.before")
    evaluation = measure(
        version=version, champion=live_version(run.catalog), snapshot=version.snapshot
    )
    hit("measure.done")
    write(lease=heart.lease, metrics=evaluation.metrics)
    heart.check()
    return evaluation


def _consider(
    run: TrainingRun, heart: Heart, version: ModelVersion, evaluation: Evaluation
) -> Promotion:
    advance(lease=heart.lease, state=State.GATE, progress=0.95)
    return consider(version=version, evaluation=evaluation, run=run, lease=heart.lease)


def _finish(heart: Heart, promotion: Promotion) -> TrainingRun:
    is_live = promotion.action == Promotion.Action.PROMOTE
    hit("finish.before")
    run = finish(
        lease=heart.lease,
        state=State.READY if is_live else State.REJECTED,
        verdict=promotion.evidence["verdict"],
    )
    hit("finish.done")
    return run
