"""Small interactions for tests of `ml`, without a database."""

import numpy as np

from recommender.ml.interactions import Interactions


def make_interactions(rows, *, n_users=None, n_items=None, kinds=("rating",), **tables):
    """Build from (user, item, time, weight[, value[, kind]]) rows in order of time."""
    rows = [(*row, 5.0, 0)[:6] if len(row) == 4 else (*row, 0)[:6] for row in rows]
    columns = [np.array(column) for column in zip(*rows, strict=True)] or [np.zeros(0)] * 6
    user, item, time, weight, value, kind = columns
    u = n_users if n_users is not None else int(user.max(initial=0))
    m = n_items if n_items is not None else int(item.max(initial=0))
    defaults = {
        "half_life_s": np.full(len(kinds), 86_400.0),
        "user_features": np.zeros((u + 1, 1), np.float32),
        "user_feature_names": ("age",),
        "item_features": np.zeros((m + 1, 1), np.float32),
        "item_feature_names": ("log_price",),
        "content": np.zeros((m + 1, 0), np.float32),
    }
    return Interactions(
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        kind=kind.astype(np.int16),
        value=value.astype(np.float32),
        weight=weight.astype(np.float32),
        time=time.astype(np.int64),
        n_users=u,
        n_items=m,
        kinds=kinds,
        **(defaults | tables),
    )
