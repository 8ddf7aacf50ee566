"""Loaded models of this process, by version; for a broken artifact the last good one serves."""

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import DatabaseError, transaction
from numpy.typing import NDArray

from recommender.catalog.models import Catalog
from recommender.ml.artifact import ArtifactError, LoadedModel, load_model
from recommender.ml.features import FeatureSpec
from recommender.ml.manifest import VARIANT
from recommender.promote.models import ModelVersion, Promotion
from recommender.serve.items import ItemTable
from recommender.serve.policy import POLICY

log = logging.getLogger(__name__)

KEPT = 3  # the live version, the one before it, and one that somebody inspects
RETRY_S = 30.0  # how long a failed load is remembered
LOOKED_BACK = 5  # versions tried when the live one is broken


@dataclass(frozen=True)
class VersionKey:
    """Name a version so that no other artifact can pass for it."""

    pk: int
    number: int
    sha256: str


@dataclass(frozen=True)
class Served:
    """A loaded version, with what serving derives from it once."""

    key: VersionKey
    strategy: str
    recipe: str
    trained_to: datetime
    model: LoadedModel

    @property
    def label(self) -> str:
        """Return the name that answers carry."""
        return f"v{self.key.number}"

    @property
    def variant(self) -> str:
        """Name the compressed form that was loaded; empty for the original."""
        return str(self.model.manifest.extra.get(VARIANT, {}).get("name", ""))

    @cached_property
    def popularity_z(self) -> NDArray[np.float32]:
        """Return (M+1,) standardized log popularity; item 0 is −inf.

        The logarithm keeps a handful of hits from outweighing everything a person did.
        """
        levels = np.log1p(np.maximum(self.model.popularity, 0.0)).astype(np.float64)
        known = levels[1:]
        spread = float(known.std()) if known.size else 0.0
        z = (levels - (known.mean() if known.size else 0.0)) / (spread or 1.0)
        z[0] = -np.inf
        return z.astype(np.float32)

    @cached_property
    def popular_numbers(self) -> NDArray[np.int64]:
        """Return item numbers, most popular first; equal ones by number."""
        order = np.argsort(-self.model.popularity[1:], kind="stable") + 1
        return np.asarray(order, np.int64)

    @cached_property
    def explore_below(self) -> float:
        """Return the popularity up to which an item counts as little known."""
        known = np.asarray(self.model.popularity)[1:]
        return float(np.quantile(known, POLICY.explore_share)) if known.size else 0.0

    @cached_property
    def feature_spec(self) -> FeatureSpec | None:
        """Return how this version computes a person's features; None when it reads none."""
        plain = self.model.manifest.extra.get("feature_spec")
        if not plain or not self.model.user_feature_names:
            return None
        return FeatureSpec.from_dict(plain)

    def rows(self, table: ItemTable) -> NDArray[np.int64]:
        """Return (M+1,) the table's row of each item number, −1 where gone. Kept per table."""
        kept = self.__dict__.get("_rows")
        if kept is None or kept[0] is not table:
            rows = table.rows(np.asarray(self.model.item_ids))
            rows[0] = -1
            kept = self.__dict__["_rows"] = (table, rows)
        found: NDArray[np.int64] = kept[1]
        return found


_loaded: OrderedDict[VersionKey, Served] = OrderedDict()
_failed: dict[VersionKey, tuple[float, str]] = {}
_stand_ins: dict[VersionKey, tuple[float, Served | None]] = {}
_last_live: dict[tuple[int, str], Served | None] = {}
_lock = threading.RLock()


def live(
    catalog: Catalog, key: VersionKey | None, *, is_broken: bool
) -> tuple[Served | None, bool]:
    """Return what serves for the live version, and whether that is a stand-in.

    Costs no query once the version is loaded. None when nothing can be loaded.
    """
    if key is None:
        return None, False
    served = None if is_broken else load(key)
    is_stand_in = served is None
    served = served or _stand_in(catalog, key)
    _last_live[(catalog.pk, catalog.slug)] = served
    return served, is_stand_in


def last_live(catalog: Catalog) -> Served | None:
    """Return what served last in this process, for when the database is out of reach."""
    return _last_live.get((catalog.pk, catalog.slug))


def load(key: VersionKey) -> Served | None:
    """Return a version, loading it on first use; None when its artifact is refused."""
    served = _loaded.get(key)
    if served is not None:
        return served
    with _lock:
        if key in _loaded:
            return _loaded[key]
        if key in _failed and time.monotonic() - _failed[key][0] < RETRY_S:
            return None
        served = _read(key)
        if served is not None:
            _loaded[served.key] = served  # of what was read: the row may have moved on meanwhile
            while len(_loaded) > KEPT:
                _loaded.popitem(last=False)
        return served


def load_version(version: ModelVersion) -> Served | None:
    """Return the loaded form of a row."""
    return load(key_of(version))


def key_of(version: ModelVersion) -> VersionKey:
    """Return the key of a row."""
    return VersionKey(version.pk, version.number, version.manifest_sha256)


def reason_of_failure(key: VersionKey) -> str:
    """Say why a version could not be loaded, empty when nothing is known."""
    return _failed[key][1] if key in _failed else ""


def forget() -> None:
    """Drop everything that this process has loaded."""
    with _lock:
        _loaded.clear()
        _failed.clear()
        _stand_ins.clear()
        _last_live.clear()


def _read(key: VersionKey) -> Served | None:
    version = ModelVersion.objects.filter(pk=key.pk).first()
    if version is None:
        return None
    try:
        folder = Path(settings.ARTIFACTS_DIR) / version.path
        model = load_model(folder, manifest_sha256=version.manifest_sha256)
    except ArtifactError as error:
        _refuse(version, str(error), is_lasting=True)
        return None
    except Exception as error:  # a full disk or a failing runtime must not take lists down
        _refuse(version, f"{type(error).__name__}: {error}", is_lasting=False)
        return None
    return Served(
        key=key_of(version),
        strategy=version.strategy,
        recipe=version.model,
        trained_to=version.trained_to,
        model=model,
    )


def _refuse(version: ModelVersion, reason: str, *, is_lasting: bool) -> None:
    log.error("model refused", extra={"model_version": version.label, "reason": reason})
    _failed[key_of(version)] = (time.monotonic(), reason)
    if not is_lasting:
        return
    try:
        with transaction.atomic():
            ModelVersion.objects.filter(pk=version.pk, broken_reason="").update(
                broken_reason=reason
            )
    except DatabaseError:
        log.exception("broken version not marked", extra={"model_version": version.label})


def _stand_in(catalog: Catalog, broken: VersionKey) -> Served | None:
    """Return the newest earlier live version that loads. Queries at most every RETRY_S."""
    kept = _stand_ins.get(broken)
    if kept is not None and time.monotonic() - kept[0] < RETRY_S:
        return kept[1]
    served = None
    for version in _earlier(catalog, broken.pk):
        served = load_version(version)
        if served is not None:
            break
    _stand_ins[broken] = (time.monotonic(), served)
    return served


def _earlier(catalog: Catalog, broken_pk: int) -> list[ModelVersion]:
    went_live = (Promotion.Action.PROMOTE, Promotion.Action.ROLL_BACK)
    past = (
        Promotion.objects.filter(catalog=catalog, action__in=went_live)
        .exclude(version=broken_pk)
        .filter(version__broken_reason="")
        .select_related("version")
        .order_by("-id")[: 4 * LOOKED_BACK]
    )
    distinct = {promotion.version_id: promotion.version for promotion in past}
    return list(distinct.values())[:LOOKED_BACK]
