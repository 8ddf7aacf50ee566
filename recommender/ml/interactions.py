"""A frozen snapshot as arrays: who did what with which item, when, and what is known of both."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]

_PER_EVENT = ("user", "item", "kind", "value", "weight", "time")
_TABLES = ("half_life_s", "user_features", "item_features", "content")
_META = "meta.json"


@dataclass(frozen=True)
class Modality:
    """Name what some columns of `content` were read from, and who read it."""

    name: str  # text, picture, sound
    width: int  # columns
    encoder: str = ""  # id@version: columns of another encoder mean something else


@dataclass(frozen=True)
class Interactions:
    """Events in the order (time, arrival), with users numbered 1..U and items 1..M; 0 is unknown.

    `weight` is the strength of the event as a positive; 0 means known, but no positive (a low
    rating, a dismissal). `value` is the rating, price or seconds, NaN where the event has none.
    """

    user: IntArray  # (N,) 1..U
    item: IntArray  # (N,) 1..M
    kind: IntArray  # (N,) index into `kinds`
    value: FloatArray  # (N,)
    weight: FloatArray  # (N,) ≥ 0
    time: IntArray  # (N,) seconds since 1970, never falling
    n_users: int
    n_items: int
    kinds: tuple[str, ...]
    half_life_s: FloatArray  # (len(kinds),)
    user_features: FloatArray  # (U+1, F_u) float32; row 0 describes the unknown user
    user_feature_names: tuple[str, ...]
    item_features: FloatArray  # (M+1, F_i) float32; row 0 is zero
    item_feature_names: tuple[str, ...]
    content: FloatArray  # (M+1, C) float32; C may be 0. Of each modality, side by side: unit rows,
    # or zeros where an item has no such vector
    modalities: tuple[Modality, ...] = ()  # in the order of the columns; empty: all of it is text
    rating_scale: tuple[float, float] = (1.0, 5.0)  # the least and the most that `value` rates with

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together; a wrong axis would train without complaint."""
        n = len(self.user)
        for name in _PER_EVENT:
            if getattr(self, name).shape != (n,):
                shape = getattr(self, name).shape
                raise ValueError(f"{name} has shape {shape}; expected ({n},), one entry an event")
        if not self.rating_scale[0] < self.rating_scale[1]:
            raise ValueError(f"rating_scale is {self.rating_scale}; expected the lower end first")
        _check_range("user", self.user, 1, self.n_users)
        _check_range("item", self.item, 1, self.n_items)
        _check_range("kind", self.kind, 0, len(self.kinds) - 1)
        if n and np.any(np.diff(self.time) < 0):
            raise ValueError("time falls at some event; sort the events by (time, arrival) first")
        rows = {"user_features": self.n_users + 1, "item_features": self.n_items + 1}
        rows |= {"content": self.n_items + 1, "half_life_s": len(self.kinds)}
        for name, expected in rows.items():
            if len(getattr(self, name)) != expected:
                got = len(getattr(self, name))
                raise ValueError(f"{name} has {got} rows; expected {expected}")
        widths = [modality.width for modality in self.modalities]
        if widths and sum(widths) != self.content.shape[1]:
            found = self.content.shape[1]
            raise ValueError(f"content has {found} columns; its modalities have {widths}")

    def content_columns(self) -> list[tuple[Modality, slice]]:
        """Return each modality with its columns of `content`; none without content."""
        width = self.content.shape[1]
        known = self.modalities or ((Modality("text", width),) if width else ())
        ends = np.cumsum([modality.width for modality in known]).tolist()
        return [
            (modality, slice(end - modality.width, end))
            for modality, end in zip(known, ends, strict=True)
        ]

    def __len__(self) -> int:
        """Count the events."""
        return len(self.user)

    def take(self, mask: BoolArray | IntArray) -> Interactions:
        """Keep the events that a mask, or rising positions, select; users and items stay."""
        kept: dict[str, Any] = {name: getattr(self, name)[mask] for name in _PER_EVENT}
        return replace(self, **kept)

    def followed_by(self, later: Interactions) -> Interactions:
        """Append later events of the same users and items."""
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(self, name), getattr(later, name)]) for name in _PER_EVENT
        }
        return replace(self, **joined)

    def positives(self) -> Interactions:
        """Keep events of weight > 0."""
        return self.take(self.weight > 0)

    def before(self, t: int) -> Interactions:
        """Keep events strictly earlier than second `t`."""
        return self.take(self.time < t)

    def since(self, t: int) -> Interactions:
        """Keep events at second `t` or later."""
        return self.take(self.time >= t)

    def by_user(self) -> tuple[IntArray, IntArray]:
        """Group events by user without copying them.

        Returns: (order, starts), shapes (N,) and (U+2,): the events of user u are
        `order[starts[u] : starts[u + 1]]`, oldest first. User 0 has none.
        """
        order = np.argsort(self.user, kind="stable")
        counts = np.bincount(self.user, minlength=self.n_users + 1)
        starts = np.zeros(self.n_users + 2, dtype=np.int64)
        np.cumsum(counts, out=starts[1:])
        return order, starts

    def save(self, folder: Path) -> None:
        """Write one .npy file per array and meta.json; the same data give the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in (*_PER_EVENT, *_TABLES):
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)
        meta = {f.name: getattr(self, f.name) for f in fields(self)}
        meta = {k: v for k, v in meta.items() if k not in (*_PER_EVENT, *_TABLES)}
        meta["modalities"] = [asdict(modality) for modality in self.modalities]
        text = json.dumps(meta, indent=1, sort_keys=True, ensure_ascii=False)
        (folder / _META).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Interactions:
        """Read a folder that `save` wrote. Raises: ValueError when the parts do not fit."""
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
        tables = {
            name: np.load(folder / f"{name}.npy", allow_pickle=False)
            for name in (*_PER_EVENT, *_TABLES)
        }
        return cls(
            n_users=int(meta["n_users"]),
            n_items=int(meta["n_items"]),
            kinds=tuple(meta["kinds"]),
            user_feature_names=tuple(meta["user_feature_names"]),
            item_feature_names=tuple(meta["item_feature_names"]),
            # Snapshots from before there were several modalities do not name any.
            modalities=tuple(Modality(**entry) for entry in meta.get("modalities", ())),
            rating_scale=_scale(meta.get("rating_scale", (1.0, 5.0))),  # older ones do not tell it
            **tables,
        )


def _scale(ends: Any) -> tuple[float, float]:
    low, high = ends
    return float(low), float(high)


def _check_range(name: str, numbers: IntArray, low: int, high: int) -> None:
    if numbers.size and (numbers.min() < low or numbers.max() > high):
        raise ValueError(
            f"{name} runs from {numbers.min()} to {numbers.max()}; expected {low} to {high}"
        )
