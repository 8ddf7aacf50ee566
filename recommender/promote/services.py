"""Register versions, decide which one is live, and undo it. One transaction per switch."""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from recommender import clock
from recommender.catalog.models import Catalog
from recommender.errors import NotReady, Refused
from recommender.evaluate.models import Evaluation
from recommender.ml.artifact import Manifest
from recommender.ml.recipes import RECIPES
from recommender.promote import words
from recommender.promote.evidence import collect, fault_of
from recommender.promote.gates import decide
from recommender.promote.models import ModelVersion, Promotion
from recommender.train.failpoints import hit
from recommender.train.lease import Lease, holding
from recommender.train.models import TrainingRun

GATE = "gate"  # the actor of decisions that no person took
REVERSIBLE_FOR = timedelta(days=30)
State, Action = ModelVersion.State, Promotion.Action


def register(
    *, run: TrainingRun, folder: Path, manifest: Manifest, train_cpu_s: float = 0.0
) -> ModelVersion:
    """Write the version row of a finished artifact, with the catalog's next number.

    Args:
        train_cpu_s: CPU seconds from the open snapshot to the written artifact; 0 = not measured.
    Raises: Refused when the number was taken at the same moment; the caller's transaction decides.
    """
    if run.snapshot is None:
        raise NotReady(
            _("Run %(run)d has no snapshot; freeze one before registering its version.")
            % {"run": run.pk}
        )
    hit("register.before")
    highest = run.catalog.versions.aggregate(highest=Max("number"))["highest"] or 0
    hit("register.numbered")
    version = ModelVersion(
        catalog=run.catalog,
        number=highest + 1,
        model=manifest.model,
        strategy=RECIPES[manifest.model].strategy,
        snapshot=run.snapshot,
        path=str(folder),
        manifest_sha256=manifest.sha256,
        size_bytes=manifest.n_bytes,
        config=manifest.config,
        trained_to=datetime.fromtimestamp(manifest.trained_to, UTC),
        train_cpu_s=train_cpu_s,
        created_at=clock.now(),
    )
    try:
        with transaction.atomic():
            version.save(force_insert=True)
    except IntegrityError:
        raise Refused(
            _("Version %(number)d was registered just now; try again.") % {"number": highest + 1}
        ) from None
    hit("register.inserted")
    return version


def consider(
    *,
    version: ModelVersion,
    evaluation: Evaluation,
    run: TrainingRun | None = None,
    lease: Lease | None = None,
) -> Promotion:
    """Let the gate decide: the version goes live, or is kept back with the reasons in words.

    With a lease the decision counts only while the run is still owned. Raises: LeaseLost then.
    """
    hit("gate.before")
    champion = live_version(version.catalog)
    evidence = collect(version=version, champion=champion, evaluation=evaluation)
    hit("gate.evidence")
    verdict = decide(evidence)
    hit("gate.decided")
    about = {
        "verdict": verdict.as_json(),
        "evaluation": evaluation.pk,
        "run": run.pk if run else None,
    }
    action = Action.PROMOTE if verdict.is_better else Action.REFUSE
    decision = _decision(version, action, GATE, verdict.sentence, about)
    # Only now: looking at the artifact takes seconds, and SQLite has one writer at a time.
    with holding(lease) if lease else nullcontext():
        if evidence.artifact_fault:
            _mark_broken(version, evidence.artifact_fault)
        if verdict.is_better:
            return _switch(version, champion, decision)
        decision.previous = champion
        decision.save(force_insert=True)
    return decision


def promote(*, version: ModelVersion, actor: str, reason: str, force: bool = False) -> Promotion:
    """Make a version live and retire the one before, in one transaction.

    Raises: Refused when it is live already, its artifact is broken, somebody else switched at the
        same moment, or the gate kept it back and `force` is not given.
    """
    version.refresh_from_db()
    if version.state == State.LIVE:
        raise Refused(_("%(version)s is live already.") % {"version": version})
    if version.state == State.REJECTED and not force:
        raise Refused(
            _("%(version)s was discarded; pass force to make it live all the same.")
            % {"version": version}
        )
    refusal = last_refusal(version)
    if refusal is not None and not force:
        raise Refused(
            _("The gate did not let %(version)s go live. %(reason)s Pass force to overrule it.")
            % {"version": version, "reason": words.reason_of(refusal)}
        )
    _require_whole(version)
    about = {"forced": force and refusal is not None}
    decision = _decision(version, Action.PROMOTE, actor, reason, about)
    return _switch(version, live_version(version.catalog), decision)


