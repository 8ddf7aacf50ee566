"""Measure what smaller models cost: MovieLens-100K by the clock, variants, students, short vectors.

Run from the repository: `python bench/compression.py --data <folder with u.data, u.user, u.item>`.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from bench.data import encode, load_100k
from bench.frozen import Answer, Task
from bench.protocols import by_the_clock, histories, with_content
from recommender.ml.artifact import load_model, read_manifest
from recommender.ml.compress import compress, cpu_ms, overlap, served_bytes
from recommender.ml.evaluation import histories_of, per_user_mean
from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.metrics import ndcg_at_k
from recommender.ml.models import MODELS
from recommender.ml.models.base import ExportContext
from recommender.ml.recipes import RECIPES
from recommender.ml.scoring import History, Scorer
from recommender.ml.stats import Interval
from recommender.ml.teaching import Teacher
from recommender.ml.topk import mask_seen, top_k

DEFAULT_DATA = Path("data") / "ml-100k"
RESULTS = Path(__file__).resolve().parent / "results" / "compression.md"
K = 10
BATCH = 500
REMEMBERED = 50  # events that serving keeps of a person
TIMED = 50  # people whose lists are timed
RESAMPLES = 2_000
PARTS = ("variants", "nested", "students")  # the first takes one training, the others 1 and 2 more
HEAD = (
    "| model | bytes | of the whole | one user, CPU ms | NDCG@10 | of the whole's | "
    "first ten kept | training, CPU s |\n|---|---|---|---|---|---|---|---|\n"
)


@dataclass(frozen=True)
class Exam:
    """Hold what is learned from, what is asked and what is right."""

    task: Task
    answer: Answer
    asked: list[History]
    people: list[History]  # from before the window: they choose the axes of short vectors


@dataclass(frozen=True)
class Lesson:
    """Name what is trained."""

    model: str
    seed: int


@dataclass(frozen=True)
class Trained:
    """Name one artifact, and what its training cost."""

    folder: Path
    cpu_s: float


@dataclass(frozen=True)
class Measured:
    """Hold one row's figures."""

    label: str
    n_bytes: int
    ms: float
    lists: IntArray  # (n, 10)
    by_user: FloatArray  # (U,) NDCG@10
    cpu_s: float | None  # None: made from a trained one in a moment


def main(arguments: Sequence[str]) -> int:
    """Train, compress, judge and write the table after each model; 0 also without data."""
    options = _options(arguments)
    if not (options.data / "u.data").exists():
        sys.stdout.write(f"skipped: no data (no u.data in {options.data})\n")
        return 0
    exam = read_exam(options.data)
    tables: list[str] = []
    for name in options.models:
        with tempfile.TemporaryDirectory() as place:
            rows = list(_rows(Lesson(name, options.seed), exam, options.parts, Path(place)))
        tables.append(_table(name, rows, exam))
        text = _document(tables, exam, options.seed)
        if options.write:
            RESULTS.parent.mkdir(parents=True, exist_ok=True)
            RESULTS.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


def read_exam(folder: Path) -> Exam:
    """Cut the data by the clock, with the films' texts; judge at up to 8 visits of each user."""
    source = load_100k(folder)
    encoder, content = encode(source.texts)
    frozen = with_content(by_the_clock(source), content, encoder)
    train = frozen.task.train
    asked = [history.last(REMEMBERED) for history in histories(frozen.task.asks["visits"])]
    people = histories_of(train, np.unique(train.user), length=REMEMBERED)
    return Exam(frozen.task, frozen.answers["visits"], asked, people)


def train(
    lesson: Lesson, exam: Exam, folder: Path, changes: Mapping[str, float], by: Path | None = None
) -> Trained:
    """Train with the model's defaults but for `changes`, taught by the artifact `by` if any."""
    data, began = exam.task.train, time.process_time()
    name, seed = lesson.model, lesson.seed
    model = MODELS[name](MODELS[name].Config(**changes), threads=1)
    if by is not None:
        every = np.arange(data.n_items + 1)
        model.learn_from(Teacher(load_model(by).scorer, every, data.user_features))
    for _record in model.fit(data, validation=exam.task.validation, seed=seed):
        pass
    spent = time.process_time() - began
    context = ExportContext(
        item_ids=np.arange(data.n_items + 1),
        user_ids=np.arange(data.n_users + 1),
        snapshot_sha256="0" * 64,
        trained_to=int(data.time[-1]),
    )
    model.export(folder, context)
    return Trained(folder, spent)


