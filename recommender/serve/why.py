"""Explain one shown item afterwards, from the slate as it was logged."""

from dataclasses import replace

import numpy as np
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from recommender.collect.models import Impression, User
from recommender.collect.tokens import read_token
from recommender.errors import Missing
from recommender.serve import past
from recommender.serve.answers import ItemWhy, ListRequest
from recommender.serve.candidates import Ranked
from recommender.serve.facts import gather
from recommender.serve.guesses import Guess, guesses
from recommender.serve.past import Past
from recommender.serve.reasons import Reasoner, insight_into
from recommender.serve.scene import Scene, open_scene


def explain_token(token: str, user: User | None) -> ItemWhy:
    """Explain one shown item from its logged slate.

    The scores of then are computed again from the logged evidence and version. Where that version
    is gone, the live one explains the item anew, and `is_replayed` is False.

    Raises: BadToken for a token that is not ours; Missing when the slate is gone or another's.
    """
    parts = read_token(token)
    before = past.open_slate(parts.slate_id)
    owner = before.slate.user_id
    if owner is not None and (user is None or user.pk != owner):
        raise Missing(_("This list was shown to somebody else."))
    shown = before.slate.impressions.filter(position=parts.position).first()
    if shown is None:
        raise Missing(_("Nothing was shown at this position of the list."))
    request = ListRequest(catalog=before.slate.catalog, user=user, explain=True, is_shadow=True)
    return _explain(open_scene(_about(request, shown)), before, shown)


def _explain(scene: Scene, before: Past, shown: Impression) -> ItemWhy:
    slate, pk = before.slate, shown.item_id
    ranked, is_replayed = _list_of(before, shown), True
    score = shown.score
    if ranked.is_personalized and ranked.personal is None:
        is_replayed = False
        ranked = replace(ranked, personal=scene.scores, served=scene.served)
        score = _score_now(ranked, pk, score)
    insight = insight_into(ranked.personal, np.array([pk], np.int64))
    reasoner = Reasoner(scene, ranked, insight)
    letter = ranked.sources[int(np.flatnonzero(ranked.ids == pk)[0])]
    explanation = reasoner.explanation(pk, score, letter, shown.position)
    record = scene.table.by_id(pk)
    logged = slate.model_version.label if slate.model_version else None
    guess = guesses(ranked.personal, np.array([pk], np.int64)).get(pk, Guess(None, None))
    reasons = reasoner.reasons(pk, score, letter)
    return ItemWhy(
        item_id=pk,
        external_id=record.external_id if record else "",
        title=record.title if record else "",
        position=shown.position,
        decided_at=slate.decided_at,
        model_version=ranked.served.label if ranked.served else None,
        logged_version=logged,
        strategy=slate.strategy,
        is_replayed=is_replayed,
        score=score,
        reasons=reasons,
        explanation=explanation,
        predicted_rating=guess.mean,
        uncertainty=guess.deviation,
        chances=guess.chances,
        facts=gather(scene.table, pk, reasons, get_language() or "en"),
    )


def _score_now(ranked: Ranked, pk: int, logged: float) -> float:
    """Return the present version's score, the logged one where it has none."""
    if ranked.personal is None or ranked.served is None:
        return logged
    number = ranked.served.model.item_number(pk)
    return float(ranked.personal.total[number]) if number > 0 else logged


def _list_of(before: Past, shown: Impression) -> Ranked:
    """Return the row that the item stood in; a plain list is one row."""
    ranked = before.ranked
    if before.slate.layout != "rows":
        return ranked
    placed = dict(before.slate.impressions.values_list("item_id", "row"))
    is_base = shown.row_kind in ("for_you", "popular")
    keep = np.array(
        [placed.get(pk, shown.row if is_base else 0) == shown.row for pk in ranked.ids.tolist()]
    )
    letters = "".join(x for x, kept in zip(ranked.sources, keep, strict=True) if kept)
    return replace(ranked, ids=ranked.ids[keep], scores=ranked.scores[keep], sources=letters)


def _about(request: ListRequest, shown: Impression) -> ListRequest:
    """Give the request back the item that a similar list was about."""
    for code in shown.reason_codes:
        kind, _bar, ref = str(code).partition("|item:")
        if kind == "similar":
            return replace(request, context_item=ref)
    return request
