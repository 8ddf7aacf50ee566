"""The settings that a catalog trains a model with when nobody names others, and who chose them."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from recommender import clock
from recommender.catalog.models import Catalog
from recommender.errors import Refused
from recommender.train.models import SettingsChange, TrainingRun


def adopted_settings(catalog: Catalog, model: str) -> dict[str, Any]:
    """Return what differs from the model's defaults by decision; `{}` = nothing. One query."""
    newest = last_change(catalog, model)
    return dict(newest.after) if newest else {}


def last_change(catalog: Catalog, model: str) -> SettingsChange | None:
    """Find the change that holds now. One query."""
    return catalog.settings_changes.filter(model=model).order_by("-pk").first()


def found_settings(run: TrainingRun) -> dict[str, Any]:
    """Return what a finished search found.

    Raises: Refused when the run is no finished search.
    """
    is_whole = run.mode == TrainingRun.Mode.SEARCH and run.state == TrainingRun.State.DONE
    report = run.search.report if is_whole else None
    if report is None:
        raise Refused(
            _("Run %(run)d is no finished search; there are no settings to train with yet.")
            % {"run": run.pk}
        )
    return dict(report["settings"])


def adopt(*, run: TrainingRun, actor: str, reason: str = "") -> SettingsChange:
    """Make what a search found the catalog's settings: its next full trainings use them.

    Raises: Refused when the run is no finished search, or they are the catalog's already.
    """
    settings = found_settings(run)
    change = SettingsChange(catalog=run.catalog, model=run.model, after=settings, search_run=run)
    return _write(change, actor=actor, reason=reason)


def undo(*, catalog: Catalog, model: str, actor: str, reason: str = "") -> SettingsChange:
    """Go back to the settings before the newest change; undoing that brings them back.

    Raises: Refused when nothing was ever changed.
    """
    newest = last_change(catalog, model)
    if newest is None:
        raise Refused(
            _("%(model)s trains with its defaults here; there is nothing to undo.")
            % {"model": model}
        )
    change = SettingsChange(catalog=catalog, model=model, after=newest.before, undoes=newest)
    return _write(change, actor=actor, reason=reason)


def _write(change: SettingsChange, *, actor: str, reason: str) -> SettingsChange:
    with transaction.atomic():
        Catalog.objects.select_for_update().get(pk=change.catalog_id)  # one change at a time
        newest = last_change(change.catalog, change.model)
        if change.undoes and newest != change.undoes:
            raise Refused(
                _("Somebody else changed the settings of %(model)s at the same moment; look again.")
                % {"model": change.model}
            )
        change.before = dict(newest.after) if newest else {}
        if change.before == change.after and not change.undoes:
            raise Refused(
                _("These are the settings of %(model)s in this catalog already.")
                % {"model": change.model}
            )
        change.actor, change.reason, change.created_at = actor, reason, clock.now()
        change.save(force_insert=True)
    return change
