"""Log one decision before its reply leaves: a slate, one impression per item, what was read."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from django.db import DatabaseError, transaction
from django.utils import timezone

from recommender.collect.slates import (
    ImpressionRecord,
    SlateRecord,
    add_impressions,
    uuid7,
    write_slate,
)
from recommender.collect.tokens import make_token
from recommender.serve import state
from recommender.serve.answers import Explanation, Reason, ShownItem
from recommender.serve.candidates import SOURCES, Ranked
from recommender.serve.guesses import Guess
from recommender.serve.policy import POLICY
from recommender.serve.scene import Scene

log = logging.getLogger(__name__)

_FALLBACKS = {"p": "popular", "f": "new", "a": "any"}


@dataclass(frozen=True)
class Slot:
    """One item on its place."""

    pk: int
    score: float = 0.0
    source: str = ""  # letter of candidates.SOURCES
    reasons: tuple[Reason, ...] = ()
    row: int = 1
    col: int = 1
    row_kind: str = ""
    slot_kind: str = "exploit"
    p_cond: float = 1.0
    is_drawn: bool = False  # by the mixture; any other slot of a drawn slate was fixed before
    guess: Guess | None = None
    explanation: Explanation | None = None


@dataclass(frozen=True)
class Decision:
    """One page of one slate, ready to be logged; `slate_id` is set for a further page."""

    scene: Scene
    ranked: Ranked  # all candidates in final order
    slots: Sequence[Slot]
    layout: str = "list"
    page: int = 1
    first_position: int = 1
    slate_id: UUID | None = None


@dataclass(frozen=True)
class Logged:
    """What the reply needs to know of its log."""

    slate_id: UUID
    items: tuple[ShownItem, ...]
    is_degraded: bool = field(default=False)


def show(decision: Decision) -> Logged:
    """Log the decision and return the items with their tokens.

    A shadow request and one without a database leave no trace: their items carry no token, so
    nothing can be counted that was not logged.
    """
    scene = decision.scene
    slate_id = decision.slate_id or uuid7(scene.now)
    is_logged = not scene.request.is_shadow and not scene.is_cut_off
    is_lost = False
    if is_logged:
        try:
            _write(decision, slate_id)
        except DatabaseError:
            log.exception("slate not written", extra={"catalog": scene.request.catalog.slug})
            is_logged, is_lost = False, True
    items = tuple(
        _shown(decision, slot, slate_id, at, is_logged=is_logged)
        for at, slot in enumerate(decision.slots)
    )
    is_degraded = scene.is_degraded or scene.has_failed or is_lost
    return Logged(slate_id=slate_id, items=items, is_degraded=is_degraded)


@transaction.atomic
def _write(decision: Decision, slate_id: UUID) -> None:
    impressions = _impressions(decision)
    if decision.slate_id is not None:
        add_impressions(slate_id=slate_id, served_at=decision.scene.now, impressions=impressions)
        return
    write_slate(slate=_slate(decision, slate_id), impressions=impressions)
    ranked = decision.ranked.undrawn or decision.ranked
    person = decision.scene.person
    if ranked.to_store and ranked.served is not None and person is not None and person.has_row:
        model_part = len(ranked.sources) - len(ranked.sources.lstrip("m"))
        state.write_list(
            state.NewList(
                user_id=person.user_id,
                event_seq=person.event_seq,
                version_id=ranked.served.key.pk,
                items=ranked.ids[:model_part].astype(np.int32),
                scores=ranked.scores[:model_part],
            )
        )


def _slate(decision: Decision, slate_id: UUID) -> SlateRecord:
    scene, ranked = decision.scene, decision.ranked
    request, served = scene.request, ranked.served
    return SlateRecord(
        id=slate_id,
        request_id=request.request_id,
        decided_at=scene.now,
        catalog_id=request.catalog.pk,
        user_id=scene.person.user_id if scene.person else None,
        session_id=request.session_id,
        surface=request.surface,
        page=decision.page,
        k=len(decision.slots),
        layout=decision.layout,
        device=request.device,
        locale=request.locale,
        hour_local=timezone.localtime(scene.now).hour,
        consent="personalized" if scene.person else "none",
        policy_id=POLICY.policy_id,
        policy_version=POLICY.version,
        policy_config_hash=POLICY.config_hash,
        strategy=ranked.strategy,
        latency_ms=(time.perf_counter() - scene.started) * 1000.0,
        model_version_id=served.key.pk if served else None,
        model_trained_to=served.trained_to if served else None,
        fallback=_fallback(decision),
        fixed=[
            [decision.first_position + at, slot.pk, slot.slot_kind, slot.p_cond, slot.source]
            for at, slot in enumerate(decision.slots)
            if not slot.is_drawn and (ranked.drawn is not None or slot.slot_kind != "exploit")
        ],
        is_simulated=request.is_simulated,
        feature_snapshot=_read_features(decision),
        **_order(decision, slate_id),
    )


def _order(decision: Decision, slate_id: UUID) -> dict[str, Any]:
    """Return how the order came about: as drawn, or the best of the candidates."""
    ranked, drawn = decision.ranked, decision.ranked.drawn
    letters = drawn.letters if drawn else ranked.sources
    sources = {
        "letters": {letter: SOURCES[letter] for letter in sorted(set(letters))},
        "by_candidate": letters,
    }
    if drawn is None:
        return {
            # Nothing is drawn, but replays expect a seed: it follows from the slate's own id.
            "seed": int.from_bytes(slate_id.bytes[8:], "big") >> 1,
            "sampler": "deterministic",
            "candidates": ranked.ids.astype("<i4").tobytes(),
            "logits": ranked.scores.astype("<f4").tobytes(),
            "alphas": [1.0],
            "contenders": ["champion"] if ranked.served else [],
            "component": "champion" if ranked.served else "",
            "retrieval_sources": sources,
        }
    return {
        "seed": drawn.seed,
        "sampler": "mix",
        "candidates": drawn.pool.astype("<i4").tobytes(),
        "logits": drawn.mixture.logits.astype("<f4").tobytes(),
        "alphas": drawn.mixture.alphas.tolist(),
        "contenders": list(drawn.contenders),
        "component": drawn.component,
        "tau": drawn.tau,
        "eps": drawn.eps,
        "cost": drawn.cost,
        "retrieval_sources": sources,
    }


def _read_features(decision: Decision) -> bytes | None:
    """Return exactly what the scorer read, None when it read nothing of a person."""
    evidence = decision.scene.evidence
    if evidence is None or not decision.ranked.is_personalized:
        return None
    return evidence.encode()


def _fallback(decision: Decision) -> str:
    scene, ranked = decision.scene, decision.ranked
    is_planned = scene.served is not None and not scene.has_failed
    if is_planned or not ranked.sources or ranked.sources[0] not in _FALLBACKS:
        return "none"
    return _FALLBACKS[ranked.sources[0]]


def _impressions(decision: Decision) -> list[ImpressionRecord]:
    records, log_prefix = [], 0.0
    for at, slot in enumerate(decision.slots):
        log_prefix += math.log(slot.p_cond)
        records.append(
            ImpressionRecord(
                item_id=slot.pk,
                position=decision.first_position + at,
                score=slot.score,
                row=slot.row,
                col=slot.col,
                row_kind=slot.row_kind,
                slot_kind=slot.slot_kind,
                p_cond=slot.p_cond,
                log_p_prefix=log_prefix,
                uncertainty=slot.guess.deviation if slot.guess else None,
                reason_codes=[_code(reason) for reason in slot.reasons],
            )
        )
    return records


def _code(reason: Reason) -> str:
    return f"{reason.kind}|{reason.ref}" if reason.ref else reason.kind


def _shown(
    decision: Decision, slot: Slot, slate_id: UUID, at: int, *, is_logged: bool
) -> ShownItem:
    record = decision.scene.table.by_id(slot.pk)
    position = decision.first_position + at
    return ShownItem(
        item_id=slot.pk,
        external_id=record.external_id if record else "",
        title=record.title if record else "",
        position=position,
        row=slot.row,
        col=slot.col,
        score=slot.score,
        propensity=slot.p_cond,
        predicted_rating=slot.guess.mean if slot.guess else None,
        uncertainty=slot.guess.deviation if slot.guess else None,
        chances=slot.guess.chances if slot.guess else (),
        reasons=slot.reasons,
        token=make_token(slate_id, position) if is_logged else "",
        explanation=slot.explanation,
    )
