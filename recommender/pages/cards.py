"""What a card shows: the item's art and facts, the prediction or the visitor's own stars."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zlib import crc32

from django.utils.text import slugify
from django.utils.translation import gettext, gettext_lazy, ngettext, pgettext_lazy

from recommender.catalog.models import Catalog, Item
from recommender.catalog.rules import rules_of
from recommender.pages import queries
from recommender.pages.visits import Visit
from recommender.serve.answers import ShownItem

N_STARS = 5
N_PATTERNS = 8
N_COLORS = 8
WIDE = 1.0  # a prediction less sure than this many stars says so on the card
ARTICLES = {"the", "a", "an", "le", "la", "les", "der", "die", "das", "il", "el", "of", "and"}
# The films catalog's own category names, to translate them and to give each its color.
GENRES: dict[str, tuple[Any, int]] = {
    "Action": (pgettext_lazy("genre", "Action"), 1),
    "Adventure": (pgettext_lazy("genre", "Adventure"), 2),
    "Animation": (pgettext_lazy("genre", "Animation"), 5),
    "Children's": (pgettext_lazy("genre", "Children's"), 3),
    "Comedy": (pgettext_lazy("genre", "Comedy"), 2),
    "Crime": (pgettext_lazy("genre", "Crime"), 7),
    "Documentary": (pgettext_lazy("genre", "Documentary"), 4),
    "Drama": (pgettext_lazy("genre", "Drama"), 6),
    "Fantasy": (pgettext_lazy("genre", "Fantasy"), 7),
    "Film-Noir": (pgettext_lazy("genre", "Film-Noir"), 0),
    "Horror": (pgettext_lazy("genre", "Horror"), 1),
    "Musical": (pgettext_lazy("genre", "Musical"), 8),
    "Mystery": (pgettext_lazy("genre", "Mystery"), 5),
    "Romance": (pgettext_lazy("genre", "Romance"), 8),
    "Sci-Fi": (pgettext_lazy("genre", "Sci-Fi"), 5),
    "Thriller": (pgettext_lazy("genre", "Thriller"), 0),
    "War": (pgettext_lazy("genre", "War"), 4),
    "Western": (pgettext_lazy("genre", "Western"), 3),
    "unknown": (pgettext_lazy("genre", "unknown"), 0),
}
RATING_WORDS = (
    gettext_lazy("not for me"),
    gettext_lazy("weak"),
    gettext_lazy("all right"),
    gettext_lazy("good"),
    gettext_lazy("excellent"),
)


@dataclass(frozen=True)
class Star:
    """One star or step of a rating control."""

    value: float
    label: str
    state: str  # full, half, empty
    is_checked: bool
    word: str = ""


@dataclass(frozen=True)
class Card:
    """An item as a page shows it. `shown` is None where no list put it there."""

    item: Item
    scale: "Scale"
    crowd: queries.Crowd
    own: float | None = None
    shown: ShownItem | None = None

    @property
    def slug(self) -> str:
        """Return the readable part of the item's address."""
        return slugify(self.item.title, allow_unicode=True)[:80] or "item"

    @property
    def year(self) -> int | None:
        """Return the year of publication."""
        return self.item.published_at.year if self.item.published_at else None

    @property
    def genre(self) -> str:
        """Name the first category in the active language."""
        return genre_label(self.item.categories[0]) if self.item.categories else ""

    @property
    def initials(self) -> str:
        """Return two letters that stand for the title on its poster."""
        words = re.findall(r"\w+", self.item.title)
        if words and not words[0].isascii():
            return str(words[0][:2])
        telling = [word for word in words if word.lower() not in ARTICLES and not word.isdigit()]
        return "".join(word[0] for word in (telling or words)[:2]).upper()

    @property
    def color(self) -> int:
        """Return the poster's color: the first category's."""
        name = self.item.categories[0] if self.item.categories else ""
        known = GENRES.get(name)
        return known[1] if known else crc32(name.encode()) % N_COLORS + 1

    @property
    def pattern(self) -> int:
        """Return the poster's pattern, which is the item's own."""
        return crc32(self.item.external_id.encode()) % N_PATTERNS

    @property
    def is_unsure(self) -> bool:
        """Tell whether the prediction's spread is worth a word on the card."""
        spread = self.shown.uncertainty if self.shown else None
        return spread is not None and spread >= WIDE

    @cached_property
    def stars(self) -> list[Star]:
        """Return the card's five whole stars; a half is drawn where the own rating has one."""
        return [self.scale.star(number, self.own) for number in range(1, N_STARS + 1)]

    @cached_property
    def steps(self) -> list[Star]:
        """Return every step of the scale."""
        return self.scale.steps(self.own)


