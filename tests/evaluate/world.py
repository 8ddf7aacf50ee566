"""A small catalog with a known future, and artifacts whose scores are chosen by the test."""

from datetime import timedelta

import numpy as np

from recommender.ml.artifact import Manifest, Payload, save_artifact
from tests.factories import START, make_catalog, make_event, make_item, make_user, make_version

UNTIL = START + timedelta(days=200)


def days(n):
    return START + timedelta(days=float(n))


def make_world(n_users=20, n_items=30):
    """Everybody rates items 0–4 on days 0–90; on days 100–110 user n likes item 10 + n % 5."""
    catalog = make_catalog()
    users = [make_user(catalog) for _ in range(n_users)]
    items = [make_item(catalog, categories=["Drama" if n % 2 else "Crime"]) for n in range(n_items)]
    for number, user in enumerate(users):
        for item in range(5):
            make_event(user, items[item], at=days(item * 18 + number / n_users))
        make_event(user, items[10 + number % 5], at=days(100 + number / n_users))
    return catalog, users, items


def publish(folder, snapshot, scores, *, extra=None, names=(), **fields):
    """Write an artifact that scores items by database key, and its version."""
    ids = np.array([0, *sorted(scores)], dtype=np.int64)
    row = np.array([0.0, *(scores[key] for key in sorted(scores))], dtype=np.float32)
    manifest = Manifest(
        model="popularity",
        kind="popularity",
        config={},
        n_items=len(scores),
        n_users=0,
        snapshot_sha256=snapshot.sha256,
        trained_to=0,
        scoring={},
        user_feature_names=tuple(names),
        extra=extra or {},
    )
    arrays = {
        "item_ids": ids,
        "user_ids": np.array([0], dtype=np.int64),
        "popularity": row,
        "vectors": np.zeros((len(ids), 2), dtype=np.float32),
    }
    written = save_artifact(folder, manifest, Payload(arrays))
    facts = {"trained_to": snapshot.split_at, "manifest_sha256": written.sha256}
    return make_version(snapshot.catalog, snapshot=snapshot, path=str(folder), **(facts | fields))
