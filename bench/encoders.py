"""Measure text encoders: items per CPU second, and how well near vectors share a label.

Run from the repository: `make bench-encoders BENCH_DATA=FOLDER`, where the folder holds
`bbc/articles.parquet` and `retail/products.parquet` (reading them needs the package pyarrow).
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from recommender.ml.encoders import BUNDLED, Encoder, NotAvailable, load_encoder
from recommender.ml.encoders.base import Vectors
from recommender.ml.stats import Interval, bootstrap_mean

RESULTS = Path(__file__).resolve().parent / "results" / "encoders.md"
NEIGHBORS = 5
SEED = 1
N_ALONE = 20  # texts encoded one by one, for the time that a single one takes


@dataclass(frozen=True)
class Labeled:
    """Hold texts with one label each."""

    name: str
    texts: list[str]
    labels: list[str]


@dataclass(frozen=True)
class Row:
    """Hold what was measured of one encoder on one set."""

    encoder: Encoder
    data: Labeled
    accuracy: Interval
    per_cpu_s: float
    alone_ms: float


def load(folder: Path, n_bbc: int, n_retail: int) -> list[Labeled]:
    """Read what the folder has: a seeded sample of each set, repeated texts left out."""
    found = []
    article = ("title", "body")
    for name, path, label, parts, n in (
        ("BBC topic", folder / "bbc" / "articles.parquet", "topic", article, n_bbc),
        (
            "retail category",
            folder / "retail" / "products.parquet",
            "category",
            ("name", "description"),
            n_retail,
        ),
    ):
        if path.is_file():
            found.append(_sample(name, _table(path), (label, *parts), n))
    return found


def _table(path: Path) -> dict[str, list[str]]:
    try:
        from pyarrow.parquet import read_table
    except ImportError:
        raise SystemExit("Reading parquet needs pyarrow: pip install pyarrow") from None
    columns: dict[str, list[str]] = read_table(path).to_pydict()
    return columns


def _sample(name: str, table: dict[str, list[str]], columns: Sequence[str], n: int) -> Labeled:
    label, *parts = columns
    rows: dict[str, str] = {}
    for at, kind in enumerate(table[label]):
        rows.setdefault(". ".join(table[part][at] or "" for part in parts), kind)
    texts = list(rows)
    chosen = np.random.default_rng(SEED).permutation(len(texts))[:n]
    return Labeled(name, [texts[at] for at in chosen], [rows[texts[at]] for at in chosen])


def measure(encoder: Encoder, data: Labeled) -> Row:
    """Encode all texts once, and some one by one; judge each by its nearest among the others."""
    encoder.encode(data.texts[:2])  # the first call fills caches
    start = time.process_time()
    vectors = encoder.encode(data.texts)
    spent = time.process_time() - start
    start = time.process_time()
    for text in data.texts[:N_ALONE]:
        encoder.encode([text])
    alone = (time.process_time() - start) / min(N_ALONE, len(data.texts))
    hits = nearest_agree(vectors, data.labels)
    interval = bootstrap_mean(hits, seed=SEED)
    return Row(encoder, data, interval, len(data.texts) / max(spent, 1e-9), 1_000 * alone)


def nearest_agree(vectors: Vectors, labels: Sequence[str]) -> np.ndarray:
    """Return (n,) 1.0 where most of the five nearest others have the label; ties: the nearer."""
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :NEIGHBORS]
    guesses = [Counter(labels[at] for at in row).most_common(1)[0][0] for row in nearest]
    pairs = zip(guesses, labels, strict=True)
    return np.array([guess == label for guess, label in pairs], dtype=np.float64)


def report(rows: Sequence[Row], command: str) -> str:
    """Write the table."""
    lines = [
        "# Text encoders",
        "",
        f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d}, seed {SEED}, one thread. CPU "
        "seconds, not wall clock; they were taken beside other work, so compare them with each "
        f"other. Accuracy: a text's label guessed from its {NEIGHBORS} nearest others by cosine, "
        "with 95 % intervals by resampling texts. Both sets are English; only USE and e5 also read "
        "Chinese.",
        "",
        "| encoder | version | numbers | texts | 5-NN accuracy | texts / CPU s "
        "| one text, CPU ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        classes = len(set(row.data.labels))
        lines.append(
            f"| {row.encoder.id} | {row.encoder.version} | {row.encoder.dimension} "
            f"| {row.data.name}, n = {len(row.data.texts)}, {classes} classes "
            f"| {row.accuracy.value:.3f} [{row.accuracy.low:.3f}, {row.accuracy.high:.3f}] "
            f"| {row.per_cpu_s:,.0f} | {row.alone_ms:.1f} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> None:
    """Measure every text encoder that is installed, or the named ones, and write the table."""
    texts = [name for name, entry in BUNDLED.items() if entry.modality == "text"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=texts, metavar="NAME")
    parser.add_argument("--n", nargs=2, type=int, default=(300, 400), metavar=("BBC", "RETAIL"))
    options = parser.parse_args(arguments)
    sets = load(options.data, *options.n)
    if not sets:
        raise SystemExit(f"{options.data} holds neither bbc/ nor retail/; nothing was measured.")
    rows = []
    for name in options.only:
        try:
            encoder = load_encoder(name)
        except NotAvailable as missing:
            sys.stderr.write(f"{missing}\n")
            continue
        rows += [measure(encoder, data) for data in sets]
    RESULTS.write_text(report(rows, f"make bench-encoders {_shown(options)}"), "utf-8")
    sys.stdout.write(RESULTS.read_text("utf-8"))


def _shown(options: argparse.Namespace) -> str:
    return f"BENCH_DATA=FOLDER ARGS='--only {' '.join(options.only)}'"


if __name__ == "__main__":
    main(sys.argv[1:])
