"""Say what a trained model's folder holds, in one file that vouches for all others."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
TOWER = "user_tower.onnx"
VARIANT = "variant"  # key of `extra` in a compressed form: its name, its original, how to restore

_NAME = re.compile(r"[a-z0-9_]+\.(npy|onnx|safetensors)")


_TYPES: Mapping[str, type] = {
    "model": str,
    "kind": str,
    "config": dict,
    "n_items": int,
    "n_users": int,
    "snapshot_sha256": str,
    "trained_to": int,
    "scoring": dict,
    "metrics": dict,
    "library_versions": dict,
    "extra": dict,
    "members": dict,
    "chances": list,
    "files": list,
}


_LATER: Mapping[str, Callable[[], Any]] = {"members": dict, "chances": list}  # fields added since


class ArtifactError(Exception):
    """Say which file of an artifact is not what its manifest promises, and why."""

    def __init__(self, file: str, reason: str) -> None:
        """Name the file and the reason."""
        super().__init__(f"{file}: {reason}; this model is refused, the last good one stays")
        self.file = file
        self.reason = reason


@dataclass(frozen=True)
class FileEntry:
    """Describe one file; shape and dtype are None for what is not an array."""

    name: str
    sha256: str
    n_bytes: int
    shape: tuple[int, ...] | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class Manifest:
    """Say what an artifact is, from what it was made, and what its files must look like."""

    model: str
    kind: str  # of scorer: a key of `scorers.SCORERS`
    config: dict[str, Any]
    n_items: int
    n_users: int
    snapshot_sha256: str
    trained_to: int  # seconds since 1970: the newest event the model could learn from
    scoring: dict[str, float]  # numbers the scorer needs besides arrays
    user_feature_names: tuple[str, ...] = ()
    item_feature_names: tuple[str, ...] = ()
    rating: dict[str, Any] | None = None  # RatingModel without its arrays
    metrics: dict[str, float | None] = field(default_factory=dict)
    library_versions: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)  # of a blend: name → kind of scorer
    chances: list[dict[str, Any]] = field(default_factory=list)  # `ChanceModel`s, plain
    files: tuple[FileEntry, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def encode(self) -> bytes:
        """Return the one byte string that stands for this manifest."""
        entries = asdict(self)
        for name in _LATER:  # as manifests were written before there were any
            if not entries[name]:
                del entries[name]
        return json.dumps(entries, sort_keys=True, indent=1, ensure_ascii=False).encode()

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of `manifest.json`, which vouches for every other file."""
        return hashlib.sha256(self.encode()).hexdigest()

    @property
    def n_bytes(self) -> int:
        """Return the size of all files but the manifest."""
        return sum(entry.n_bytes for entry in self.files)

    @classmethod
    def decode(cls, raw: bytes) -> "Manifest":
        """Read what `encode` wrote; anything else raises ArtifactError."""
        try:
            entries = json.loads(raw)
            if entries.get("schema_version") != SCHEMA_VERSION:
                found = entries.get("schema_version")
                reason = f"schema version is {found}, this program reads {SCHEMA_VERSION}"
                raise ArtifactError(MANIFEST, reason)
            for name, empty in _LATER.items():
                entries.setdefault(name, empty())
            if set(entries) != {entry.name for entry in fields(cls)}:
                raise ArtifactError(MANIFEST, "its keys are not those of this schema version")
            _check_types(entries)
            files = tuple(_file_entry(entry) for entry in entries.pop("files"))
            for name in ("user_feature_names", "item_feature_names"):
                entries[name] = tuple(entries[name])
            manifest = cls(files=files, **entries)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ArtifactError(MANIFEST, f"it is not a manifest ({error})") from error
        if manifest.encode() != raw:
            raise ArtifactError(MANIFEST, "it was edited: its bytes are not in canonical form")
        return manifest


def _check_types(entries: dict[str, Any]) -> None:
    for name, kind in _TYPES.items():
        if not isinstance(entries[name], kind) or isinstance(entries[name], bool):
            raise ArtifactError(MANIFEST, f"{name} is {entries[name]!r}, not a {kind.__name__}")
    for name, number in entries["scoring"].items():
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise ArtifactError(MANIFEST, f"scoring.{name} is {number!r}, not a number")
    for name, kind in entries["members"].items():
        if not isinstance(kind, str):
            raise ArtifactError(MANIFEST, f"members.{name} is {kind!r}, not a kind of scorer")


def _file_entry(entry: dict[str, Any]) -> FileEntry:
    shape = entry.pop("shape")
    made = FileEntry(shape=None if shape is None else tuple(shape), **entry)
    if not _NAME.fullmatch(made.name):
        raise ArtifactError(MANIFEST, f"{made.name!r} is no name for a file of an artifact")
    return made
