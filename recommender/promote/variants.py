"""Let an operator choose which form of a version serves: the original, or a smaller one.

Making and measuring the forms is `promote.compressing`, which needs the tools of training.
"""

from django.db import transaction
from django.utils.translation import gettext as _

from recommender import clock
from recommender.collect.models import UserState
from recommender.errors import Missing, Refused
from recommender.promote.evidence import fault_of
from recommender.promote.models import ModelVersion, Promotion, Variant

TASK = "recommender.measure_variants"


def require_original(version: ModelVersion) -> None:
    """Refuse to measure a version whose files are broken or were removed. Raises: Refused."""
    if version.broken_reason and not version.variant:
        raise Refused(
            _("The artifact of %(version)s cannot be read: %(fault)s.")
            % {"version": version, "fault": version.broken_reason}
        )


def job_key(version: ModelVersion) -> str:
    """Return what marks the version's open job: one at a time."""
    return f"variants:{version.pk}"


def serve(*, version: ModelVersion, name: str, actor: str, reason: str) -> Promotion:
    """Make the named variant, or `original`, what the version serves; logged, and undone alike.

    Processes load it at their next request, as they do a promoted version. Stored lists of the
    version are computed anew, since the variant may order them otherwise.

    Raises: Missing for a name that was not measured; Refused when it serves already, is damaged,
        or somebody else switched at the same moment.
    """
    version.refresh_from_db()
    variant = version.variants.filter(name=name).first()
    if variant is None:
        raise Missing(
            _("%(version)s has no variant %(name)r; measure its variants first.")
            % {"version": version, "name": name[:60]}
        )
    before = version.variant or Variant.ORIGINAL
    if before == name:
        raise Refused(
            _("%(name)s is what %(version)s serves already.") % {"name": name, "version": version}
        )
    _require_whole(variant)
    seen = version.manifest_sha256
    with transaction.atomic():
        switched = ModelVersion.objects.filter(pk=version.pk, manifest_sha256=seen).update(
            variant="" if name == Variant.ORIGINAL else name,
            path=variant.path,
            manifest_sha256=variant.manifest_sha256,
            size_bytes=variant.size_bytes,
            broken_reason="",  # what was broken no longer serves; the variant was just read
        )
        if not switched:
            raise Refused(
                _("Somebody else switched %(version)s at the same moment; look and try again.")
                % {"version": version}
            )
        UserState.objects.filter(catalog=version.catalog_id, list_version=version.pk).update(
            list_version=None
        )
        decision = Promotion.objects.create(
            catalog=version.catalog,
            action=Promotion.Action.VARIANT,
            version=version,
            actor=actor,
            reason=reason,
            evidence={"variant": name, "before": before, "figures": variant.figures},
            created_at=clock.now(),
        )
    version.refresh_from_db()
    return decision


def _require_whole(variant: Variant) -> None:
    """Check the files now, not at the first request. Raises: Refused."""
    fault = variant.error or fault_of(variant)
    if not fault:
        return
    Variant.objects.filter(pk=variant.pk).update(state=Variant.State.FAILED, error=fault)
    raise Refused(
        _("The variant %(name)s cannot serve: %(fault)s. Measure the variants again.")
        % {"name": variant.name, "fault": fault}
    )
