"""Store arrays in fewer bytes and give them back as float32: half floats, or bytes with a scale.

Packed arrays are widened once, when a model is loaded (6 ms for 100,000 rows of 64), not at each
request: one user's scores over 3,706 items take 0.01 ms from float32 and 0.03 ms from bytes widened
block by block, over 100,000 items 0.8 ms and 0.9 ms. Serving needs the rows at unit length as
float32 anyway, so a packed model is small on disk and in transit, not in memory.
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.manifest import MANIFEST, VARIANT, ArtifactError, Manifest

Storage = Literal["float32", "float16", "int8"]
Array = NDArray[Any]

SCALE = "_scale"  # ending of the array that holds one float32 factor per row, or one for all
EXACT = ("gram", "offset")  # endings of what a solver inverts: rounding it saves nothing
INT32 = np.iinfo(np.int32)
LARGEST = 127.0  # symmetric, so that 0 stays 0 and a row can be negated
MOST = 255.0  # of lists that hold nothing negative
FEW = 256  # numbers in a column below which rounding saves nothing
# Arrays whose largest number lies beyond these are scaled before they become half floats: what
# only breaks ties (a trace of popularity beside the weights of neighbors, 1e-9) would be all 0.
SMALL, LARGE, AIM = 2.0**-3, 65_504.0, 14  # scaled, the largest lies between 2^14 and 2^15


def pack(arrays: Mapping[str, Array], storage: Storage) -> dict[str, Array]:
    """Return the arrays in fewer bytes.

    `int8`: tables and the weights of neighbor lists as bytes with a scale per row, columns as
    float16. `float16`: all of them as float16, with one scale where the numbers are far from 1. In
    both, whole numbers into fewer bytes, which
    loses nothing; neighbor lists (`indptr`, `indices`, `data` with one prefix) are sorted for it.
    """
    if storage == "float32":
        return dict(arrays)
    packed: dict[str, Array] = {}
    for stem, array in _sorted_lists(arrays).items():
        starts = _starts_of(stem, arrays)
        if array.dtype.kind == "f":
            packed |= _packed_floats(stem, array, starts, storage)
        elif starts is not None:
            packed[stem] = write_gaps(array, starts)
        else:
            packed[stem] = _narrow(array)
    return packed


def unpack(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays as `pack` found them but for rounding; others come back as they are.

    Raises: ArtifactError for scales or lists that do not fit.
    """
    whole: dict[str, Array] = {}
    for stem in sorted(arrays, key=lambda one: not one.endswith("indptr")):  # lists need theirs
        if stem.endswith(SCALE) and stem.removesuffix(SCALE) in arrays:
            continue
        array, scale = arrays[stem], arrays.get(stem + SCALE)
        starts = _starts_of(stem, whole)
        if scale is not None:
            whole[stem] = _widen(stem, array, scale, starts)
        elif array.dtype == np.float16:
            whole[stem] = array.astype(np.float32)
        elif starts is not None and array.dtype == np.uint8:
            whole[stem] = _read_list(stem, array, starts)
        elif array.dtype == np.int32 and stem.endswith(("_ids", "indptr")):
            whole[stem] = array.astype(np.int64)
        else:
            whole[stem] = array
    return whole


