"""Say what a kind of scorer is: what it is built from, and how that is checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from recommender.ml.manifest import MANIFEST, ArtifactError
from recommender.ml.scoring import Scorer

UNDER = "__"  # stands between a member's name and the name of its file or number

Array = NDArray[Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Pieces:
    """Hold an opened artifact: arrays by stem, raw files by name, numbers of the manifest."""

    arrays: Mapping[str, Array]
    raw: Mapping[str, bytes]
    numbers: Mapping[str, float]
    n_items: int
    n_users: int
    members: "Mapping[str, ScorerKind]" = field(default_factory=dict)  # of a blend
    prefix: str = ""  # of these pieces' names in the folder

    def number(self, name: str) -> float:
        """Return a number of the manifest. Raises: ArtifactError when it is missing."""
        if name not in self.numbers:
            raise ArtifactError(MANIFEST, f"the scorer needs the number {self.prefix + name!r}")
        return self.numbers[name]

    def under(self, member: str) -> "Pieces":
        """Return a member's pieces: those under its name, and the rest, which all share."""
        prefix = member + UNDER
        return replace(
            self,
            arrays={**self.arrays, **_stripped(self.arrays, prefix)},
            raw={**self.raw, **_stripped(self.raw, prefix)},
            numbers=_stripped(self.numbers, prefix),
            members={},
            prefix=prefix,
        )

    def refuse(self, stem: str, reason: str) -> ArtifactError:
        """Return the error that names the array's file."""
        own = self.prefix + stem
        return ArtifactError(f"{own if own in self.arrays else stem}.npy", reason)


def accept(pieces: Pieces) -> None:
    """Find nothing to check beyond shapes."""


@dataclass(frozen=True)
class ScorerKind:
    """Describe one way of scoring: its arrays, its raw files, how it is built and checked.

    Shapes are written as in the glossary: "M+1, D". M and U are the manifest's numbers of items
    and users; every other letter stands for one size, whichever that is, in all arrays of a kind.
    """

    name: str
    shapes: Mapping[str, str]  # stem → axes
    build: Callable[[Pieces], Scorer]
    optional: Mapping[str, str] = field(default_factory=dict)  # may be missing; `*` ends a family
    raw: frozenset[str] = frozenset()  # files that are no arrays
    check: Callable[[Pieces], None] = accept  # what shapes do not say

    @property
    def files(self) -> frozenset[str]:
        """Return the names of the files that must be there."""
        return frozenset(f"{stem}.npy" for stem in self.shapes) | self.raw


def check_shapes(pieces: Pieces, needed: Mapping[str, str], optional: Mapping[str, str]) -> None:
    """Refuse arrays that disagree with each other: then scoring need not look again."""
    sizes = {"M": pieces.n_items, "U": pieces.n_users}
    for stem, axes in needed.items():
        _check_shape(pieces, stem, axes, sizes)
    for pattern, axes in optional.items():
        for stem in pieces.arrays:
            if fnmatchcase(stem, pattern):
                _check_shape(pieces, stem, axes, sizes)


def check_rows(pieces: Pieces, stems: tuple[str, str], n_columns: int) -> None:
    """Refuse sparse rows (CSR edges and columns) that overlap or point beyond `n_columns`."""
    edges, columns = pieces.arrays[stems[0]], pieces.arrays[stems[1]]
    if edges[0] != 0 or (np.diff(edges) < 0).any():
        raise pieces.refuse(stems[0], "its rows overlap")
    if edges[-1] != len(columns):
        raise pieces.refuse(stems[1], "its length is wrong")
    if len(columns) and not 0 <= columns.min() <= columns.max() <= n_columns:
        raise pieces.refuse(stems[1], "it points outside the items")


def _check_shape(pieces: Pieces, stem: str, axes: str, sizes: dict[str, int]) -> None:
    shape, names = pieces.arrays[stem].shape, axes.split(", ")
    if len(shape) != len(names):
        raise pieces.refuse(stem, f"it has {len(shape)} axes, not {len(names)}")
    for found, name in zip(shape, names, strict=True):
        letter, _, more = name.partition("+")
        size = found - int(more or 0)
        if sizes.setdefault(letter, size) != size:
            whose = {"M": " (items)", "U": " (users)"}.get(letter, "")
            reason = f"its shape is {shape}, not ({axes}) with {letter} = {sizes[letter]}{whose}"
            raise pieces.refuse(stem, reason)


def _stripped(named: Mapping[str, T], prefix: str) -> dict[str, T]:
    own = {name: value for name, value in named.items() if name.startswith(prefix)}
    return {name.removeprefix(prefix): value for name, value in own.items()}
