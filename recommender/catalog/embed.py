"""Give every item its content vectors; only what is missing or has changed is encoded."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from recommender import clock
from recommender.catalog import media
from recommender.catalog.models import Catalog, Item, ItemVector
from recommender.catalog.text import item_text
from recommender.errors import BadData, NotReady
from recommender.ml.encoders import (
    MODALITIES,
    NONE,
    Encoder,
    ModalityName,
    Source,
    choose,
    load_encoder,
)

BATCH = 64
Progress = Callable[[int, int], None]
# The item's column with the digest of what is read.
HASHES: Mapping[ModalityName, str] = {
    "text": "text_hash",
    "picture": "picture_hash",
    "sound": "sound_hash",
}

log = structlog.get_logger(__name__)


def encoder_names() -> dict[ModalityName, str]:
    """Return the encoder's name of each modality that has one: the setting, or the default."""
    chosen = {name: choose(name, _setting(name)) for name in MODALITIES}
    return {name: encoder for name, encoder in chosen.items() if encoder != NONE}


def encoders_for(catalog: Catalog) -> list[Encoder]:
    """Load the encoders that a catalog's items need; none for pictures where there are none.

    Raises: NotReady when one cannot be loaded and no other one could be.
    """
    loaded, problems = _load(catalog)
    if problems and not loaded:
        raise NotReady(next(iter(problems.values())))
    return loaded


def embed_catalog(*, catalog: Catalog) -> dict[ModalityName, str]:
    """Encode what is missing in every modality; return what is wrong with encoders that failed.

    One that cannot be loaded, or breaks off, does not keep the others from their work.
    """
    loaded, problems = _load(catalog)
    for encoder in loaded:
        try:
            embed_items(catalog=catalog, encoder=encoder)
        except NotReady as problem:
            log.warning("encoder_broke_off", modality=encoder.modality, problem=str(problem))
            problems[encoder.modality] = str(problem)
    return problems


def embed_items(*, catalog: Catalog, encoder: Encoder, progress: Progress | None = None) -> int:
    """Encode items whose vector is missing or out of date; return how many were encoded.

    Each batch is committed by itself: a killed run goes on where it stopped. Vectors of other
    encoders and versions stay until this one has read everything, so that there is always one
    whole set to learn from.
    """
    if encoder.modality != "text":
        _notice_changed_files(catalog, encoder)
    stale = _stale(catalog, encoder)
    total = stale.count()
    done = 0
    last = 0
    while batch := list(stale.filter(pk__gt=last).order_by("pk")[:BATCH]):
        _embed_batch(batch, encoder)
        last = batch[-1].pk
        done += len(batch)
        if progress:
            progress(done, max(total, done))
    if not stale.exists():
        _forget_others(catalog, encoder)
    return done


def missing_vectors(*, catalog: Catalog, encoder: Encoder) -> int:
    """Count items whose vector is missing or out of date. One query."""
    return _stale(catalog, encoder).count()


def with_source(items: QuerySet[Item], modality: ModalityName) -> QuerySet[Item]:
    """Keep items that have something to read: all of them for text."""
    return items if modality == "text" else items.exclude(**{modality: ""})


def _load(catalog: Catalog) -> tuple[list[Encoder], dict[ModalityName, str]]:
    """Load the encoders of the modalities that items have; and say which could not be, and why."""
    loaded: list[Encoder] = []
    problems: dict[ModalityName, str] = {}
    for modality, name in encoder_names().items():
        if not with_source(Item.objects.filter(catalog=catalog), modality).exists():
            continue
        try:
            loaded.append(load_encoder(name, modality, settings.ENCODER_API_KEY))
        except NotReady as problem:
            log.warning("encoder_not_ready", modality=modality, problem=str(problem))
            problems[modality] = str(problem)
    return loaded, problems


def _setting(modality: ModalityName) -> str:
    return str(getattr(settings, f"ENCODER_{modality.upper()}"))


