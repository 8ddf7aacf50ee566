"""Keep the folder of artifacts in order: a few versions to go back to, nothing that nobody owns."""

import shutil
import time
from pathlib import Path

import structlog
from django.conf import settings

from recommender.catalog.models import Catalog
from recommender.promote.models import ModelVersion, Variant

log = structlog.get_logger(__name__)

KEEP = 5  # retired versions, and as many candidates, besides the live one
ORPHAN_AFTER_S = 3_600
REMOVED = "its files were removed: only the newest {keep} are kept"
State = ModelVersion.State


def catalog_folder(catalog: Catalog) -> Path:
    """Return the folder that holds a catalog's artifacts."""
    return Path(settings.ARTIFACTS_DIR) / catalog.slug


def remove_old(*, catalog: Catalog, keep: int = KEEP) -> list[ModelVersion]:
    """Delete the files of versions beyond the newest `keep` retired and `keep` others."""
    whole = ModelVersion.objects.filter(catalog=catalog, broken_reason="").order_by("-id")
    retired = whole.filter(state=State.RETIRED).order_by("-retired_at", "-id")
    others = whole.filter(state__in=[State.CANDIDATE, State.REJECTED])
    old = [*retired[keep:], *others[keep:]]
    for version in old:
        version.broken_reason = REMOVED.format(keep=keep)
        # The row first: a crash in between leaves an orphan folder, not a row without files. A
        # version that went live meanwhile is not touched.
        if ModelVersion.objects.filter(pk=version.pk, state=version.state).update(
            broken_reason=version.broken_reason
        ):
            for folder in {version.path, *version.variants.values_list("path", flat=True)} - {""}:
                shutil.rmtree(folder, ignore_errors=True)
            version.variants.all().delete()
    return old


def remove_orphans(*, now: float | None = None) -> list[Path]:
    """Delete artifact folders that no version owns and nobody touched for an hour."""
    root = Path(settings.ARTIFACTS_DIR)
    owned = set(ModelVersion.objects.filter(broken_reason="").values_list("path", flat=True))
    owned |= set(Variant.objects.values_list("path", flat=True))
    limit = (time.time() if now is None else now) - ORPHAN_AFTER_S
    removed = []
    for folder in root.glob("*/*") if root.exists() else []:
        if str(folder) in owned or not folder.is_dir() or folder.stat().st_mtime > limit:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        log.info("orphan_removed", folder=str(folder))
        removed.append(folder)
    return removed