def roll_back(
    *, catalog: Catalog, actor: str, reason: str, to: ModelVersion | None = None
) -> Promotion:
    """Make the version before the live one live again, skipping broken ones; or the named one.

    Raises: Refused when nothing is left to go back to, or the named version cannot serve.
    """
    live = live_version(catalog)
    if to is not None:
        to.refresh_from_db()
        if to.catalog_id != catalog.pk or to.state != State.RETIRED:
            raise Refused(
                _("%(version)s is not an earlier version of %(catalog)s; name one that was live.")
                % {"version": to, "catalog": catalog}
            )
        _require_whole(to)
    target = to or _last_whole(catalog, live)
    if target is None:
        raise Refused(
            _("%(catalog)s has no earlier version that can serve; train one first.")
            % {"catalog": catalog}
        )
    return _switch(target, live, _decision(target, Action.ROLL_BACK, actor, reason, {}))


def discard(*, version: ModelVersion, actor: str, reason: str) -> Promotion:
    """Set a candidate aside for good. Raises: Refused when it is live or was set aside before."""
    with transaction.atomic():
        discarded = ModelVersion.objects.filter(
            pk=version.pk, state__in=[State.CANDIDATE, State.SHADOW, State.RETIRED]
        ).update(state=State.REJECTED, retired_at=clock.now())
        version.refresh_from_db()
        if not discarded:
            raise Refused(
                _("%(version)s is %(state)s; it cannot be discarded.")
                % {"version": version, "state": version.state}
            )
        decision = _decision(version, Action.DISCARD, actor, reason, {})
        decision.save(force_insert=True)
    return decision


def live_version(catalog: Catalog) -> ModelVersion | None:
    """Return what serves the catalog. One query."""
    return ModelVersion.objects.live().filter(catalog=catalog).first()


def last_refusal(version: ModelVersion) -> Promotion | None:
    """Return the gate's refusal of a version, unless it went live since. One query."""
    other = [Action.DISCARD, Action.VARIANT]  # neither asks the gate nor answers it
    last = version.promotions.exclude(action__in=other).order_by("-id").first()
    return last if last is not None and last.action == Action.REFUSE else None


def _switch(version: ModelVersion, live: ModelVersion | None, decision: Promotion) -> Promotion:
    """Retire the live version, raise the new one, write the decision: all or nothing."""
    moment = clock.now()
    hit("promote.before")
    try:
        with transaction.atomic():
            if live is not None:
                _move(live, State.LIVE, State.RETIRED, retired_at=moment)
            hit("promote.retired")
            _move(version, version.state, State.LIVE, live_since=moment, retired_at=None)
            hit("promote.switched")
            decision.previous = live
            decision.reversible_until = moment + REVERSIBLE_FOR if live else None
            decision.save(force_insert=True)
            hit("promote.logged")
    except IntegrityError:  # another version went live between the look and the switch
        raise Refused(_raced(version)) from None
    hit("promote.committed")
    version.refresh_from_db()
    return decision


def _move(version: ModelVersion, state: str, to: str, **fields: Any) -> None:
    """Change a version's state if it is still what was seen. Raises: Refused."""
    here = ModelVersion.objects.filter(pk=version.pk, state=state)
    if not here.update(state=to, **fields):
        raise Refused(_raced(version))


def _raced(version: ModelVersion) -> str:
    return _("Somebody else switched versions before %(version)s could; look and try again.") % {
        "version": version
    }


def _decision(
    version: ModelVersion, action: str, actor: str, reason: str, about: dict[str, Any]
) -> Promotion:
    return Promotion(
        catalog=version.catalog,
        action=action,
        version=version,
        actor=actor,
        reason=reason,
        evidence=about,
        created_at=clock.now(),
    )


def _require_whole(version: ModelVersion) -> None:
    """Check the artifact now, not at the first request that needs it. Raises: Refused."""
    fault = version.broken_reason or fault_of(version)
    if fault:
        _mark_broken(version, fault)
        raise Refused(
            _("The artifact of %(version)s is broken: %(fault)s. The live version stays.")
            % {"version": version, "fault": fault}
        )


def _mark_broken(version: ModelVersion, fault: str) -> None:
    version.broken_reason = fault
    ModelVersion.objects.filter(pk=version.pk).update(broken_reason=fault)


def _last_whole(catalog: Catalog, live: ModelVersion | None) -> ModelVersion | None:
    """Return the version before the live one that still can serve; marks broken ones on the way."""
    for version in _line_of(catalog, live):
        if version.broken_reason or version.state != State.RETIRED:
            continue
        fault = fault_of(version)
        if not fault:
            return version
        _mark_broken(version, fault)
    return None


def _line_of(catalog: Catalog, live: ModelVersion | None) -> Iterator[ModelVersion]:
    """Walk back from promotion to promotion, so that a second rollback does not undo the first."""
    if live is None or not live.promotions.filter(action=Action.PROMOTE).exists():
        yield from catalog.versions.filter(state=State.RETIRED).order_by("-retired_at", "-id")
        return
    seen, version = {live.pk}, live
    while (
        decision := version.promotions.filter(action=Action.PROMOTE).order_by("-id").first()
    ) and (before := decision.previous):
        if before.pk in seen:
            return
        seen.add(before.pk)
        yield before
        version = before
