"""Hold what drawing lists costs at its target: a warmer draw explores more, and costs more."""

import math
from dataclasses import dataclass

import numpy as np

from recommender.catalog.models import Catalog
from recommender.collect.models import Slate

LEAST, MOST = 0.02, 0.5  # temperatures
LEAST_SLATES = 200  # since the last change; fewer say little, one draw's cost may even be negative
MOST_SLATES = 2_000
STEP = 1.5  # at most, up or down
NEAR = 0.1  # share of the target within which nothing is changed


@dataclass(frozen=True)
class Spent:
    """What drawing has cost since the temperature was last changed."""

    n: int  # slates
    mean: float | None  # share of the best lists' worth; None without any slate
    error: float | None  # standard error of the mean


def spent(catalog: Catalog) -> Spent:
    """Return the mean cost of the newest lists drawn at the present temperature. One query."""
    costs = np.array(
        Slate.objects.filter(
            catalog=catalog, sampler=Slate.Sampler.MIX, tau=catalog.exploration_tau
        )
        .exclude(cost=None)
        .order_by("-decided_at")
        .values_list("cost", flat=True)[:MOST_SLATES]
    )
    if not len(costs):
        return Spent(0, None, None)
    deviation = float(costs.std(ddof=1)) if len(costs) > 1 else math.inf
    return Spent(len(costs), float(costs.mean()), deviation / math.sqrt(len(costs)))


def steer(catalog: Catalog) -> float | None:
    """Move the temperature so that the cost comes to its target; None when it stays.

    Cost grows about as the square of the temperature while draws stay near the best list, so the
    step is the square root of what is missing.
    """
    target = catalog.exploration_target
    found = spent(catalog)
    if target <= 0 or found.mean is None or found.n < LEAST_SLATES:
        return None
    if abs(found.mean - target) <= NEAR * target:
        return None
    ratio = target / found.mean if found.mean > 0 else math.inf
    step = min(max(math.sqrt(ratio), 1 / STEP), STEP)
    tau = min(max(catalog.exploration_tau * step, LEAST), MOST)
    if tau == catalog.exploration_tau:
        return None
    rows = Catalog.objects.filter(pk=catalog.pk, exploration_tau=catalog.exploration_tau)
    return tau if rows.update(exploration_tau=tau) else None
