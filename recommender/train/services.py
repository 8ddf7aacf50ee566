"""Ask for a run or a search, ask again, and stop one. Owning and writing a run is `train.lease`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from recommender import clock
from recommender.catalog.models import Catalog
from recommender.errors import BadData, Refused
from recommender.ml.recipes import RECIPES
from recommender.ml.search_space import SPACES
from recommender.train.adopted import adopted_settings, found_settings
from recommender.train.models import Search, TrainingRun

TRAININGS = (TrainingRun.Mode.FULL.value, TrainingRun.Mode.INCREMENTAL.value)
MOST_MINUTES = 120  # the report comes on top, and a job ends after three hours
MOST_TRIALS = 1_000


@dataclass(frozen=True)
class SearchWish:
    """What an operator may choose about a search."""

    minutes: int
    model: str | None = None  # None: the catalog's default model
    max_trials: int = MOST_TRIALS
    seed: int = 1


class Teacher(Protocol):
    """What is read of a `promote.models.ModelVersion`, which stands above this room."""

    model: str
    config: dict[str, Any]
    broken_reason: str


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
    seed: int = 1,
    teacher: Teacher | None = None,
) -> TrainingRun:
    """Queue a run of the catalog's default model, or of the named one.

    Args:
        config: the options to train with, and others at the model's defaults. None: those that the
            catalog has adopted, or, from the live version, those that it was trained with.
        teacher: a version whose lists the model learns to match as well as the events; unless
            `config` names a width, its vectors are half as wide as the teacher's.

    Raises: AlreadyActive naming the active run; BadData for an unknown model, mode or option, or
        a model that cannot be taught; Refused when mode is incremental and no live version of the
        same model exists, or the teacher's files are broken.
    """
    model = model or catalog.default_model
    base = catalog.versions.filter(state="live", model=model, broken_reason="").first()
    start = base if mode == TrainingRun.Mode.INCREMENTAL else None
    options = _usual(catalog, model, start) if config is None else dict(config)
    _check(model, mode, options)
    if teacher is not None:
        _check_teacher(model, mode, teacher)
        options |= _width(model, teacher, config or {})
    if mode == TrainingRun.Mode.INCREMENTAL and start is None:
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
        seed=options.pop("seed", seed),
        trigger=trigger,
        requested_by=requested_by,
        base_version=start,
        teacher=cast("Any", teacher),  # the row of a room above
        created_at=clock.now(),
    )
    return _queue(run)


def request_search(
    *, catalog: Catalog, wish: SearchWish, trigger: str = "operator", requested_by: str = ""
) -> TrainingRun:
    """Queue a search for better settings of a model.

    Raises: AlreadyActive naming the active run, be it a training or a search; BadData for an
        unknown model, one with nothing to search, or a wish out of bounds.
    """
    model = wish.model or catalog.default_model
    _check(model, TrainingRun.Mode.FULL, {})
    if not SPACES.get(model):
        able = [name for name, space in SPACES.items() if space]
        raise BadData(
            _("%(model)s has no settings to search; these have: %(able)s.")
            % {"model": model, "able": ", ".join(sorted(able))}
        )
    _check_bounds("minutes", wish.minutes, MOST_MINUTES)
    _check_bounds("max_trials", wish.max_trials, MOST_TRIALS)
    run = TrainingRun(
        catalog=catalog,
        model=model,
        mode=TrainingRun.Mode.SEARCH,
        seed=wish.seed,
        trigger=trigger,
        requested_by=requested_by,
        created_at=clock.now(),
    )
    with transaction.atomic():
        _queue(run)
        Search.objects.create(run=run, budget_s=60 * wish.minutes, max_trials=wish.max_trials)
    return run


def train_found(*, run: TrainingRun, requested_by: str = "") -> TrainingRun:
    """Queue a training from scratch with the settings that a search found.

    Raises: Refused when the run is no finished search; AlreadyActive.
    """
    settings = found_settings(run)
    return request_run(
        catalog=run.catalog,
        model=run.model,
        trigger="search",
        requested_by=requested_by,
        config=settings,
        seed=run.seed,
    )


def retry_run(*, run: TrainingRun, requested_by: str = "") -> TrainingRun:
    """Queue a new run with the parameters of a finished one. Raises: AlreadyActive, Refused."""
    if run.state in TrainingRun.ACTIVE:
        raise AlreadyActive(run.pk)
    if run.mode == TrainingRun.Mode.SEARCH:
        wish = SearchWish(
            minutes=run.search.budget_s // 60,
            model=run.model,
            max_trials=run.search.max_trials,
            seed=run.seed,
        )
        return request_search(
            catalog=run.catalog, wish=wish, trigger="retry", requested_by=requested_by
        )
    return request_run(
        catalog=run.catalog,
        model=run.model,
        mode=run.mode,
        trigger="retry",
        requested_by=requested_by,
        config=run.config,
        seed=run.seed,
        teacher=run.teacher,
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


def _usual(catalog: Catalog, model: str, base: Any) -> dict[str, Any]:
    if base is None:
        return adopted_settings(catalog, model)
    made_by = catalog.runs.filter(model_version=base).first()
    return dict(made_by.config) if made_by else {}


def _check(model: str, mode: str, options: dict[str, Any]) -> None:
    if model not in RECIPES:
        raise BadData(_unexpected("model", model, RECIPES))
    if mode not in TRAININGS:
        raise BadData(_unexpected("mode", mode, TRAININGS))
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


def _check_teacher(model: str, mode: str, teacher: Teacher) -> None:
    able = sorted(name for name, recipe in RECIPES.items() if recipe.is_teachable)
    if model not in able:
        raise BadData(
            _("%(model)s cannot learn from a teacher; these can: %(able)s.")
            % {"model": model, "able": ", ".join(able)}
        )
    if mode != TrainingRun.Mode.FULL:
        raise BadData(
            _("A teacher needs mode full; %(mode)s goes on from weights.") % {"mode": mode}
        )
    if teacher.broken_reason:
        raise Refused(
            _("%(teacher)s cannot teach: %(fault)s.")
            % {"teacher": teacher, "fault": teacher.broken_reason}
        )


def _width(model: str, teacher: Teacher, wanted: Mapping[str, Any]) -> dict[str, int]:
    """Return the student's width where nobody wants another and the teacher has one."""
    recipe = RECIPES.get(teacher.model)
    width = {**(recipe.defaults if recipe else {}), **teacher.config}.get("embedding_size")
    if not width or "embedding_size" in wanted:
        return {}
    return {"embedding_size": RECIPES[model].width_under(int(width))}


def _check_bounds(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise BadData(
            _("%(name)s is %(value)d; expected a whole number from 1 to %(most)d.")
            % {"name": name, "value": value, "most": most}
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
