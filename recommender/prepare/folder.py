"""Keep a snapshot as a folder: written whole or not at all, hashed, and checked before use."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recommender.ml.features import FeatureSpec
from recommender.ml.interactions import IntArray, Interactions

SCHEMA_VERSION = 1
_FACTS = "snapshot.json"


@dataclass(frozen=True)
class Frozen:
    """Everything that a snapshot's folder holds."""

    interactions: Interactions
    item_ids: IntArray  # (M+1,) database keys, [0] = 0
    user_ids: IntArray  # (U+1,)
    features: FeatureSpec
    split_at: int  # seconds since 1970
    dropped: dict[str, int]


def write(frozen: Frozen, parent: Path) -> tuple[Path, str]:
    """Write a new folder below `parent` and return it with its hash.

    The folder appears under its name only when all of it is on disk. What a crash leaves behind,
    `clear_orphans` removes later.
    """
    parent.mkdir(parents=True, exist_ok=True)
    draft = parent / f".{uuid.uuid4().hex}"
    try:
        frozen.interactions.save(draft)
        np.save(draft / "item_ids.npy", frozen.item_ids, allow_pickle=False)
        np.save(draft / "user_ids.npy", frozen.user_ids, allow_pickle=False)
        facts = {
            "schema_version": SCHEMA_VERSION,
            "features": frozen.features.as_dict(),
            "split_at": frozen.split_at,
            "dropped": frozen.dropped,
        }
        text = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False)
        (draft / _FACTS).write_text(text, encoding="utf-8")
        digest = digest_of(draft)
        _sync(draft)
        # The same rows twice make two folders: each snapshot row owns its own.
        folder = parent / f"{digest[:16]}-{uuid.uuid4().hex[:8]}"
        draft.rename(folder)
        _sync_entry(parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return folder, digest


def read(folder: Path) -> Frozen:
    """Load a folder that `write` made. Raises: ValueError or OSError when it is not one."""
    facts: dict[str, Any] = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    if facts["schema_version"] != SCHEMA_VERSION:
        found = facts["schema_version"]
        raise ValueError(f"its schema version is {found}; this program reads {SCHEMA_VERSION}")
    return Frozen(
        interactions=Interactions.load(folder),
        item_ids=np.load(folder / "item_ids.npy", allow_pickle=False),
        user_ids=np.load(folder / "user_ids.npy", allow_pickle=False),
        features=FeatureSpec.from_dict(facts["features"]),
        split_at=int(facts["split_at"]),
        dropped=facts["dropped"],
    )


def digest_of(folder: Path) -> str:
    """Return the SHA-256 over all files, their names included, in the order of names."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            own = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{own}  {path.name}\n".encode())
    return whole.hexdigest()


def clear_orphans(parent: Path, known: set[str], older_than_s: float, now_s: float) -> int:
    """Remove what a killed writer left behind, drafts and folders without a row; return how many.

    Args:
        known: paths that rows name.
        older_than_s: younger folders may still get their row.
    """
    stale = [
        path
        for path in parent.iterdir()
        if str(path) not in known and path.stat().st_mtime < now_s - older_than_s
    ]
    for path in stale:
        shutil.rmtree(path, ignore_errors=True)
    return len(stale)


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        _sync_entry(path)
    _sync_entry(folder)


def _sync_entry(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
