"""Write and read a trained model as a folder that can be checked byte by byte, never pickled.

The folder holds `.npy` arrays, an ONNX tower, weights as safetensors, `manifest.json` and
`manifest.sha256` (the line that `sha256sum -c` reads). What is loaded was hashed first.
"""

import hashlib
import io
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.ml.assemble import build_scorer, check_parts, require_files
from recommender.ml.chances import ChanceModel
from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.manifest import MANIFEST, ArtifactError, FileEntry, Manifest
from recommender.ml.packing import restore
from recommender.ml.ratings import RatingModel
from recommender.ml.scoring import Scorer

MANIFEST_HASH = "manifest.sha256"
WEIGHTS = "weights.safetensors"

Array = NDArray[Any]

__all__ = [
    "ArtifactError",
    "FileEntry",
    "LoadedModel",
    "Manifest",
    "Payload",
    "Weights",
    "build_scorer",
    "load_model",
    "load_weights",
    "pack_weights",
    "rating_payload",
    "read_chances",
    "read_manifest",
    "read_payload",
    "save_artifact",
]


@dataclass(frozen=True)
class Payload:
    """Hold what goes into the files: arrays by stem, raw files by name."""

    arrays: Mapping[str, Array]
    raw: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadedModel:
    """Hold a checked artifact, ready to score."""

    manifest: Manifest
    scorer: Scorer
    item_ids: IntArray  # (M+1,) database keys, [0] = 0
    user_ids: IntArray  # (U+1,)
    user_feature_names: tuple[str, ...]
    popularity: FloatArray  # (M+1,) decayed, distinct users, at training time
    rating: RatingModel | None
    chances: tuple[ChanceModel, ...] = ()  # of a click, of a purchase; those that data allowed

    def item_number(self, item_id: int) -> int:
        """Return the item's number in this artifact, 0 when it was not there yet."""
        return int(self.item_numbers(np.array([item_id]))[0])

    def item_numbers(self, item_ids: IntArray) -> IntArray:
        """Return the numbers of many items, 0 where unknown."""
        return _look_up(self.item_ids, self._item_order, item_ids)

    def user_number(self, user_id: int) -> int:
        """Return the user's number in this artifact, 0 when unknown."""
        return int(_look_up(self.user_ids, self._user_order, np.array([user_id]))[0])

    @cached_property
    def _item_order(self) -> IntArray:
        return np.argsort(self.item_ids, kind="stable")

    @cached_property
    def _user_order(self) -> IntArray:
        return np.argsort(self.user_ids, kind="stable")


