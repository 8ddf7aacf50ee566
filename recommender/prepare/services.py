"""Freeze what happened into a hashed folder of arrays, and open it again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from django.conf import settings

from recommender import clock
from recommender.catalog.embed import encoder_names
from recommender.catalog.models import Catalog
from recommender.errors import BadData, NotReady
from recommender.ml.features import FeatureSpec
from recommender.ml.interactions import IntArray, Interactions
from recommender.ml.split import quantile
from recommender.prepare import folder, read, tables
from recommender.prepare.clean import Cleaned, clean, supersede
from recommender.prepare.folder import Frozen
from recommender.prepare.models import Snapshot

ORPHAN_LIFE_S = 3600.0


@dataclass(frozen=True)
class OpenSnapshot:
    """A snapshot in memory; the id arrays turn its numbers back into database keys."""

    interactions: Interactions
    item_ids: IntArray  # (M+1,) [0] = 0
    user_ids: IntArray  # (U+1,) [0] = 0
    features: FeatureSpec
    split_at: int  # seconds since 1970: events before train, events from here on test
    sha256: str


def freeze(
    *, catalog: Catalog, until: datetime, test_share: float = 0.1, include_simulated: bool = True
) -> Snapshot:
    """Freeze the catalog's standing events received up to `until` into a new snapshot.

    Exposures and controls are no training rows; `dropped` counts, by reason, what cleaning took
    out. Users are those with an event left; items are all of the catalog's. The same rows give the
    same hash. The split is the time from which `test_share` of the positive events lie.

    Raises: NotReady when there is no positive event on either side of the split.
    """
    rules = tables.learned_rules(catalog)
    events = read.read_events(
        catalog=catalog, until=until, types=tuple(rules), include_simulated=include_simulated
    )
    items = read.read_items(catalog)
    item_ids = np.array([0, *(item.pk for item in items)], dtype=np.int64)
    arrays = tables.rules_as_arrays(catalog, rules, events)
    cleaned = clean(events, arrays, item_ids)
    split_at = _split(cleaned, test_share, catalog)
    cleaned = supersede(cleaned, arrays, split_at)
    user_ids = tables.number_rows(cleaned.table.user)
    content, modalities = read.read_content(
        catalog=catalog, encoders=dict(encoder_names().items()), item_ids=item_ids
    )
    described = tables.Described(
        attributes=read.read_attributes(user_ids[1:]),
        items=items,
        content=content,
        modalities=modalities,
        rating_scale=(catalog.rating_min, catalog.rating_max),
    )
    moments = tables.Moments(split_at=split_at, until=int(until.timestamp()))
    interactions, spec = tables.build(cleaned, rules, described, moments)
    undone = read.count_taken_back(catalog=catalog, until=until)
    dropped = cleaned.dropped | ({"undone": undone} if undone else {})
    frozen = Frozen(interactions, item_ids, user_ids, spec, split_at, dropped)
    return _record(catalog, until, frozen, cleaned)


def open_snapshot(snapshot: Snapshot) -> OpenSnapshot:
    """Load a snapshot's folder after checking its hash.

    Raises: BadData when the folder is gone, was changed, or does not fit this program.
    """
    path = Path(snapshot.path)
    if not path.is_dir():
        raise BadData(f"Snapshot {snapshot.pk}: the folder {path} is gone; freeze a new one.")
    digest = folder.digest_of(path)
    if digest != snapshot.sha256:
        raise BadData(
            f"Snapshot {snapshot.pk}: the files in {path} hash to {digest[:12]}…, "
            f"{snapshot.sha256[:12]}… was recorded; they were changed, so freeze a new one."
        )
    try:
        frozen = folder.read(path)
    except (ValueError, OSError, KeyError) as error:
        raise BadData(f"Snapshot {snapshot.pk} cannot be read: {error}") from error
    return OpenSnapshot(
        interactions=frozen.interactions,
        item_ids=frozen.item_ids,
        user_ids=frozen.user_ids,
        features=frozen.features,
        split_at=frozen.split_at,
        sha256=digest,
    )


def _split(cleaned: Cleaned, test_share: float, catalog: Catalog) -> int:
    times = cleaned.table.occurred[cleaned.weight > 0]
    if len(times) and (split_at := quantile(times, test_share)) > times.min():
        return split_at
    raise NotReady(
        f"Catalog {catalog.slug} has {len(times)} usable positive events; a model needs some "
        "before and some after a point in time. Collect or import events first."
    )


def _record(catalog: Catalog, until: datetime, frozen: Frozen, cleaned: Cleaned) -> Snapshot:
    parent = Path(settings.SNAPSHOTS_DIR) / str(catalog.pk)
    path, digest = folder.write(frozen, parent)
    known = set(catalog.snapshots.values_list("path", flat=True))
    folder.clear_orphans(parent, known, ORPHAN_LIFE_S, time.time())
    received = cleaned.table.received
    return Snapshot.objects.create(
        catalog=catalog,
        watermark_from=datetime.fromtimestamp(int(received.min()), UTC),
        watermark_to=until,
        split_at=datetime.fromtimestamp(frozen.split_at, UTC),
        n_users=frozen.interactions.n_users,
        n_items=frozen.interactions.n_items,
        n_events=len(frozen.interactions),
        n_simulated=int(cleaned.table.simulated.sum()),
        dropped=frozen.dropped,
        sha256=digest,
        path=str(path),
        created_at=clock.now(),
    )
