"""Template tags of the site: addresses within a catalog, the language, stars, posters, figures."""

from typing import Any

from django import template
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

register = template.Library()
HTML_LANGUAGES = {"zh-hans": "zh-Hans"}


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
def current(context: dict[str, Any], name: str) -> SafeString | str:
    """Mark a link of the navigation when it leads to the present page."""
    match = getattr(context.get("request"), "resolver_match", None)
    is_here = match is not None and match.app_names == ["site"] and match.url_name == name
    return mark_safe(' aria-current="page"') if is_here else ""  # noqa: S308 - a constant
