"""Put a scorer together from an artifact, after checking that its parts fit."""

from collections.abc import Mapping

from recommender.ml.manifest import MANIFEST, ArtifactError, Manifest
from recommender.ml.scorers import SCORERS
from recommender.ml.scorers.kind import UNDER, Array, Pieces, ScorerKind, check_shapes
from recommender.ml.scoring import Scorer

_SHARED: Mapping[str, str] = {"item_ids": "M+1", "user_ids": "U+1", "popularity": "M+1"}
_RATING: Mapping[str, str] = {"rating_level": "M+1", "rating_count": "M+1"}


def require_files(manifest: Manifest) -> None:
    """Refuse a manifest that does not list what its kind of model needs."""
    kind = kind_of(manifest.kind)
    names = {entry.name for entry in manifest.files}
    shared = {f"{stem}.npy" for stem in _SHARED}
    missing = sorted((kind.files | shared) - names)
    for member, name in manifest.members.items():
        needed = sorted(kind_of(name).files)
        missing += [f for f in needed if member + UNDER + f not in names and f not in names]
    if missing:
        raise ArtifactError(missing[0], f"a {manifest.kind} model needs it, the manifest lacks it")
    if len(names) != len(manifest.files):
        raise ArtifactError(MANIFEST, "it lists a file twice")


def check_parts(manifest: Manifest, arrays: Mapping[str, Array]) -> None:
    """Refuse arrays that disagree with the manifest or with each other."""
    pieces, kind = _pieces(manifest, arrays, {}), kind_of(manifest.kind)
    check_shapes(pieces, _SHARED, _RATING)
    if arrays["item_ids"][0] != 0:
        raise ArtifactError("item_ids.npy", "row 0 must stand for no item")
    check_shapes(pieces, kind.shapes, kind.optional)
    kind.check(pieces)
    for name, member in pieces.members.items():
        own = pieces.under(name)
        check_shapes(own, member.shapes, member.optional)
        member.check(own)


def build_scorer(
    manifest: Manifest, arrays: Mapping[str, Array], raw: Mapping[str, bytes]
) -> Scorer:
    """Return the scorer of this kind of model over checked arrays (by stem) and raw files."""
    return kind_of(manifest.kind).build(_pieces(manifest, arrays, raw))


def kind_of(name: str) -> ScorerKind:
    """Return the kind of this name. Raises: ArtifactError when there is none."""
    if name not in SCORERS:
        raise ArtifactError(MANIFEST, f"kind {name!r} is none of {sorted(SCORERS)}")
    return SCORERS[name]


def _pieces(manifest: Manifest, arrays: Mapping[str, Array], raw: Mapping[str, bytes]) -> Pieces:
    return Pieces(
        arrays=arrays,
        raw=raw,
        numbers=manifest.scoring,
        n_items=manifest.n_items,
        n_users=manifest.n_users,
        members={name: kind_of(kind) for name, kind in manifest.members.items()},
    )
