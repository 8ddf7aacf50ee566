"""The sentences of `serve`: reasons, row headings, path steps, in the active language."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

if TYPE_CHECKING:
    from recommender.serve.answers import WhyNot


def stars(value: float) -> str:
    """Write a rating without a needless zero: 5, 4.5."""
    return f"{value:g}"


def reason_text(kind: str, params: Mapping[str, Any]) -> str:
    """Say why an item is here, or what a part of its score is."""
    if kind == "rated_item":
        return _("You rated “%(title)s” %(stars)s stars") % {
            "title": params["title"],
            "stars": stars(params["stars"]),
        }
    if kind == "liked_item":
        return _did(str(params.get("type", "like"))) % params
    template = {
        "similar": _("Similar to “%(title)s”"),
        "popular": _("Popular with everybody right now"),
        "fresh": _("New here"),
        "exploring": _("Trying something new: few people have seen this yet"),
        "profile": _("Matches your taste as a whole"),
        "search": _("Matches “%(query)s”"),
        "popularity": _("How popular it is"),
        "history": _("Your other history taken together"),
        "rest": _("What the model knows about the item itself"),
    }.get(kind, "")
    return template % params if "%(" in template else template


def component_text(name: str) -> str:
    """Say what a part of a score is that the model, or a member of a blend, adds."""
    return {
        "bias": _("The item's own level, the same for everybody"),
        "match": _("How well it matches your taste"),
        "taste": _("Who else took it, and what they took"),
        "content": _("How like it is to what you took"),
        "content_text": _("What its text says"),
        "content_picture": _("What its picture shows"),
        "content_sound": _("What it sounds like"),
        "features": _("Its category, price and other facts"),
        "neighbors": _("People who took what you took"),
        "transitions": _("What people take after what you took"),
        "popularity": _("How popular it is"),
        "prior": _("How popular it is, while little is known of you"),
        "rest": _("What changed since the list was made"),
    }.get(name, name.replace("_", " "))


def genre(name: str) -> str:
    """Name a category in the active language where we know it; else as the catalog calls it."""
    return pgettext("genre", name) if name else ""


def _did(type: str) -> str:
    return {
        "click": _("You opened “%(title)s”"),
        "dwell": _("You spent time on “%(title)s”"),
        "want": _("You saved “%(title)s”"),
        "cart": _("You put “%(title)s” in your cart"),
        "purchase": _("You bought “%(title)s”"),
        "share": _("You shared “%(title)s”"),
    }.get(type, _("You liked “%(title)s”"))


def chance_text(kind: str, probability: float, window_days: float) -> str:
    """Say a probability as a count of items, so that it can be checked against what happened."""
    out_of = 100 if probability >= 0.02 else 1000
    figures = {"out_of": f"{out_of:,}", "n": f"{probability * out_of:.0f}"}
    figures["days"] = f"{window_days:.1f}".removesuffix(".0")
    if kind == "purchase":
        text = _(
            "Of %(out_of)s items with a score like this, about %(n)s are bought within %(days)s "
            "days of a visit"
        )
    else:
        text = _(
            "Of %(out_of)s items with a score like this, about %(n)s are opened within %(days)s "
            "days of a visit"
        )
    return text % figures


def row_title(kind: str, params: Mapping[str, Any]) -> str:
    """Say a home row's heading, which is its reason."""
    if kind == "because" and "stars" in params:
        return _("Because you rated “%(title)s” %(stars)s stars") % {
            "title": params["title"],
            "stars": stars(params["stars"]),
        }
    template = {
        "because": _("Because you liked “%(title)s”"),
        "for_you": _("For you"),
        "trending": _("Trending now"),
        "popular": _("Popular with everybody"),
        "new": _("New here"),
        "exploring": _("Trying something new"),
    }.get(kind, "")
    return template % params if "%(" in template else template


def step_text(stage: str, rank: int | None, score: float | None, params: Mapping[str, Any]) -> str:
    """Say one step of an item's path through the pipeline."""
    figures = {"rank": rank, "score": "" if score is None else f"{score:.3f}"}
    figures["source"] = _source(str(params.get("source", "")))
    template = {
        "source": _("Source: %(source)s"),
        "scored": _("Score %(score)s, rank %(rank)s by score"),
        "reranked": _("Rank %(rank)s after the diversity step"),
        "shown": _("Shown at position %(rank)s"),
    }.get(stage, "")
    return template % figures


def _source(name: str) -> str:
    return {
        "model": _("the model"),
        "popular": _("popular items"),
        "fresh": _("new items"),
        "trending": _("items trending now"),
        "exploring": _("items few people have seen"),
        "similar": _("similar items"),
        "search": _("your search"),
        "request": _("the items you sent"),
        "any": _("all visible items"),
    }.get(name, name)


def why_not_text(found: "WhyNot") -> str:
    """Say which stage dropped an item first."""
    template = {
        "unknown_item": _("There is no such item in this catalog."),
        "hidden_item": _("Rule: the item is hidden."),
        "expired": _("Rule: the item has expired."),
        "seen": _("Rule: this person has seen it."),
        "dismissed": _("Rule: this person dismissed it."),
        "unknown_to_model": _("The model does not know the item yet; it waits for training."),
        "candidates": _("Rank %(rank)s by score; only the best %(cut)s become candidates."),
        "reranked": _("Rank %(rank)s by score; the diversity step moved it below place %(cut)s."),
        "beyond": _("Rank %(rank)s by score; it stands below place %(cut)s of the list."),
        "shown": _("Nothing dropped it: it is shown at place %(rank)s."),
    }[found.stage]
    return template % {"rank": found.rank, "cut": found.cut}


def stage_title(name: str) -> str:
    """Name a stage of the pipeline."""
    return {
        "filters": _("Filters"),
        "candidates": _("Candidate sources"),
        "scorer": _("Scorer"),
        "blend": _("Popularity prior"),
        "diversity": _("Diversity"),
        "draw": _("Draw and log"),
    }[name]


def stage_text(name: str) -> str:
    """Say what a stage of the pipeline does."""
    return {
        "filters": _("Takes out what is hidden, expired, seen or dismissed, and what you filter."),
        "candidates": _("Keeps the best-scored items; falls back to popular, then new items."),
        "scorer": _("The live model scores every item from the person's recent history."),
        "blend": _("Mixes popularity in for people with little history; fades as history grows."),
        "diversity": _("Trades a little score for items unlike those already placed."),
        "draw": _("Orders the list, logs it with its chances, and signs one token per item."),
    }[name]