def _stale(catalog: Catalog, encoder: Encoder) -> QuerySet[Item]:
    current = ItemVector.objects.filter(
        item=OuterRef("pk"),
        modality=encoder.modality,
        encoder_id=encoder.id,
        encoder_version=encoder.version,
        source_hash=OuterRef(HASHES[encoder.modality]),
    )
    items = Item.objects.filter(~Exists(current), catalog=catalog)
    return with_source(items, encoder.modality)


def _notice_changed_files(catalog: Catalog, encoder: Encoder) -> None:
    """Look at the files behind the vectors; one that was written anew gets its new digest."""
    column = HASHES[encoder.modality]
    rows = ItemVector.objects.filter(
        item__catalog=catalog,
        modality=encoder.modality,
        encoder_id=encoder.id,
        encoder_version=encoder.version,
    ).exclude(**{f"item__{encoder.modality}": ""})
    fields = ("pk", "source_mark", "item_id", f"item__{encoder.modality}", f"item__{column}")
    for pk, known, item_id, name, digest in rows.values_list(*fields).iterator(chunk_size=2000):
        path = _path(encoder.modality, name)
        mark = media.mark(path)
        if mark == known:
            continue
        ItemVector.objects.filter(pk=pk).update(source_mark=mark)
        found = media.digest(path)
        if found != digest:
            Item.objects.filter(pk=item_id).update(**{column: found})


def _path(modality: ModalityName, name: str) -> Path:
    try:
        return media.path_of(modality, name)
    except BadData:
        return Path(settings.MEDIA_DIR) / "gone"


def _sources(items: Sequence[Item], modality: ModalityName) -> tuple[list[Source], dict[int, str]]:
    """Return what the encoder is to read, and what is wrong with files that it cannot get."""
    if modality == "text":
        return [item_text(item) for item in items], {}
    sources: list[Source] = []
    problems: dict[int, str] = {}
    for place, item in enumerate(items):
        try:
            sources.append(media.path_of(modality, getattr(item, modality)))
        except BadData as problem:
            sources.append(b"")
            problems[place] = str(problem)
    return sources, problems


def _embed_batch(items: Sequence[Item], encoder: Encoder) -> None:
    sources, problems = _sources(items, encoder.modality)
    marks = [media.mark(source) if isinstance(source, Path) else "" for source in sources]
    # Encoding takes far longer than writing: no transaction is open meanwhile.

    def skipped(place: int, why: str) -> None:
        problems.setdefault(place, why)

    vectors = encoder.encode(sources, skipped)
    if problems:
        log.info("not_read", modality=encoder.modality, n=len(problems))
    moment = clock.now()
    with transaction.atomic():
        ItemVector.objects.bulk_create(
            [
                ItemVector(
                    item=item,
                    modality=encoder.modality,
                    encoder_id=encoder.id,
                    encoder_version=encoder.version,
                    dimension=encoder.dimension,
                    vector=np.asarray(vector, dtype="<f4").tobytes(),
                    source_hash=getattr(item, HASHES[encoder.modality]),
                    source_mark=marks[place],
                    problem=problems.get(place, "")[:200],
                    created_at=moment,
                )
                for place, (item, vector) in enumerate(zip(items, vectors, strict=True))
            ],
            update_conflicts=True,
            unique_fields=["item", "modality", "encoder_id", "encoder_version"],
            update_fields=[
                *("dimension", "vector", "source_hash", "source_mark", "problem", "created_at")
            ],
        )


def _forget_others(catalog: Catalog, encoder: Encoder) -> None:
    """Delete what other encoders read of this modality, and vectors of files taken off an item."""
    rows = ItemVector.objects.filter(item__catalog=catalog, modality=encoder.modality)
    rows.exclude(encoder_id=encoder.id, encoder_version=encoder.version).delete()
    if encoder.modality != "text":
        rows.filter(**{f"item__{encoder.modality}": ""}).delete()
