"""Small worlds with a known answer, for models to be tried on."""

import numpy as np

from recommender.ml.interactions import Interactions

DAY = 86_400
N_GROUPS = 3


def world(events, n_users, n_items, *, kinds=("like",), half_life_s=None, content=None, **tables):
    """Build interactions from (user, item, time[, weight[, value[, kind]]]) tuples."""
    rows = [tuple(e) + (1.0, np.nan, 0)[len(e) - 3 :] for e in sorted(events, key=lambda e: e[2])]
    user, item, time, weight, value, kind = zip(*rows, strict=True) if rows else ([],) * 6
    users = tables.get("user_features", np.zeros((n_users + 1, 0), np.float32))
    items = tables.get("item_features", np.zeros((n_items + 1, 0), np.float32))
    return Interactions(
        user=np.array(user, np.int64),
        item=np.array(item, np.int64),
        kind=np.array(kind, np.int64),
        value=np.array(value, float),
        weight=np.array(weight, float),
        time=np.array(time, np.int64),
        n_users=n_users,
        n_items=n_items,
        kinds=kinds,
        half_life_s=np.array(half_life_s or [np.inf] * len(kinds)),
        user_features=users,
        user_feature_names=tuple(f"u{i}" for i in range(users.shape[1])),
        item_features=items,
        item_feature_names=tuple(f"i{i}" for i in range(items.shape[1])),
        content=np.zeros((n_items + 1, 0), np.float32) if content is None else content,
    )


def group_of(number):
    """Return the taste group of a user or item number."""
    return number % N_GROUPS


def planted(n_users=48, n_items=30, n_events=14, seed=3, rated=True):
    """Build a world where people take items of their own group nine times in ten.

    Groups are equally large, so popularity knows nothing; user and item features tell nothing of
    the group, content tells it faintly.
    """
    rng = np.random.default_rng(seed)
    events = []
    for user in range(1, n_users + 1):
        own = [i for i in range(1, n_items + 1) if group_of(i) == group_of(user)]
        other = [i for i in range(1, n_items + 1) if group_of(i) != group_of(user)]
        n_own = min(len(own), round(0.9 * n_events))
        items = [*rng.choice(own, n_own, replace=False), *rng.choice(other, n_events - n_own)]
        for item in rng.permutation(items):
            value = 4.5 if group_of(item) == group_of(user) else 2.5
            time = int(rng.integers(0, 100 * DAY))
            events.append((user, int(item), time, 1.0, value if rated else np.nan, 0))
    content = rng.standard_normal((n_items + 1, 6)).astype(np.float32)
    content[:, :N_GROUPS] += 1.5 * np.eye(N_GROUPS)[np.arange(n_items + 1) % N_GROUPS]
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    content[0] = 0
    return world(
        events,
        n_users,
        n_items,
        kinds=("rating",),
        half_life_s=[365.0 * DAY],
        content=content,
        user_features=rng.standard_normal((n_users + 1, 3)).astype(np.float32),
        item_features=_zero_first(rng.standard_normal((n_items + 1, 2))),
    )


def _zero_first(table):
    table[0] = 0
    return table.astype(np.float32)
