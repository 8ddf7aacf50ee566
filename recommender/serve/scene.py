"""One request's view of the world, read once: nothing later in the request reads it again."""

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np
from django.db import DatabaseError
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from recommender import clock
from recommender.errors import Missing
from recommender.serve import blend, filters, items, registry, state
from recommender.serve.answers import ListRequest
from recommender.serve.blend import Scores
from recommender.serve.evidence import Evidence, of_person, with_features
from recommender.serve.items import ItemTable
from recommender.serve.registry import Served
from recommender.serve.state import Person, Reading

log = logging.getLogger(__name__)

_NOBODY = Reading(items_seq=0, version=None, is_broken=False, person=None)


@dataclass(frozen=True)
class Scene:
    """The request, the time, the person, the items and the one version that answers."""

    request: ListRequest
    now: datetime
    reading: Reading
    table: ItemTable = field(repr=False)
    served: Served | None
    is_stand_in: bool = False  # the live version could not be loaded
    is_cut_off: bool = False  # the database is out of reach: answer from memory, log nothing
    started: float = field(default_factory=time.perf_counter)

    @property
    def person(self) -> Person | None:
        """Return who asks, None for nobody, unknown people, and lists without a profile."""
        return self.reading.person

    @property
    def knows_people(self) -> bool:
        """Tell whether the version gives different people different lists."""
        return self.served is not None and self.served.strategy != "popular"

    @property
    def is_degraded(self) -> bool:
        """Tell whether the answer comes from less than the live version and the database."""
        return self.is_cut_off or self.is_stand_in

    @cached_property
    def may_show(self) -> NDArray[np.bool_]:
        """Return (n,) what is visible now and passes the request's filters."""
        wanted = filters.mask(self.request.catalog, self.table, self.request.filters)
        return self.table.allowed(self.now.timestamp()) & wanted

    @cached_property
    def is_open(self) -> NDArray[np.bool_]:
        """Return (n,) what may be shown and this person has neither seen nor dismissed."""
        rows = self.table.rows(self.excluded_ids)
        is_open = self.may_show.copy()
        is_open[rows[rows >= 0]] = False
        return is_open

    @cached_property
    def excluded_ids(self) -> NDArray[np.int64]:
        """Return the keys of seen and dismissed items."""
        if self.person is None:
            return np.zeros(0, np.int64)
        return np.concatenate([self.person.seen, self.person.hidden]).astype(np.int64)

    @cached_property
    def evidence(self) -> Evidence | None:
        """Return what the scorer may read of the person; None when that is nothing."""
        if self.person is None:
            return None
        evidence = of_person(self.request.catalog, self.person)
        if self.served is not None:
            evidence = with_features(evidence, self.served, self.person)
        return evidence if evidence.facts else None

    @cached_property
    def scores(self) -> Scores | None:
        """Score all items for the person; None without a model or without evidence it knows."""
        scores = self._scored
        return scores if scores is not None and scores.known.facts else None

    @property
    def has_failed(self) -> bool:
        """Tell whether the scorer was asked and gave no usable answer."""
        asked = self.__dict__.get("_scored", self) is None  # looks without asking
        return asked and self.served is not None and self.evidence is not None

    @cached_property
    def _scored(self) -> Scores | None:
        if self.served is None or self.evidence is None:
            return None
        return blend.score(self.served, self.evidence)

    def keep_open(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of these keys may be shown to this person."""
        rows = self.table.rows(ids)
        return (rows >= 0) & self.is_open[rows] if len(self.table) else rows >= 0


def open_scene(request: ListRequest) -> Scene:
    """Read all that the request needs: one statement once this process is warm.

    Raises: Missing when the catalog is gone; BadData on a filter that the catalog does not know.
    """
    filters.parse(request.catalog, request.filters)
    now = clock.now()
    try:
        reading = state.read(request)
        if reading is None:
            raise Missing(
                _("catalog %(slug)r does not exist (any more)") % {"slug": request.catalog.slug}
            )
        table = items.table_for(request.catalog, reading.items_seq)
        served, is_stand_in = registry.live(
            request.catalog, reading.version, is_broken=reading.is_broken
        )
    except DatabaseError:
        log.exception("serving from memory", extra={"catalog": request.catalog.slug})
        return _from_memory(request, now)
    return Scene(request, now, reading, table, served, is_stand_in=is_stand_in)


def _from_memory(request: ListRequest, now: datetime) -> Scene:
    catalog = request.catalog
    table = items.last_table(catalog) or items.build(0, {})
    served = registry.last_live(catalog)
    return Scene(request, now, _NOBODY, table, served, is_cut_off=True)
