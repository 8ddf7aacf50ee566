"""Measure whether predictions come true: ratings and their intervals, on MovieLens-100K.

Run from the repository: `python bench/predictions.py --data <folder with u.data, u.user, u.item>`.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from scipy.stats import norm

from bench.explanations import DEFAULT_DATA, REMEMBERED, read_task, train
from bench.frozen import Task
from bench.protocols import histories
from recommender.ml.artifact import LoadedModel
from recommender.ml.interactions import FloatArray
from recommender.ml.ratings import z_scores
from recommender.ml.recipes import RECIPES
from recommender.ml.stats import Interval, bootstrap_mean

RESULTS = Path(__file__).resolve().parent / "results" / "predictions.md"
LEVELS = (0.5, 0.8, 0.95)
COLUMNS = ("user", "actual", "said", "spread", "item_mean")


def main(arguments: Sequence[str]) -> int:
    """Train the model, predict what was rated later and write the table; 0 also without data."""
    options = _options(arguments)
    if not (options.data / "u.data").exists():
        sys.stdout.write(f"skipped: no data (no u.data in {options.data})\n")
        return 0
    task = read_task(options.data)
    with tempfile.TemporaryDirectory() as place:
        model = train(options.model, task, options.seed, Path(place) / options.model)
    text = _document(_predicted(model, task), options.model, options.seed)
    if options.write:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


def _predicted(model: LoadedModel, task: Task) -> FloatArray:
    """Return (n, 5) one row a later rating, in the order of COLUMNS.

    A rating is predicted from what the person had done before the visit that it belongs to.
    """
    assert model.rating is not None, "there were no ratings to calibrate on"
    visits = task.asks["visits"]
    window = visits.known.since(int(visits.times.min()))
    read = [history.last(REMEMBERED) for history in histories(visits)]
    z = z_scores(model.scorer.score(read).astype(np.float64))
    rows = []
    for at, (user, moment) in enumerate(zip(visits.users, visits.times, strict=True)):
        is_last = at + 1 == len(visits.users) or visits.users[at + 1] != user
        until = np.inf if is_last else visits.times[at + 1]
        own = (window.user == user) & (window.time >= moment) & (window.time < until)
        items = window.item[own]
        found = model.rating.predict(read[at].values, items, z[at, items])
        if found is None:
            continue
        said, spread = found
        columns = [np.full(len(items), user), window.value[own], said, spread]
        rows.append(np.column_stack([*columns, model.rating.item_level[items]]))
    return np.vstack(rows)


def _document(rows: FloatArray, name: str, seed: int) -> str:
    user, actual, said, spread, item_mean = rows.T
    n = f"{len(rows):,} ratings of {len(np.unique(user))} people"
    lines = [
        ("mean error (said − given)", _by_user(user, said - actual), ""),
        ("root of mean squared error", f"{np.sqrt(np.mean((said - actual) ** 2)):.3f}", ""),
        ("the item's mean instead", f"{np.sqrt(np.mean((item_mean - actual) ** 2)):.3f}", ""),
    ]
    for level in LEVELS:
        width = norm.ppf(0.5 + level / 2) * spread
        inside = (np.abs(said - actual) <= width).astype(float)
        share = f"{inside.mean():.1%}"
        lines.append((f"inside the {level:.0%} interval", share, _by_user(user, inside)))
    low, middle, high = np.quantile(spread, [0.05, 0.5, 0.95])
    lines.append(("standard deviation told", f"{middle:.2f}", f"5–95 %: {low:.2f}–{high:.2f}"))
    table = "\n".join(f"| {what} | {figure} | {note} |" for what, figure, note in lines)
    today = datetime.now(UTC).date()
    return (
        "# Predicted ratings on MovieLens-100K\n\n"
        f"Written by `python bench/predictions.py` on {today}, {RECIPES[name].label.lower()} with "
        f"its defaults, seed {seed}. The newest tenth of ratings, each predicted from what the "
        "person had done before that visit; whoever had fewer than three ratings by then gets no "
        f"prediction. {n}. Means over people in the last column, with 95 % intervals by resampling "
        f"people.\n\n| what | figure | by person |\n|---|---|---|\n{table}\n"
    )


def _by_user(user: FloatArray, values: FloatArray) -> str:
    _, which = np.unique(user, return_inverse=True)
    found: Interval = bootstrap_mean(np.bincount(which, values) / np.bincount(which), 1)
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--model", default="hybrid", choices=list(RECIPES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-write", dest="write", action="store_false")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
