"""Estimate what a version would have earned, on lists that are old enough to be complete."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from recommender import clock
from recommender.collect.models import Slate
from recommender.collect.resolve import TOKEN_LIFE
from recommender.errors import NotReady
from recommender.estimate import replay
from recommender.estimate.models import Estimate
from recommender.ml.off_policy import Card, estimate
from recommender.promote.models import ModelVersion
from recommender.serve import registry

TASK = "recommender.estimate_version"
MOST_LISTS = 1_000  # a list costs some 50 ms of CPU: exact chances under two policies
WINDOW = timedelta(days=28)


def job_key(version: ModelVersion) -> str:
    """Return what keeps two estimates of one version from running at once."""
    return f"estimate:{version.pk}"


def estimate_version(version: ModelVersion) -> Estimate:
    """Ask what the newest complete lists would have earned under the version, and keep the answer.

    A list is complete once no click can be tied to it any more. People's own lists are read where
    there are any, else the demo's.
    Raises: NotReady when the artifact cannot be loaded.
    """
    served = registry.load_version(version)
    if served is None:
        reason = registry.reason_of_failure(registry.key_of(version))
        raise NotReady(f"{version.label} cannot be loaded: {reason}")
    now = clock.now()
    until = now - TOKEN_LIFE
    of_window = Slate.objects.filter(
        catalog=version.catalog, decided_at__gte=until - WINDOW, decided_at__lt=until
    )
    drawn = of_window.filter(
        sampler=Slate.Sampler.MIX, user__isnull=False, feature_snapshot__isnull=False
    )
    is_simulated = not drawn.filter(is_simulated=False).exists()
    chosen = drawn.filter(is_simulated=is_simulated).select_related("feature_snapshot")
    slates = list(chosen.order_by("-decided_at")[:MOST_LISTS])
    lists, lost = replay.read(served, slates)
    asked = of_window.filter(is_simulated=is_simulated, user__isnull=False)
    fallback = asked.exclude(fallback="none").count() / max(asked.count(), 1)
    found: dict[str, Any] = {"n": 0, "n_users": 0, "refusals": ["users"], "figures": {"lost": lost}}
    if len(lists.users):
        found = _found(estimate(replace(lists, fallback_share=fallback)), lost)
    return Estimate.objects.create(
        catalog=version.catalog,
        model_version=version,
        made_at=now,
        since=slates[-1].decided_at if slates else None,
        until=until,
        is_simulated=is_simulated,
        **found,
    )


def _found(card: Card, lost: int) -> dict[str, Any]:
    shown = card.shown
    return {
        "n": card.n,
        "n_users": card.n_users,
        "reading": Estimate.Reading.PREFIX if card.is_cascade else Estimate.Reading.ITEM,
        "refusals": list(card.refusals),
        "figures": {
            "earned": card.earned.as_dict(),
            "value": shown.value.as_dict(),
            "difference": shown.difference.as_dict(),
            "sample": shown.sample,
            "outside": card.outside,
            "lost": lost,
        },
    }