def _rows(lesson: Lesson, exam: Exam, parts: Sequence[str], place: Path) -> Iterator[Measured]:
    half = {"embedding_size": int(RECIPES[lesson.model].defaults["embedding_size"]) // 2}

    def trained(stem: str, changes: Mapping[str, float], by: Path | None = None) -> Trained:
        return train(lesson, exam, place / stem, changes, by)

    def variant(of: Trained, kind: str) -> Path:
        folder = place / f"{of.folder.name}-{kind}"
        compress(of.folder, folder, kind, people=exam.people)
        return folder

    whole = trained("whole", {})
    yield _measure("whole", exam, whole.folder, whole.cpu_s)
    if "variants" in parts:
        yield _measure("half precision (fp16)", exam, variant(whole, "float16"))
        yield _measure("one byte a number (int8)", exam, variant(whole, "int8"))
        yield _measure("half the numbers, fp16", exam, variant(whole, "short"))
        yield _measure("half the numbers, int8", exam, variant(whole, "short_int8"))
    if "nested" in parts:
        nested = trained("nested", {"matryoshka": 1.0})
        yield _measure("trained to be cut, whole", exam, nested.folder, nested.cpu_s)
        yield _measure("trained to be cut, half the numbers, fp16", exam, variant(nested, "short"))
    if "students" in parts:
        alone = trained("alone", half)
        yield _measure("half as wide, no teacher", exam, alone.folder, alone.cpu_s)
        student = trained("student", half, whole.folder)
        yield _measure("half as wide, taught by the whole", exam, student.folder, student.cpu_s)
        yield _measure("half as wide, taught, int8", exam, variant(student, "int8"))
        if lesson.model != "hybrid":
            better = train(Lesson("hybrid", lesson.seed), exam, place / "hybrid", {})
            best = trained("best", half, better.folder)
            yield _measure("half as wide, taught by the hybrid", exam, best.folder, best.cpu_s)
            int8 = variant(best, "int8")
            yield _measure("half as wide, taught by the hybrid, int8", exam, int8)


def _measure(label: str, exam: Exam, folder: Path, cpu_s: float | None = None) -> Measured:
    scorer = load_model(folder).scorer
    lists = _lists(scorer, exam)
    gains = [ndcg_at_k(row, own, K) for row, own in zip(lists, exam.answer.relevant, strict=True)]
    _, user_of = np.unique(exam.answer.users, return_inverse=True)
    return Measured(
        label=label,
        n_bytes=served_bytes(read_manifest(folder)),
        ms=cpu_ms(scorer, exam.people[:TIMED]),
        lists=lists,
        by_user=per_user_mean(np.array(gains)[:, None], user_of)[:, 0],
        cpu_s=cpu_s,
    )


def _lists(scorer: Scorer, exam: Exam) -> IntArray:
    seen = exam.task.asks["visits"].seen
    parts = [slice(at, at + BATCH) for at in range(0, len(exam.asked), BATCH)]
    return np.concatenate(
        [top_k(mask_seen(scorer.score(exam.asked[part]), seen[part]), K) for part in parts]
    )


def ratio(one: FloatArray, other: FloatArray, seed: int) -> Interval:
    """Bound the ratio of two means over the same users, by drawing users; percentile interval.

    >>> ratio(np.array([1.0, 2.0]), np.array([2.0, 4.0]), 1)
    Interval(value=0.5, low=0.5, high=0.5, n=2)
    """
    drawn = np.random.default_rng(seed).integers(0, len(one), (RESAMPLES, len(one)))
    ratios = one[drawn].mean(axis=1) / np.maximum(other[drawn].mean(axis=1), 1e-12)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Interval(float(one.mean() / other.mean()), float(low), float(high), len(one))


def _table(name: str, rows: Sequence[Measured], exam: Exam) -> str:
    whole = rows[0]
    _, user_of = np.unique(exam.answer.users, return_inverse=True)
    lines = []
    for row in rows:
        worth = ratio(row.by_user, whole.by_user, seed=1)
        kept = per_user_mean(overlap(row.lists, whole.lists)[:, None], user_of).mean()
        spent = "–" if row.cpu_s is None else f"{row.cpu_s:.0f}"
        lines.append(
            f"| {row.label} | {row.n_bytes:,} | {row.n_bytes / whole.n_bytes:.1%} "
            f"| {row.ms:.2f} | {row.by_user.mean():.4f} "
            f"| {worth.value:.1%} [{worth.low:.1%}, {worth.high:.1%}] | {kept:.3f} | {spent} |"
        )
    return f"## {RECIPES[name].label}\n\n{HEAD}" + "\n".join(lines) + "\n"


def _document(tables: Sequence[str], exam: Exam, seed: int) -> str:
    today, n = datetime.now(UTC).date(), len(np.unique(exam.answer.users))
    head = (
        "# Smaller models on MovieLens-100K\n\n"
        f"Written by `python bench/compression.py` on {today}, seed {seed}, one thread. Trained up "
        "to the newest tenth of events with the models' defaults and the films' titles; judged at "
        f"up to 8 visits of each of {n} users who came in that tenth ({len(exam.asked):,} visits), "
        "all unseen films ranked.\n\n"
        "**Of the whole's**: NDCG@10 divided by that of the whole model, 95 % interval by drawing "
        "users. **First ten kept**: share of the whole model's first ten that are in the row's "
        "first ten. **Bytes**: what serving reads, without the weights to train on from. **Half "
        "the numbers** cuts item and user vectors after training, to the axes along which users "
        "from before the window differ most; *trained to be cut* took the same loss on vectors cut "
        "so as well (`matryoshka` 1). **Half as wide** is a model of half the embedding size, "
        "trained from scratch; *taught* matches the whole model's softmax besides the events. A "
        "student's training includes asking its teacher.\n\n"
        "Bars: int8 at least 99 % of NDCG@10 in at most 30 % of the bytes; half-size at least "
        "98 %.\n\n"
    )
    return head + "\n".join(tables)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    able = [name for name, recipe in RECIPES.items() if "matryoshka" in recipe.defaults]
    parser.add_argument("--models", nargs="+", default=able, choices=able)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-write", dest="write", action="store_false")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