def save_artifact(folder: Path, manifest: Manifest, payload: Payload) -> Manifest:
    """Write the folder whole or not at all, and return the manifest with its file list.

    Everything is written beside the target, synced to disk, then renamed into place.

    Raises: FileExistsError when `folder` exists: an artifact is never changed.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists; an artifact is written once")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
    draft.mkdir()
    try:
        entries = [_write_array(draft, f"{stem}.npy", a) for stem, a in payload.arrays.items()]
        entries += [_write_raw(draft, name, data) for name, data in payload.raw.items()]
        manifest = replace(manifest, files=tuple(sorted(entries, key=lambda entry: entry.name)))
        require_files(manifest)
        _write(draft / MANIFEST, manifest.encode())
        _write(draft / MANIFEST_HASH, f"{manifest.sha256}  {MANIFEST}\n".encode())
        _sync_folder(draft)
        draft.rename(folder)
        _sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return manifest


def read_manifest(folder: Path, *, manifest_sha256: str | None = None) -> Manifest:
    """Read and check the manifest alone; costs no look at the other files."""
    raw = _read(folder, MANIFEST)
    digest = hashlib.sha256(raw).hexdigest()
    if _read(folder, MANIFEST_HASH) != f"{digest}  {MANIFEST}\n".encode():
        raise ArtifactError(MANIFEST, f"its sha256 {digest[:12]}… is not that of {MANIFEST_HASH}")
    if manifest_sha256 is not None and digest != manifest_sha256:
        expected = f"{manifest_sha256[:12]}… was registered"
        raise ArtifactError(MANIFEST, f"its sha256 is {digest[:12]}…, {expected}")
    manifest = Manifest.decode(raw)
    require_files(manifest)
    return manifest


def load_model(folder: Path, *, manifest_sha256: str | None = None) -> LoadedModel:
    """Check every file against the manifest and return the model, arrays memory-mapped.

    Args:
        folder: what `save_artifact` wrote.
        manifest_sha256: the hash noted at registration; None trusts the folder's own.
    Raises: ArtifactError naming the file and the reason.
    """
    manifest = read_manifest(folder, manifest_sha256=manifest_sha256)
    opened = {entry.name: _open(folder, entry) for entry in manifest.files}
    arrays = {name[:-4]: data for name, data in opened.items() if isinstance(data, np.ndarray)}
    raw = {name: data for name, data in opened.items() if isinstance(data, bytes)}
    arrays = restore(manifest, arrays)
    check_parts(manifest, arrays)
    scorer = build_scorer(manifest, arrays, raw)
    return LoadedModel(
        manifest=manifest,
        scorer=scorer,
        item_ids=arrays["item_ids"],
        user_ids=arrays["user_ids"],
        user_feature_names=manifest.user_feature_names,
        popularity=arrays["popularity"],
        rating=_rating(manifest, arrays),
        chances=read_chances(manifest),
    )


def read_payload(folder: Path, *, manifest_sha256: str | None = None) -> tuple[Manifest, Payload]:
    """Check and read what serving needs, as it was stored: no weights to train on from."""
    manifest = read_manifest(folder, manifest_sha256=manifest_sha256)
    served = [entry for entry in manifest.files if entry.name != WEIGHTS]
    opened = {entry.name: _open(folder, entry) for entry in served}
    return manifest, Payload(
        arrays={name[:-4]: d for name, d in opened.items() if isinstance(d, np.ndarray)},
        raw={name: data for name, data in opened.items() if isinstance(data, bytes)},
    )


def read_chances(manifest: Manifest) -> tuple[ChanceModel, ...]:
    """Return the probability models that a manifest holds. Raises: ArtifactError if malformed."""
    try:
        return tuple(ChanceModel.from_dict(plain) for plain in manifest.chances)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(MANIFEST, f"its chances are no models ({error})") from error


@dataclass(frozen=True)
class Weights:
    """Hold what a warm start begins from."""

    manifest: Manifest
    item_ids: IntArray  # (M+1,) database keys
    arrays: Mapping[str, Array]  # training weights by name

    def rows_for(self, item_ids: IntArray) -> IntArray:
        """Return, for each of these database keys, its row here; 0 where it is new."""
        order = np.argsort(self.item_ids, kind="stable")
        return _look_up(self.item_ids, order, item_ids)


def load_weights(folder: Path) -> Weights:
    """Read and check only what a warm start needs."""
    from safetensors.numpy import load  # serving never needs it

    manifest = read_manifest(folder)
    entries = {entry.name: entry for entry in manifest.files}
    if WEIGHTS not in entries:
        raise ArtifactError(WEIGHTS, f"a {manifest.model} model has no weights to start from")
    item_ids = _open(folder, entries["item_ids.npy"])
    arrays = load(_checked(folder, entries[WEIGHTS]))
    return Weights(manifest, np.asarray(item_ids), arrays)


def pack_weights(weights: Mapping[str, Array]) -> bytes:
    """Return the bytes of a safetensors file."""
    from safetensors.numpy import save

    packed: bytes = save({name: np.ascontiguousarray(array) for name, array in weights.items()})
    return packed


def rating_payload(rating: RatingModel | None) -> tuple[dict[str, Any] | None, dict[str, Array]]:
    """Split a rating model into what the manifest holds and what becomes arrays."""
    if rating is None:
        return None, {}
    numbers = {k: v for k, v in asdict(rating).items() if not isinstance(v, np.ndarray)}
    numbers["variance"] = list(rating.variance)
    return numbers, {"rating_level": rating.item_level, "rating_count": rating.item_count}


def _look_up(ids: IntArray, order: IntArray, wanted: IntArray) -> IntArray:
    """Find each wanted id's position in `ids` (unsorted, `order` sorts it), 0 where absent."""
    place = np.searchsorted(ids, wanted, sorter=order)
    number = order[np.minimum(place, len(ids) - 1)]
    return np.where(ids[number] == wanted, number, 0)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _write_raw(folder: Path, name: str, data: bytes) -> FileEntry:
    _write(folder / name, data)
    return FileEntry(name, hashlib.sha256(data).hexdigest(), len(data))


def _write_array(folder: Path, name: str, array: Array) -> FileEntry:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ArtifactError(name, "it holds NaN or infinity")
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    entry = _write_raw(folder, name, buffer.getvalue())
    return replace(entry, shape=array.shape, dtype=array.dtype.str)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ArtifactError(name, f"it cannot be read ({error.strerror})") from error


def _checked(folder: Path, entry: FileEntry) -> bytes:
    data = _read(folder, entry.name)
    if len(data) != entry.n_bytes:
        reason = f"it has {len(data)} bytes, the manifest promises {entry.n_bytes}"
        raise ArtifactError(entry.name, reason)
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise ArtifactError(entry.name, "its sha256 is not the manifest's")
    return data


def _open(folder: Path, entry: FileEntry) -> Array | bytes:
    data = _checked(folder, entry)
    if not entry.name.endswith(".npy"):
        return data
    try:
        array: Array = np.load(folder / entry.name, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise ArtifactError(entry.name, f"it is not a plain array ({error})") from error
    if array.shape != entry.shape or array.dtype.str != entry.dtype:
        found = f"{array.dtype.str} {array.shape}"
        reason = f"it holds {found}, the manifest promises {entry.dtype} {entry.shape}"
        raise ArtifactError(entry.name, reason)
    return array


def _rating(manifest: Manifest, arrays: Mapping[str, Array]) -> RatingModel | None:
    if manifest.rating is None:
        return None
    try:
        numbers = {**manifest.rating, "variance": tuple(manifest.rating["variance"])}
        level, count = arrays["rating_level"], arrays["rating_count"]
        return RatingModel(item_level=level, item_count=count, **numbers)
    except (KeyError, TypeError) as error:
        raise ArtifactError(MANIFEST, f"its rating model is incomplete ({error})") from error
