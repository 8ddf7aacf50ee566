"""Filters that a request may ask for: checked by name and value, then one mask over the table."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from recommender.catalog.models import Catalog
from recommender.errors import BadData
from recommender.serve.items import ItemRecord, ItemTable
from recommender.serve.policy import BUILT_IN_FILTERS, filter_names

Test = Callable[[ItemRecord], bool]


def mask(catalog: Catalog, table: ItemTable, filters: Mapping[str, str]) -> NDArray[np.bool_]:
    """Return (n,) whether each item passes all filters.

    Raises: BadData on an unknown name or a value that is no number or date.
    """
    tests = parse(catalog, filters)
    if not tests:
        return np.ones(len(table), np.bool_)
    return np.array([all(test(r) for test in tests) for r in table.records], np.bool_)


def parse(catalog: Catalog, filters: Mapping[str, str]) -> tuple[Test, ...]:
    """Turn filters into tests of one item.

    Raises: BadData on an unknown name or a value that is no number or date.
    """
    known = filter_names(catalog)
    for name in filters:
        if name not in known:
            raise BadData(
                _("filter %(name)r is unknown; this catalog knows: %(known)s")
                % {"name": name, "known": ", ".join(known)}
            )
    return tuple(_test(name, value) for name, value in filters.items())


def _test(name: str, value: str) -> Test:
    if name not in BUILT_IN_FILTERS:
        return lambda item: _has(item.attributes.get(name), value)
    if name in ("price_min", "price_max"):
        return _price(name, value)
    if name in ("published_after", "published_before"):
        return _published(name, value)
    word = value.casefold()
    if name == "language":
        return lambda item: item.language.casefold() == word
    field = {"category": "categories", "tag": "tags", "creator": "creators"}[name]
    return lambda item: any(str(entry).casefold() == word for entry in getattr(item, field))


def _price(name: str, value: str) -> Test:
    try:
        limit = float(value)
    except ValueError:
        limit = np.nan
    if not np.isfinite(limit):
        raise BadData(
            _("filter %(name)s is %(value)r; expected a number such as 9.5")
            % {"name": name, "value": value}
        )
    if name == "price_min":
        return lambda item: item.price is not None and item.price >= limit
    return lambda item: item.price is not None and item.price <= limit


def _published(name: str, value: str) -> Test:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise BadData(
            _("filter %(name)s is %(value)r; expected a date like 2026-11-24")
            % {"name": name, "value": value}
        ) from error
    limit = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if name == "published_after":
        return lambda item: item.published_s >= limit
    return lambda item: item.published_s < limit


def _has(found: object, value: str) -> bool:
    entries = found if isinstance(found, list) else [found]
    return any(str(entry).casefold() == value.casefold() for entry in entries if entry is not None)