def restore(manifest: Manifest, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return an artifact's arrays as the original's scorer reads them.

    Raises: ArtifactError for scales that do not fit, or parts that cannot be worked out.
    """
    about = manifest.extra.get(VARIANT)
    if about is None:
        return dict(arrays)
    whole = unpack(arrays)
    try:
        remainders = {part: (of, tuple(rest)) for part, (of, rest) in about["remainders"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(MANIFEST, f"it does not say how to restore arrays ({error})") from error
    return with_remainder(whole, remainders)


def quantize_rows(table: FloatArray) -> tuple[NDArray[np.int8], FloatArray]:
    """Return (n, D) int8 and (n,) float32 so that row · scale is within scale / 2 of the row.

    >>> rows, scale = quantize_rows(np.array([[1.27, -0.64], [0.0, 0.0]]))
    >>> rows.tolist(), [round(float(s), 4) for s in scale]
    ([[127, -64], [0, 0]], [0.01, 0.0])
    """
    highest = np.abs(table).max(axis=1, initial=0.0)
    scale = np.asarray(highest / LARGEST, np.float32)
    steps = np.asarray(table, np.float64) / np.where(scale > 0, scale, 1.0)[:, None]
    return np.clip(np.rint(steps), -LARGEST, LARGEST).astype(np.int8), scale


def quantize_lists(data: FloatArray, starts: IntArray) -> tuple[Array, FloatArray]:
    """Do the same for lists of unequal length: list j is `data[starts[j]:starts[j + 1]]`.

    Lists without negative values get all of a byte: their steps are half as wide.
    """
    is_signed = bool(len(data)) and float(data.min()) < 0
    most, kind = (LARGEST, np.int8) if is_signed else (MOST, np.uint8)
    lengths = np.diff(starts)
    highest = np.zeros(len(lengths))
    np.maximum.at(highest, np.repeat(np.arange(len(lengths)), lengths), np.abs(data))
    scale = np.asarray(highest / most, np.float32)
    steps = np.asarray(data, np.float64) / np.repeat(np.where(scale > 0, scale, 1.0), lengths)
    return np.clip(np.rint(steps), -most, most).astype(kind), scale


def write_gaps(numbers: IntArray, starts: IntArray) -> NDArray[np.uint8]:
    """Return rising lists of whole numbers ≥ 0 as bytes: each number as its gap to the one before.

    A gap takes seven bits a byte, lowest first; the high bit says that more bytes follow (LEB128).

    >>> write_gaps(np.array([3, 5, 400]), np.array([0, 2, 3])).tolist()
    [3, 2, 144, 3]
    """
    firsts = starts[:-1][np.diff(starts) > 0]
    gaps = np.asarray(np.diff(numbers.astype(np.int64), prepend=0), np.int64)
    gaps[firsts] = numbers[firsts]
    n_bytes: IntArray = np.ones(len(gaps), np.int64)
    for shift in (7, 14, 21, 28):
        n_bytes += gaps >= 1 << shift
    ends = np.cumsum(n_bytes)
    written = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
    for place in range(int(n_bytes.max(initial=0))):
        own = n_bytes > place
        more = np.where(n_bytes[own] > place + 1, 128, 0)
        written[(ends - n_bytes)[own] + place] = (gaps[own] >> 7 * place & 127) | more
    return written


def read_gaps(written: NDArray[np.uint8], starts: IntArray) -> NDArray[np.int32]:
    """Return what `write_gaps` was given. Raises: ValueError when the bytes do not fit.

    >>> read_gaps(np.array([3, 2, 144, 3], np.uint8), np.array([0, 2, 3])).tolist()
    [3, 5, 400]
    """
    is_last = written < 128
    n = int(starts[-1])
    if (np.diff(starts) < 0).any() or is_last.sum() != n or (n and not is_last[-1]):
        raise ValueError(f"{int(is_last.sum())} numbers are written, {n} belong to its lists")
    if not n:
        return np.zeros(0, np.int32)
    begins = np.flatnonzero(np.append(True, is_last[:-1]))
    place = np.arange(len(written)) - np.repeat(begins, np.diff(begins, append=len(written)))
    gaps = np.add.reduceat((written & 127).astype(np.int64) << 7 * place, begins)
    sums, lengths = np.cumsum(gaps), np.diff(starts)
    before = np.append(0, sums)[starts[:-1]]  # what earlier lists add up to
    numbers = sums - np.repeat(before, lengths)
    if place.max() > 4 or numbers.max() > INT32.max:
        raise ValueError("a number is too large")
    return np.asarray(numbers, np.int32)


def with_remainder(
    arrays: Mapping[str, Array], remainders: Mapping[str, tuple[str, Collection[str]]]
) -> dict[str, Array]:
    """Add, for each part left out, what the whole holds beyond its other parts.

    So the parts of an explanation sum to the score, however coarsely each was stored.

    Args:
        arrays: unpacked arrays.
        remainders: part left out → (the whole, the other parts).
    Raises: ArtifactError when a named array is not there, or has another shape.
    """
    whole = dict(arrays)
    for part, (total, others) in remainders.items():
        try:
            rest = [arrays[other] for other in others]
            whole[part] = arrays[total] - np.sum(rest, axis=0) if rest else arrays[total]
        except (KeyError, ValueError) as error:
            raise ArtifactError(f"{part}.npy", f"it cannot be worked out ({error})") from error
    return whole


def _packed_floats(
    stem: str, array: Array, starts: IntArray | None, storage: Storage
) -> dict[str, Array]:
    if stem.endswith(EXACT) or (array.ndim == 1 and starts is None and array.size < FEW):
        return {stem: array}
    if storage == "int8" and starts is not None:
        quantized, scale = quantize_lists(array, starts)
    elif storage == "int8" and array.ndim == 2:
        quantized, scale = quantize_rows(array)
    else:
        return _halved(stem, array)
    return {stem: quantized, stem + SCALE: scale}


def _starts_of(stem: str, arrays: Mapping[str, Array]) -> IntArray | None:
    """Return the starts of the lists that a one-dimensional array holds, None for other arrays."""
    for ending in ("indices", "data"):
        if stem == ending or stem.endswith("_" + ending):
            return arrays.get(stem.removesuffix(ending) + "indptr")
    return None


def _sorted_lists(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Put the entries of every neighbor list in rising order of their item."""
    found = dict(arrays)
    for stem, indices in arrays.items():
        starts = _starts_of(stem, arrays)
        if starts is None or not stem.endswith("indices"):
            continue
        lists = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        order = np.lexsort((indices, lists))
        data = stem.removesuffix("indices") + "data"
        found[stem], found[data] = indices[order], arrays[data][order]
    return found


def _narrow(numbers: Array) -> Array:
    """Return int64 as int32 where that loses nothing."""
    if numbers.dtype != np.int64 or not numbers.size:
        return numbers
    fits = numbers.min() >= INT32.min and numbers.max() <= INT32.max
    return numbers.astype(np.int32) if fits else numbers


def _halved(stem: str, array: Array) -> dict[str, Array]:
    """Return float16, scaled by a power of two where its range would not do."""
    highest = float(np.abs(array).max(initial=0.0))
    if not highest or SMALL <= highest <= LARGE:
        return {stem: array.astype(np.float16)}
    scale = np.float32(2.0 ** (np.floor(np.log2(highest)) - AIM))
    scaled = np.asarray(array, np.float64) / float(scale)
    return {stem: scaled.astype(np.float16), stem + SCALE: np.array([scale])}


def _read_list(stem: str, array: Array, starts: IntArray) -> Array:
    try:
        return read_gaps(array, starts)
    except (ValueError, IndexError) as error:
        raise ArtifactError(f"{stem}.npy", f"its lists cannot be read ({error})") from error


def _widen(stem: str, array: Array, scale: Array, starts: IntArray | None) -> FloatArray:
    is_half = array.dtype == np.float16
    n = len(array) if starts is None else len(starts) - 1
    if not (is_half or array.dtype.kind in "iu") or scale.dtype != np.float32:
        found = f"{array.dtype.str} with scales {scale.dtype.str}"
        raise ArtifactError(f"{stem}.npy", f"it holds {found}; bytes or half floats are needed")
    if scale.shape != ((1,) if is_half else (n,)):
        needed = "one number" if is_half else "one number a row"
        raise ArtifactError(f"{stem}{SCALE}.npy", f"its shape is {scale.shape}, {needed} is needed")
    if not (np.isfinite(scale) & (scale >= 0)).all():
        raise ArtifactError(f"{stem}{SCALE}.npy", "a scale is below zero or no number")
    if is_half:
        return np.asarray(array.astype(np.float32) * scale[0])
    if starts is None:
        return np.asarray(array.astype(np.float32) * scale[:, None])
    lengths = np.diff(starts)
    if (lengths < 0).any() or int(lengths.sum()) != len(array):
        raise ArtifactError(f"{stem}.npy", "its length is not that of its lists")
    return np.asarray(array.astype(np.float32) * np.repeat(scale, lengths))