@dataclass(frozen=True)
class Scale:
    """A catalog's rating scale as the controls draw it."""

    low: float
    high: float
    step: float
    is_ratable: bool = True

    @classmethod
    def of(cls, catalog: Catalog) -> "Scale":
        """Read the catalog's scale, and whether its events know ratings at all."""
        is_ratable = "rating" in rules_of(catalog)
        return cls(catalog.rating_min, catalog.rating_max, catalog.rating_step, is_ratable)

    @property
    def has_halves(self) -> bool:
        """Tell whether a second press on a star may take half of it off."""
        half = self.high / N_STARS / 2
        return self.step <= half and (half / self.step).is_integer()

    def star(self, number: int, own: float | None) -> Star:
        """Return star `number` of five, filled as the own rating fills it."""
        value = number * self.high / N_STARS
        half = value - self.high / N_STARS / 2
        state = "empty"
        if own is not None and own >= half:
            state = "full" if own >= value else "half"
        return Star(value, stars_label(value), state, is_checked=own == value)

    def steps(self, own: float | None) -> list[Star]:
        """Return every value of the scale, lowest first."""
        count = round((self.high - self.low) / self.step)
        values = [round(self.low + index * self.step, 4) for index in range(count + 1)]
        return [
            Star(value, stars_label(value), "empty", own == value, self._word(value))
            for value in values
        ]

    def _word(self, value: float) -> str:
        place = (value - self.low) / (self.high - self.low) * len(RATING_WORDS)
        return str(RATING_WORDS[min(int(place), len(RATING_WORDS) - 1)])


def stars_label(value: float) -> str:
    """Say a rating: `4 stars`, `3.5 stars`."""
    text = ngettext("%(value)s star", "%(value)s stars", 1 if value == 1 else 2)
    return text % {"value": f"{value:g}"}


def genre_label(name: str) -> str:
    """Name a category in the active language where we know it; else as the data calls it."""
    known = GENRES.get(name)
    return str(known[0]) if known else name


def predicted_label(card: Card) -> str:
    """Say what we expect the visitor to think, or that it is too early to say."""
    shown = card.shown
    if shown is None or shown.predicted_rating is None:
        return gettext("Hard to say yet")
    if shown.uncertainty is not None and card.is_unsure:
        return gettext("Predicted %(rating).1f ±%(spread).1f") % {
            "rating": shown.predicted_rating,
            "spread": shown.uncertainty,
        }
    return gettext("Predicted %(rating).1f") % {"rating": shown.predicted_rating}


def cards_of(visit: Visit, shown: Iterable[ShownItem]) -> list[Card]:
    """Return the cards of a list, in its order. At most three queries."""
    placed = list(shown)
    keys = [each.item_id for each in placed]
    items = queries.items_by_key(keys)
    crowd = queries.crowd_of(visit.catalog, keys)
    own = queries.own_ratings(visit.user, keys)
    scale = Scale.of(visit.catalog)
    return [
        Card(items[each.item_id], scale, crowd[each.item_id], own.get(each.item_id), each)
        for each in placed
        if each.item_id in items
    ]


def card_of(visit: Visit, item: Item, shown: ShownItem | None = None) -> Card:
    """Return the card of one item. At most two queries."""
    keys: Sequence[int] = [item.pk]
    crowd = queries.crowd_of(visit.catalog, keys)[item.pk]
    own = queries.own_ratings(visit.user, keys).get(item.pk)
    return Card(item, Scale.of(visit.catalog), crowd, own, shown)
