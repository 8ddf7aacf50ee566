"""Everything that changes catalogs and items."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from recommender import clock
from recommender.catalog import media
from recommender.catalog.models import Catalog, Item, Scenario
from recommender.catalog.rules import DEFAULT_RULES
from recommender.catalog.text import text_hash
from recommender.errors import BadData, Missing

LIKED_SHARE = 0.75  # of a rating scale, its ends being 0 and 1: four of one to five stars
MOST_EXPLORATION = 0.02  # share of the best lists' worth
DEFAULT_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "films": {"filters": ["categories", "language", "country", "year"]},
    "shop": {"filters": ["categories", "price"], "rating_min": 1.0, "rating_step": 1.0},
    "news": {"filters": ["categories", "language"]},
    "social": {"filters": ["categories", "tags", "language"]},
}
# How many characters each text may have, by the column that keeps it.
_LIMITS: Mapping[str, int] = {
    "external_id": 200,
    "title": 500,
    "description": 100_000,
    "language": 35,
    "image_url": 2000,
    "audio_url": 2000,
}
_LISTS = ("categories", "tags", "creators")
_MEDIA = ("picture", "sound")
_MOST_ENTRIES = 200
_COLUMNS = (
    *("title", "description", "categories", "tags", "creators", "price", "sales", "language"),
    *("published_at", "expires_at", "image_url", "audio_url", "attributes", "is_hidden"),
)


@dataclass(frozen=True)
class ItemInput:
    """An item as another site, a file or the API describes it: the whole of it, not a change."""

    external_id: str
    title: str
    description: str = ""
    categories: Sequence[str] = ()
    tags: Sequence[str] = ()
    creators: Sequence[str] = ()
    price: float | None = None
    sales: int | None = None
    language: str = ""
    published_at: datetime | None = None
    expires_at: datetime | None = None
    image_url: str = ""
    audio_url: str = ""
    picture: str | None = None  # a path below the media folder; None keeps what is stored
    sound: str | None = None
    is_hidden: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)


class BadItem(BadData):
    """An item that cannot be stored; `field` names what is wrong with it."""

    def __init__(self, field: str, detail: str) -> None:
        """Keep field and sentence."""
        super().__init__(detail)
        self.field = field


@transaction.atomic
def create_catalog(
    *, slug: str, name: str, scenario: str, is_default: bool = False, **options: Any
) -> Catalog:
    """Create a catalog with its scenario's event rules and filters; `options` override columns.

    A rating scale of its own without `liked_from` is liked from three quarters of it on.
    """
    if scenario not in Scenario.values:
        raise BadData(
            _("The scenario is %(scenario)r; choose one of %(known)s.")
            % {"scenario": scenario, "known": ", ".join(Scenario.values)}
        )
    if is_default:
        Catalog.objects.filter(is_default=True).update(is_default=False)
    fields = {"event_rules": dict(DEFAULT_RULES[scenario]), **DEFAULT_OPTIONS[scenario], **options}
    if "rating_max" in options and "liked_from" not in options:
        low = float(fields.get("rating_min", Catalog._meta.get_field("rating_min").default))
        fields["liked_from"] = low + LIKED_SHARE * (float(options["rating_max"]) - low)
    return Catalog.objects.create(
        slug=slug,
        name=name,
        scenario=scenario,
        is_default=is_default,
        created_at=clock.now(),
        **fields,
    )


def set_exploration(*, catalog: Catalog, target: float) -> None:
    """Set what drawing lists may cost, as a share of the best list's worth; 0 draws nothing.

    Raises: BadData below 0 or above 2 %, where exploring would hurt people more than it tells.
    """
    if not 0 <= target <= MOST_EXPLORATION:
        raise BadData(
            _("Exploring may cost 0 to %(most)s %%; %(target)s %% is not.")
            % {"most": f"{100 * MOST_EXPLORATION:g}", "target": f"{100 * target:g}"}
        )
    Catalog.objects.filter(pk=catalog.pk).update(exploration_target=target)


@transaction.atomic
def put_items(*, catalog: Catalog, items: Sequence[ItemInput]) -> list[Item]:
    """Create items or replace them; return the rows in the order given.

    The catalog's `items_seq` rises once, so that web workers notice. Of two inputs with one id
    the later one counts.

    Raises: BadItem naming the field of the first input that cannot be stored.
    """
    for item in items:
        check_item(item)
    latest = {item.external_id: item for item in items}
    if not latest:
        return []
    seq = _next_seq(catalog)
    moment = clock.now()
    kept, columns = _kept_media(catalog, latest)
    Item.objects.bulk_create(
        [_row(catalog, latest[key], seq, moment, kept.get(key, {})) for key in sorted(latest)],
        update_conflicts=True,
        unique_fields=["catalog", "external_id"],
        update_fields=[*_COLUMNS, *columns, "text_hash", "changed_seq", "updated_at"],
    )
    stored = {
        row.external_id: row
        for row in Item.objects.filter(catalog=catalog, external_id__in=list(latest))
    }
    return [stored[item.external_id] for item in items]


@transaction.atomic
def hide_item(*, item: Item, is_hidden: bool) -> Item:
    """Hide an item from all lists at once, or show it again; facts keep pointing at it."""
    item.is_hidden = is_hidden
    item.changed_seq = _next_seq(item.catalog)
    item.updated_at = clock.now()
    item.save(update_fields=["is_hidden", "changed_seq", "updated_at"])
    return item


def find_item(catalog: Catalog, external_id: str) -> Item | None:
    """Find an item by the outside id. One query."""
    return Item.objects.filter(catalog=catalog, external_id=external_id).first()


def find_catalog(slug: str) -> Catalog:
    """Find a catalog by its name in addresses. One query.

    Raises: Missing when there is none.
    """
    found = Catalog.objects.filter(slug=slug).first()
    if found is None:
        raise Missing(_("There is no catalog %(slug)r.") % {"slug": slug})
    return found


def default_catalog() -> Catalog | None:
    """Return the catalog that `/` shows: the default one, else the first made. One query."""
    return Catalog.objects.order_by("-is_default", "pk").first()


def check_item(item: ItemInput) -> None:
    """Refuse an item that no database could store or that no page should show.

    Raises: BadItem naming field, what came and what was expected.
    """
    _require(bool(item.external_id), "external_id", _("The id is empty."))
    _require(bool(item.title.strip()), "title", _("The title is empty."))
    for name, limit in _LIMITS.items():
        _check_text(name, getattr(item, name), limit)
    for name in _LISTS:
        entries = getattr(item, name)
        _require(
            len(entries) <= _MOST_ENTRIES,
            name,
            _("%(field)s has %(n)d entries; at most %(most)d are kept.")
            % {"field": name, "n": len(entries), "most": _MOST_ENTRIES},
        )
        for entry in entries:
            _check_text(name, entry, 200)
    for name in ("price", "sales"):
        value = getattr(item, name)
        is_number = value is None or (_is_finite(value) and 0 <= value < 2**63)
        detail = _("%(field)s is %(value)s; send a number from 0 on.")
        _require(is_number, name, detail % {"field": name, "value": str(value)[:40]})
    for name in ("published_at", "expires_at"):
        moment = getattr(item, name)
        detail = _("%(field)s has no time zone; end it with Z or +00:00.") % {"field": name}
        _require(moment is None or moment.tzinfo is not None, name, detail)
    for name in ("image_url", "audio_url"):
        detail = _("%(field)s must start with https://, http:// or /.") % {"field": name}
        _require(_is_address(getattr(item, name)), name, detail)
    _check_media(item)


def _check_media(item: ItemInput) -> None:
    for name in _MEDIA:
        path = getattr(item, name)
        if not path:
            continue
        try:
            media.path_of(name, path)
        except BadData as problem:
            raise BadItem(name, str(problem)) from None


def _require(is_fine: bool, name: str, detail: str) -> None:
    if not is_fine:
        raise BadItem(name, detail)


def _check_text(name: str, text: str, limit: int) -> None:
    detail = _("%(field)s must have at most %(limit)d characters, none of them NUL.")
    is_fine = (
        len(text) <= limit
        and "\0" not in text
        and (text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text))
    )
    _require(is_fine, name, detail % {"field": name, "limit": limit})


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _is_address(text: str) -> bool:
    # "//host" would be another site's address without looking like one; other schemes run code.
    if text.startswith("/"):
        return not text.startswith(("//", "/\\"))
    return not text or text.lower().startswith(("https://", "http://"))


def _next_seq(catalog: Catalog) -> int:
    # The update locks the row until the commit, so numbers become visible in their order.
    Catalog.objects.filter(pk=catalog.pk).update(items_seq=F("items_seq") + 1)
    catalog.refresh_from_db(fields=["items_seq"])
    return catalog.items_seq


def _kept_media(
    catalog: Catalog, items: Mapping[str, ItemInput]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Return what items keep of their files, and the columns to write: none if nobody names one.

    Runs a query only when some items name a file and others do not.
    """
    named = [name for name in _MEDIA if any(getattr(i, name) is not None for i in items.values())]
    columns = [column for name in named for column in (name, f"{name}_hash")]
    silent = [
        key for key, item in items.items() if any(getattr(item, name) is None for name in named)
    ]
    if not silent:
        return {}, columns
    rows = Item.objects.filter(catalog=catalog, external_id__in=silent)
    return {row.pop("external_id"): row for row in rows.values("external_id", *columns)}, columns


def _row(
    catalog: Catalog, item: ItemInput, seq: int, moment: datetime, kept: Mapping[str, str]
) -> Item:
    fields = asdict(item) | {name: list(getattr(item, name)) for name in _LISTS}
    for name in _MEDIA:
        if fields[name] is None:
            fields[name] = kept.get(name, "")
            fields[f"{name}_hash"] = kept.get(f"{name}_hash", "")
        elif fields[name]:
            fields[f"{name}_hash"] = media.digest(media.path_of(name, fields[name]))
    return Item(
        catalog=catalog,
        text_hash=text_hash(item),
        changed_seq=seq,
        created_at=moment,
        updated_at=moment,
        **fields,
    )
