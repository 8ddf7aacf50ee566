"""Measure whether explanations are true: MovieLens-100K, the default model, by the clock.

Run from the repository: `python bench/explanations.py --data <folder with u.data, u.user, u.item>`.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from bench.data import encode, load_100k
from bench.frozen import Task
from bench.protocols import by_the_clock, histories, with_content
from recommender.ml.artifact import LoadedModel, load_model
from recommender.ml.assemble import build_scorer
from recommender.ml.explain import LEAST_SHARE, causes, centered, composition, leave_one_out
from recommender.ml.faithfulness import Agreement, Deletion, agreement, deletion_test
from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.models import MODELS
from recommender.ml.models.base import ExportContext
from recommender.ml.randomize import randomized
from recommender.ml.recipes import RECIPES
from recommender.ml.scoring import History, Scorer
from recommender.ml.stats import Interval, bootstrap_mean

DEFAULT_DATA = Path("data") / "ml-100k"
RESULTS = Path(__file__).resolve().parent / "results" / "explanations.md"
REMEMBERED = 50  # events that serving keeps of a person
LISTED = 10  # items explained in one request
SEEDS = 5  # shuffles of the weights


@dataclass(frozen=True)
class People:
    """Everybody of the test window at their last visit: what they did, what they have seen."""

    histories: list[History]
    seen: list[IntArray]


@dataclass(frozen=True)
class Found:
    """Hold one model's figures."""

    label: str
    loose: Deletion  # the strongest event is cited for every item
    cited: Deletion  # as served: only an event that carries a share of the score
    others: list[Agreement]
    cpu_ms: FloatArray  # (U,) one request's explanations
    residue: float  # largest |sum of parts − score|


def main(arguments: Sequence[str]) -> int:
    """Train each model, test its explanations and write the table; 0 also without data."""
    options = _options(arguments)
    if not (options.data / "u.data").exists():
        sys.stdout.write(f"skipped: no data (no u.data in {options.data})\n")
        return 0
    task = read_task(options.data)
    people = at_last_visit(task)
    found = [_measure(name, task, people, options.seed) for name in options.models]
    text = _document(found, options.seed)
    if options.write:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


def read_task(folder: Path) -> Task:
    """Cut the data by the clock, with the films' texts, which the default model reads."""
    source = load_100k(folder)
    encoder, content = encode(source.texts)
    return with_content(by_the_clock(source), content, encoder).task


def at_last_visit(task: Task) -> People:
    """Keep each person's last visit, at which most is known of them."""
    visits = task.asks["visits"]
    last = np.searchsorted(visits.users, np.unique(visits.users), side="right") - 1
    read = histories(visits)
    return People(
        [read[place].last(REMEMBERED) for place in last], [visits.seen[place] for place in last]
    )


def _measure(name: str, task: Task, people: People, seed: int) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        model, others = _trained(name, task, seed, Path(folder) / name)
    scorer = model.scorer
    pairs = people.histories, people.seen
    return Found(
        label=RECIPES[name].label,
        loose=deletion_test(scorer, *pairs, lambda drops, score: causes(drops, score, 0.0)),
        cited=deletion_test(scorer, *pairs),
        others=[agreement(scorer, other, *pairs) for other in others],
        cpu_ms=np.array([_cost_ms(scorer, history) for history in people.histories]),
        residue=max(_residue(scorer, history) for history in people.histories),
    )


def train(name: str, task: Task, seed: int, folder: Path) -> LoadedModel:
    """Train a model with its defaults and load it as serving does."""
    data = task.train
    model = MODELS[name](threads=1)
    for _record in model.fit(data, validation=task.validation, seed=seed):
        pass
    context = ExportContext(
        item_ids=np.arange(data.n_items + 1),
        user_ids=np.arange(data.n_users + 1),
        snapshot_sha256="0" * 64,
        trained_to=int(data.time[-1]),
    )
    model.export(folder, context)
    return load_model(folder)


def _trained(name: str, task: Task, seed: int, folder: Path) -> tuple[LoadedModel, list[Scorer]]:
    """Return the model as serving loads it, and the same with shuffled weights."""
    loaded = train(name, task, seed, folder)
    arrays = {path.stem: np.load(path) for path in folder.glob("*.npy")}
    raw = {path.name: path.read_bytes() for path in folder.glob("*.onnx")}
    mixed = [randomized(arrays, raw, shuffle) for shuffle in range(SEEDS)]
    return loaded, [build_scorer(loaded.manifest, *each) for each in mixed]


