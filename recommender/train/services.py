"""Ask for a run, ask again, and stop one. Owning and writing a run is `train.lease`."""

from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from recommender import clock
from recommender.catalog.models import Catalog
from recommender.errors import BadData, Refused
from recommender.ml.recipes import RECIPES
from recommender.train.models import TrainingRun


class AlreadyActive(Refused):
    """Another run of the catalog is queued or at work; `run_id` names it."""

    def __init__(self, run_id: int) -> None:
        """Name the active run."""
        super().__init__(
            _(
                "Run %(run)d is already queued or at work for this catalog; "
                "watch it, or stop it before you start another."
            )
            % {"run": run_id}
        )
        self.run_id = run_id


def request_run(  # noqa: PLR0913 - what an operator may choose, as the API names it
    *,
    catalog: Catalog,
    model: str | None = None,
    mode: str = "full",
    trigger: str = "operator",
    requested_by: str = "",
    config: dict[str, Any] | None = None,
) -> TrainingRun:
    """Queue a run of the catalog's default model, or of the named one.

    Raises: AlreadyActive naming the active run; BadData for an unknown model, mode or option;
        Refused when mode is incremental and no live version of the same model exists.
    """
    model = model or catalog.default_model
    options = dict(config or {})
    _check(model, mode, options)
    base = catalog.versions.filter(state="live", model=model, broken_reason="").first()
    if mode == TrainingRun.Mode.INCREMENTAL and base is None:
        raise Refused(
            _(
                "mode is incremental, but no live version of %(model)s exists to start from; "
                "ask for mode full."
            )
            % {"model": model}
        )
    run = TrainingRun(
        catalog=catalog,
        model=model,
        config=options,
        mode=mode,
        seed=options.pop("seed", 1),
        trigger=trigger,
        requested_by=requested_by,
        base_version=base if mode == TrainingRun.Mode.INCREMENTAL else None,
        created_at=clock.now(),
    )
    return _queue(run)


def retry_run(*, run: TrainingRun, requested_by: str = "") -> TrainingRun:
    """Queue a new run with the parameters of a finished one. Raises: AlreadyActive, Refused."""
    if run.state in TrainingRun.ACTIVE:
        raise AlreadyActive(run.pk)
    return request_run(
        catalog=run.catalog,
        model=run.model,
        mode=run.mode,
        trigger="retry",
        requested_by=requested_by,
        config={**run.config, "seed": run.seed},
    )


def cancel_run(*, run: TrainingRun) -> TrainingRun:
    """Stop a run: at once when queued, within three seconds at work. Raises: Refused when over."""
    with transaction.atomic():
        waiting = TrainingRun.objects.filter(
            pk=run.pk, state__in=[TrainingRun.State.QUEUED, TrainingRun.State.LOST]
        ).update(state=TrainingRun.State.CANCELLED, cancel_requested=True, finished_at=clock.now())
        working = TrainingRun.objects.filter(pk=run.pk, state__in=TrainingRun.WORKING).update(
            cancel_requested=True
        )
        run.refresh_from_db()
    if not waiting and not working:
        raise Refused(
            _("Run %(run)d is %(state)s already; there is nothing to stop.")
            % {"run": run.pk, "state": run.state}
        )
    return run


def _check(model: str, mode: str, options: dict[str, Any]) -> None:
    if model not in RECIPES:
        raise BadData(_unexpected("model", model, RECIPES))
    if mode not in TrainingRun.Mode.values:
        raise BadData(_unexpected("mode", mode, TrainingRun.Mode.values))
    known: dict[str, Any] = {"seed": 1, **RECIPES[model].defaults}
    for name, value in options.items():
        if name not in known:
            raise BadData(
                _("%(model)s has no option %(option)r; it has %(known)s.")
                % {"model": model, "option": name, "known": ", ".join(sorted(known))}
            )
        if not _is_like(value, known[name]):
            raise BadData(
                _("option %(option)s is %(value)r; expected something like %(default)r.")
                % {"option": name, "value": value, "default": known[name]}
            )


def _unexpected(name: str, value: str, known: Iterable[str]) -> str:
    return _("%(name)s is %(value)r; expected one of %(known)s.") % {
        "name": name,
        "value": value,
        "known": ", ".join(sorted(known)),
    }


def _is_like(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    return isinstance(value, int | float if isinstance(default, float) else type(default))


def _queue(run: TrainingRun) -> TrainingRun:
    """Insert the run; the constraint is the referee when many ask at once."""
    try:
        with transaction.atomic():
            run.save(force_insert=True)
    except IntegrityError:
        active = TrainingRun.objects.filter(catalog=run.catalog).active().first()
        if active is None:  # it ended between the insert and the look
            return _queue(run)
        raise AlreadyActive(active.pk) from None
    return run
