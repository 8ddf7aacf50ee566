"""Template tags of the site: addresses within a catalog, the language, what a card says."""

from typing import Any

from django import template
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from recommender.collect.models import Event
from recommender.pages.cards import Card, predicted_label, stars_label
from recommender.pages.forms import REASONS
from recommender.pages.swaps import Swap

register = template.Library()
HTML_LANGUAGES = {"zh-hans": "zh-Hans"}
ACTS = {
    "rating": _("Rated"),
    "like": _("Liked"),
    "want": _("Wanted"),
    "cart": _("Put in the cart"),
    "purchase": _("Bought"),
    "share": _("Shared"),
    "click": _("Opened"),
}
SURFACES = {
    "home": _("Home"),
    "more": _("Home"),
    "similar": _("Similar row"),
    "search": _("Search"),
    "browse": _("Browse"),
    "welcome": _("Welcome"),
    "api": _("Another site"),
    "rank": _("Another site"),
}
SOURCES = {
    Event.Source.WEB: _("This site"),
    Event.Source.API: _("Another site"),
    Event.Source.IMPORT: _("Import"),
    Event.Source.SIMULATED: _("Simulated"),
}


@register.simple_tag
def html_lang() -> str:
    """Return the active language as BCP 47 writes it."""
    language = get_language() or "en"
    return HTML_LANGUAGES.get(language, language)


@register.simple_tag(takes_context=True)
def page(context: dict[str, Any], name: str, *args: object) -> str:
    """Return the address of a page, under the catalog's prefix when the visit has one."""
    prefix = context.get("catalog_prefix", "")
    if prefix:
        return reverse(f"catalog:{name}", args=[prefix, *args])
    return reverse(f"site:{name}", args=args)


@register.simple_tag(takes_context=True)
def item_address(context: dict[str, Any], card: Card) -> str:
    """Return an item's address; with the token of the list that shows it, so a click is logged."""
    address = page(context, "item", card.item.pk, card.slug)
    return f"{address}?t={card.shown.token}" if card.shown and card.shown.token else address


@register.simple_tag(takes_context=True)
def current(context: dict[str, Any], name: str) -> SafeString | str:
    """Mark a link of the navigation when it leads to the present page."""
    match = getattr(context.get("request"), "resolver_match", None)
    is_here = match is not None and match.app_names == ["site"] and match.url_name == name
    return mark_safe(' aria-current="page"') if is_here else ""


@register.filter
def predicted(card: Card) -> str:
    """Say what we expect the visitor to think of the item."""
    return predicted_label(card)


@register.filter
def as_stars(value: float) -> str:
    """Say a rating in words: `4 stars`."""
    return stars_label(value)


@register.filter
def unlocalize_number(value: float) -> str:
    """Write a number as HTML and SVG attributes want it, whatever the language."""
    return f"{value:g}"


@register.filter
def act_name(type: str) -> str:
    """Name what the visitor did with an item."""
    return str(ACTS.get(type, type))


@register.filter
def source_name(event: Event) -> str:
    """Say where an entry of the history comes from: a list of ours, an import, elsewhere."""
    if event.slate is not None:
        return str(SURFACES.get(event.slate.surface, event.slate.surface))
    return str(SOURCES[Event.Source(event.source)])


@register.filter
def dismiss_reason(reason: str) -> str:
    """Say why the visitor hid an item."""
    return str(dict(REASONS).get(reason, ""))


@register.simple_tag(takes_context=True)
def fragment(context: template.Context, swap: Swap) -> SafeString:
    """Draw one fragment of an answer with its own values over the page's."""
    with context.push(**swap.context):
        chosen = context.template.engine.get_template(swap.template)  # type: ignore[union-attr]
        return chosen.render(context)
