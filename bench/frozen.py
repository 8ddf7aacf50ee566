"""Keep one protocol as a folder of plain arrays, which every model reads, ours and peers alike.

`train/` and `validation/` are events, `asks/<name>/` are the lists that are asked for, and
`answers/<name>/` is what they are judged by; only `bench/judge.py` opens the answers.
"""

import hashlib
import itertools
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from recommender.ml.interactions import BoolArray, IntArray, Interactions

META = "task.json"


@dataclass(frozen=True)
class Ask:
    """Hold what is to be ranked: for each case a user, a moment, what they did and have seen."""

    name: str
    text: str
    users: IntArray  # (n,) user numbers, never falling
    times: IntArray  # (n,) moments in seconds; all 0 = after everything that is known
    known: Interactions  # what may be read; at a moment only what lies before it
    items: tuple[IntArray, ...]  # n histories, oldest first: `known` as plain item lists
    seen: tuple[IntArray, ...]  # n arrays of items that are not to be listed
    candidates: IntArray | None = None  # (n, 100) sorted: rank only these

    def __len__(self) -> int:
        """Count the cases."""
        return len(self.users)


@dataclass(frozen=True)
class Answer:
    """Hold what the cases of an ask are judged by."""

    users: IntArray  # (n,)
    relevant: tuple[IntArray, ...]
    groups: dict[str, BoolArray] = field(default_factory=dict)  # extra tables over some cases only


@dataclass(frozen=True)
class Task:
    """Hold one protocol: what is learned from and what is asked."""

    name: str
    dataset: str
    text: str
    encoder: str
    train: Interactions
    validation: Interactions
    asks: dict[str, Ask]


def save_task(folder: Path, task: Task, answers: dict[str, Answer]) -> str:
    """Write the folder and return the hash of all its bytes; the same data give the same hash."""
    if (folder / META).exists():
        shutil.rmtree(folder)  # what an earlier form of the task left would count as its data
    task.train.save(folder / "train")
    task.validation.save(folder / "validation")
    for name, ask in task.asks.items():
        _save_ask(folder / "asks" / name, ask)
        _save_answer(folder / "answers" / name, answers[name])
    meta = {
        "name": task.name,
        "dataset": task.dataset,
        "text": task.text,
        "encoder": task.encoder,
        "asks": {name: ask.text for name, ask in task.asks.items()},
    }
    meta["sha256"] = tree_hash([folder])
    (folder / META).write_text(json.dumps(meta, indent=1), encoding="utf-8")
    return str(meta["sha256"])


def load_task(folder: Path) -> Task:
    """Read what a model may see."""
    meta = json.loads((folder / META).read_text(encoding="utf-8"))
    asks = {
        name: _load_ask(folder / "asks" / name, name, text) for name, text in meta["asks"].items()
    }
    return Task(
        name=meta["name"],
        dataset=meta["dataset"],
        text=meta["text"],
        encoder=meta["encoder"],
        train=Interactions.load(folder / "train"),
        validation=Interactions.load(folder / "validation"),
        asks=asks,
    )


def load_answer(folder: Path, name: str) -> Answer:
    """Read what one ask is judged by."""
    own = folder / "answers" / name
    groups = {path.stem[6:]: np.load(path) for path in sorted(own.glob("group_*.npy"))}
    return Answer(np.load(own / "users.npy"), _load_rows(own, "relevant"), groups)


def tree_hash(paths: Sequence[Path]) -> str:
    """Return one sha256 over names and bytes of files, and of the files under folders."""
    digest = hashlib.sha256()
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        files = [p for p in files if p.is_file() and "__pycache__" not in p.parts]
        for file in files:
            digest.update(str(file.relative_to(path)).encode() + b"\0")
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _save_ask(folder: Path, ask: Ask) -> None:
    ask.known.save(folder / "known")
    np.save(folder / "users.npy", ask.users)
    np.save(folder / "times.npy", ask.times)
    _save_rows(folder, "items", ask.items)
    _save_rows(folder, "seen", ask.seen)
    if ask.candidates is not None:
        np.save(folder / "candidates.npy", ask.candidates)


def _load_ask(folder: Path, name: str, text: str) -> Ask:
    path = folder / "candidates.npy"
    return Ask(
        name=name,
        text=text,
        users=np.load(folder / "users.npy"),
        times=np.load(folder / "times.npy"),
        known=Interactions.load(folder / "known"),
        items=_load_rows(folder, "items"),
        seen=_load_rows(folder, "seen"),
        candidates=np.load(path) if path.exists() else None,
    )


def _save_answer(folder: Path, answer: Answer) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "users.npy", answer.users)
    _save_rows(folder, "relevant", answer.relevant)
    for name, mask in answer.groups.items():
        np.save(folder / f"group_{name}.npy", mask)


def _save_rows(folder: Path, name: str, rows: Sequence[IntArray]) -> None:
    """Write ragged rows as one flat array and where each begins."""
    starts = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=starts[1:])
    np.save(folder / f"{name}_starts.npy", starts)
    np.save(folder / f"{name}.npy", np.concatenate([np.zeros(0, np.int64), *rows]))


def _load_rows(folder: Path, name: str) -> tuple[IntArray, ...]:
    starts = np.load(folder / f"{name}_starts.npy")
    flat = np.load(folder / f"{name}.npy")
    return tuple(flat[a:b] for a, b in itertools.pairwise(starts))
