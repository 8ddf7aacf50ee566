"""A small world with known answers: 40 items in 4 kinds, likeness only inside a kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recommender.catalog.models import Catalog, Item
from recommender.collect.models import User
from recommender.collect.services import EventResult, NewEvent, record_events
from recommender.ml.artifact import Payload, save_artifact
from recommender.ml.manifest import Manifest
from recommender.promote.models import ModelVersion, Promotion
from recommender.serve import services
from recommender.serve.answers import ListRequest
from tests import factories

KINDS = ("Drama", "Comedy", "Horror", "Western")
PER_KIND = 10


@dataclass
class World:
    """Rows and shortcuts. Number n of the artifact is items[n − 1]; popularity falls with n."""

    catalog: Catalog
    items: list[Item]
    version: ModelVersion | None = None

    def user(self, *liked: int, stars: float = 5.0, **fields: Any) -> User:
        """Make a user who rated the items at these places."""
        user = factories.make_user(self.catalog, **fields)
        for place in liked:
            self.rate(user, place, stars)
        return user

    def rate(self, user: User, place: int, stars: float = 5.0) -> EventResult:
        return self.tell(user, "rating", place, stars)

    def tell(self, user: User, type: str, place: int, value: float | None = None) -> EventResult:
        event = NewEvent(
            type=type,
            user=user.external_id,
            item=self.items[place].external_id,
            value=value,
        )
        (result,) = record_events(catalog=self.catalog, events=[event], source="api")
        assert result.status == "accepted", result
        return result

    def ask(self, user: User | None = None, **fields: Any) -> ListRequest:
        return ListRequest(catalog=self.catalog, user=user, **fields)

    def kind_of(self, external_id: str) -> str:
        return next(i.categories[0] for i in self.items if i.external_id == external_id)

    def add_version(self, *, state: str = "live", **changes: Any) -> ModelVersion:
        """Write an artifact of this world and register it."""
        number = factories.n()
        folder = settings.ARTIFACTS_DIR / f"v{number}"
        manifest = write_neighbors(folder, self.items, **changes)
        version = factories.make_version(
            self.catalog,
            number=number,
            state=state,
            path=str(folder),
            manifest_sha256=manifest.sha256,
            live_since=factories.START if state == "live" else None,
        )
        if state == "live":
            self.promotion_of(version)
            self.version = version
        return version

    def promotion_of(self, version: ModelVersion) -> None:
        Promotion.objects.create(
            catalog=self.catalog,
            action="promote",
            version=version,
            previous=self.version,
            actor="gate",
            reason="better",
            created_at=factories.START,
        )

    def make_live(self, version: ModelVersion) -> None:
        """Switch versions as a promotion does."""
        versions = ModelVersion.objects.filter(catalog=self.catalog)
        versions.filter(state="live").update(state="retired")
        versions.filter(pk=version.pk).update(state="live")
        self.promotion_of(version)
        self.version = version


def write_neighbors(
    folder: Any,
    items: list[Item],
    *,
    sign: float = 1.0,
    rating: bool = False,
    chances: bool = False,
    favor: Sequence[int] = (),
    **fields: Any,
) -> Manifest:
    """Write an item-kNN artifact: items of one kind are alike, the nearer in number the more.

    Items at the places of `favor` stand far up for everybody.
    """
    n = len(items)
    likeness = np.zeros((n + 1, n + 1), np.float32)
    kind = np.arange(n) // PER_KIND
    near = 1.0 / (1.0 + np.abs(np.subtract.outer(np.arange(n), np.arange(n))))
    likeness[1:, 1:] = np.where(np.equal.outer(kind, kind), near, 0.0) * sign
    np.fill_diagonal(likeness, 0.0)
    filled = likeness != 0
    vectors = np.zeros((n + 1, len(KINDS)), np.float32)
    vectors[np.arange(1, n + 1), kind] = 1.0
    popularity = np.concatenate([[0], np.arange(n, 0, -1)]).astype(np.float32)
    arrays = {
        "item_ids": np.array([0, *(item.pk for item in items)], np.int64),
        "user_ids": np.array([0], np.int64),
        "popularity": popularity,
        "indptr": np.concatenate([[0], np.cumsum(filled.sum(axis=1))]).astype(np.int64),
        "indices": np.nonzero(filled)[1].astype(np.int64),
        "data": likeness[filled].astype(np.float32),
        "item_bias": (popularity / 1000).astype(np.float32),
        "vectors": vectors,
    }
    arrays["item_bias"][1 + np.array(favor, np.int64)] += 2.0
    manifest = Manifest(
        model="item_knn",
        kind="neighbors",
        config={},
        n_items=n,
        n_users=0,
        snapshot_sha256="0" * 64,
        trained_to=0,
        scoring={"half_life_days": 0.0, "history_length": 50},
        **fields,
    )
    if rating:
        arrays |= {
            "rating_level": np.full(n + 1, 3.5, np.float32),
            "rating_count": np.full(n + 1, 9.0, np.float32),
        }
        levels = {"history_level": 4.5, "slope": 0.5, "intercept": 0.0}
        spread = {"variance": [0.25, 1.0, 1.0], "low": 0.5, "high": 5.0}
        manifest = replace(manifest, rating=levels | spread)
    if chances:
        curve = {"z": [0.0, 2.0], "chance": [0.01, 0.5], "window_days": 7.0}
        facts = {"n_pairs": 900, "n_taken": 60, "error": 0.01, "n_listed": 800}
        bins = [[0.02, 0.03, 400], [0.2, 0.2, 400]]
        manifest = replace(manifest, chances=[{"kind": "click", "bins": bins, **curve, **facts}])
    return save_artifact(folder, manifest, Payload(arrays=arrays))


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start each test cold; artifacts of tests need not survive a power cut."""
    monkeypatch.setattr("recommender.ml.artifact.os.fsync", lambda _file: None)
    services.forget()
    yield
    services.forget()


@pytest.fixture
def bare(db: None) -> World:
    """A world without a model."""
    catalog = factories.make_catalog()
    items = [
        factories.make_item(catalog, categories=[KINDS[at // PER_KIND]])
        for at in range(PER_KIND * len(KINDS))
    ]
    Catalog.objects.filter(pk=catalog.pk).update(items_seq=1)
    catalog.refresh_from_db()
    return World(catalog, items)


@pytest.fixture
def world(bare: World) -> World:
    """A world with a live item-kNN version."""
    bare.add_version(rating=True)
    return bare


@pytest.fixture
def statements() -> Callable[[], CaptureQueriesContext]:
    """Capture statements, without the savepoints of the test's own transaction."""

    class Statements(CaptureQueriesContext):
        @property
        def sql(self) -> list[str]:
            found = [query["sql"] for query in self.captured_queries]
            return [sql for sql in found if not sql.startswith(("SAVEPOINT", "RELEASE"))]

    return lambda: Statements(connection)
