"""Give every item its content vector; only what is missing or has changed is encoded."""

from collections.abc import Callable, Sequence

import numpy as np
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from recommender import clock
from recommender.catalog.models import Catalog, Item, ItemVector
from recommender.catalog.text import item_text
from recommender.ml.encoders import Encoder

BATCH = 64
Progress = Callable[[int, int], None]


def embed_items(*, catalog: Catalog, encoder: Encoder, progress: Progress | None = None) -> int:
    """Encode items whose vector is missing or out of date; return how many were encoded.

    Each batch is committed by itself: a killed run goes on where it stopped. Vectors of the same
    encoder in an older version count as out of date.
    """
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
    return done


def missing_vectors(*, catalog: Catalog, encoder: Encoder) -> int:
    """Count items whose vector is missing or out of date. One query."""
    return _stale(catalog, encoder).count()


def _stale(catalog: Catalog, encoder: Encoder) -> QuerySet[Item]:
    current = ItemVector.objects.filter(
        item=OuterRef("pk"),
        encoder_id=encoder.id,
        encoder_version=encoder.version,
        text_hash=OuterRef("text_hash"),
    )
    return Item.objects.filter(~Exists(current), catalog=catalog)


def _embed_batch(items: Sequence[Item], encoder: Encoder) -> None:
    # Encoding takes far longer than writing: no transaction is open meanwhile.
    vectors = encoder.encode([item_text(item) for item in items])
    moment = clock.now()
    with transaction.atomic():
        ItemVector.objects.bulk_create(
            [
                ItemVector(
                    item=item,
                    encoder_id=encoder.id,
                    encoder_version=encoder.version,
                    dimension=encoder.dimension,
                    vector=np.asarray(vector, dtype="<f4").tobytes(),
                    text_hash=item.text_hash,
                    created_at=moment,
                )
                for item, vector in zip(items, vectors, strict=True)
            ],
            update_conflicts=True,
            unique_fields=["item", "encoder_id"],
            update_fields=["encoder_version", "dimension", "vector", "text_hash", "created_at"],
        )
