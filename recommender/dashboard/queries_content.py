"""Read how far the encoders are: what was read of the items, what could not be, and why."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, F, Q

from recommender.catalog.embed import HASHES, encoder_names, with_source
from recommender.catalog.models import Catalog, Item, ItemVector
from recommender.jobs.models import Job
from recommender.ml.encoders import ModalityName, encoder_id, is_fallback

MOST_PROBLEMS = 5


@dataclass(frozen=True)
class Reading:
    """How far one modality of a catalog was read by the encoder of the settings."""

    modality: ModalityName
    encoder: str  # its name in settings
    total: int  # items that have something to read
    done: int  # whose vector is of this encoder's newest version and up to date
    problems: Mapping[str, int]  # why items could not be read → how many, the most common first
    is_fallback: bool  # the bundled encoder is not installed, a weaker one stands in

    @property
    def is_at_work(self) -> bool:
        """Say whether items wait to be read."""
        return self.done < self.total


def readings(catalog: Catalog) -> list[Reading]:
    """Read the progress of each modality that has an encoder and items; up to four queries each.

    Weights are not loaded: which version is at work is seen from the newest vector.
    """
    found = [_reading(catalog, modality, name) for modality, name in encoder_names().items()]
    return [reading for reading in found if reading.total]


def trouble() -> list[str]:
    """Say why encoders failed at the last try to read items; empty when it went well. One query."""
    tried = Job.objects.filter(task="recommender.embed_items", attempts__gt=0)
    last = tried.exclude(state=Job.State.CLAIMED).order_by("-pk").first()
    return last.error.removeprefix("NotReady: ").splitlines() if last else []


def _reading(catalog: Catalog, modality: ModalityName, name: str) -> Reading:
    items = with_source(Item.objects.filter(catalog=catalog), modality)
    rows = ItemVector.objects.filter(
        item__catalog=catalog, modality=modality, encoder_id=encoder_id(name)
    )
    newest = rows.order_by("-created_at", "-pk").values_list("encoder_version", flat=True).first()
    current = rows.filter(encoder_version=newest, item__in=items)
    is_fresh = Q(source_hash=F(f"item__{HASHES[modality]}"))
    failed = current.filter(is_fresh).exclude(problem="").values_list("problem")
    counted = failed.annotate(n=Count("pk")).order_by("-n", "problem")[:MOST_PROBLEMS]
    setting = str(getattr(settings, f"ENCODER_{modality.upper()}"))
    return Reading(
        modality=modality,
        encoder=name,
        total=items.count(),
        done=current.filter(is_fresh).count(),
        problems=dict(counted),
        is_fallback=is_fallback(modality, setting),
    )