def _cost_ms(scorer: Scorer, history: History) -> float:
    """Return the CPU time of explaining one list: every event left out, every part summed."""
    items = np.arange(1, LISTED + 1)
    began = time.process_time()
    leave_one_out(scorer, history, items)
    composition(scorer, history, items)
    return (time.process_time() - began) * 1000


def _residue(scorer: Scorer, history: History) -> float:
    items = np.arange(1, scorer.n_items + 1)
    total = sum(composition(scorer, history, items).values())
    return float(np.abs(total - centered(scorer.score([history]))[0, 1:]).max())


def _document(found: Sequence[Found], seed: int) -> str:
    today = datetime.now(UTC).date()
    head = (
        "# Explanations on MovieLens-100K\n\n"
        f"Written by `python bench/explanations.py` on {today}, seed {seed}, one thread. Models "
        "with their defaults and the films' titles, trained up to the newest tenth of events; "
        "everybody who came in that tenth, at their last visit, with at most "
        f"{REMEMBERED} events. 95 % intervals by resampling people.\n\n"
        "**Deletion test**: without the cited event, how many places does the item lose, divided "
        "by the places it loses without an event drawn from all of the person's own (its exact "
        f"mean)? Top {LISTED} items. *As served* cites an event only if the item loses "
        f"{LEAST_SHARE:.0%} of its score without it, and says something else otherwise; "
        "*strongest* cites the strongest event whatever it carries. **Flips**: the same for "
        f"leaving the top {LISTED}.\n\n"
        f"**Shuffled weights** (Adebayo et al. 2018): the same items explained with the same model "
        f"after its weights were shuffled, {SEEDS} times: Spearman correlation between the drops "
        "of a person's events, and the share of items for which another event is strongest.\n\n"
        f"**CPU**: explaining a list of {LISTED} items once. **Residue**: largest distance between "
        "the sum of a score's parts and the score, over all people and items.\n\n"
    )
    return head + "\n".join(_table(each) for each in found)


def _table(found: Found) -> str:
    correlation = np.concatenate([each.correlation for each in found.others])
    changed = float(np.mean([each.changed for each in found.others]))
    chance = float(np.mean([1.0 - each.by_chance.mean() for each in found.others]))
    cpu = found.cpu_ms
    share = found.cited.n_cited / found.cited.n_items
    rows = (
        ("deletion, as served", _ratio(found.cited.ratio()), f"{found.cited.n_cited:,} items of "
         f"{found.cited.ratio().n} people; {share:.0%} of the items get a cited event"),
        ("deletion, strongest", _ratio(found.loose.ratio()), f"{found.loose.ratio().n} people"),
        ("flips, as served", _ratio(found.cited.flip_ratio()), f"{found.cited.ratio().n} people"),
        ("places lost, cited", f"{found.cited.cited_fall.mean():.1f}", "mean over people"),
        ("places lost, random own", f"{found.cited.random_fall.mean():.1f}", "mean over people"),
        ("shuffled weights, correlation", _plain(bootstrap_mean(correlation, 1)),
         f"{len(correlation):,} explanations"),
        ("shuffled weights, other cause", f"{changed:.0%} (by chance {chance:.0%})",
         f"{len(correlation):,} explanations"),
        ("CPU, median and 95 % quantile",
         f"{np.median(cpu):.1f} ms, {np.quantile(cpu, 0.95):.1f} ms", f"{len(cpu)} people"),
        ("residue", f"{found.residue:.1e}", "bar: 1e-5"),
    )  # fmt: skip
    lines = "\n".join(f"| {name} | {value} | {note} |" for name, value, note in rows)
    return f"## {found.label}\n\n| what | figure | n |\n|---|---|---|\n{lines}\n"


def _ratio(found: Interval) -> str:
    return f"{found.value:.1f} × [{found.low:.1f}, {found.high:.1f}]"


def _plain(found: Interval) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--models", nargs="+", default=["hybrid"], choices=list(RECIPES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-write", dest="write", action="store_false")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
