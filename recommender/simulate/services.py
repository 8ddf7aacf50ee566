"""Synthetic visits through the public services, labeled as demo data in every row they leave."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from recommender import clock
from recommender.catalog.models import Catalog, Item
from recommender.collect import services as collect
from recommender.collect.models import Slate, User
from recommender.collect.services import NewEvent, UserInput
from recommender.serve import services as serve
from recommender.serve.answers import HomePage, ListRequest, ShownItem
from recommender.simulate.world import Visitor, World, WorldConfig

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Stretch:
    """A stretch of made-up traffic: visits spread evenly over a span of product time."""

    starts_at: datetime
    ends_at: datetime
    visits: int
    first_visit: int = 0  # numbers visits on over several stretches, so that each is drawn once


def build_world(
    catalog: Catalog, config: WorldConfig | None = None
) -> tuple[World, dict[int, int]]:
    """Draw the catalog's world; the second value maps an item's key to its row in the world."""
    rows = list(Item.objects.filter(catalog=catalog).order_by("id").values_list("id", "categories"))
    world = World(config or WorldConfig(), [categories for _, categories in rows])
    return world, {item_id: number for number, (item_id, _) in enumerate(rows)}


def simulate(
    *,
    catalog: Catalog,
    stretch: Stretch,
    config: WorldConfig | None = None,
    progress: Progress | None = None,
) -> int:
    """Play the stretch's visits and return how many were played now.

    A stretch that was cut short goes on where it stopped: visits already logged are not repeated.
    """
    world, row_of = build_world(catalog, config)
    _ensure_visitors(catalog, world)
    done = played(catalog=catalog, stretch=stretch)
    for number in range(done, stretch.visits):
        share = (number + 0.5) / stretch.visits
        moment = stretch.starts_at + (stretch.ends_at - stretch.starts_at) * share
        rng = np.random.default_rng([world.config.seed, stretch.first_visit + number])
        _visit(catalog, world, row_of, (moment, rng))
        if progress:
            progress(number + 1, stretch.visits)
    return max(0, stretch.visits - done)


def played(*, catalog: Catalog, stretch: Stretch) -> int:
    """Count the stretch's visits that are logged already. One query."""
    return Slate.objects.filter(
        catalog=catalog,
        is_simulated=True,
        decided_at__gte=stretch.starts_at,
        decided_at__lt=stretch.ends_at,
    ).count()


def _ensure_visitors(catalog: Catalog, world: World) -> None:
    have = User.objects.filter(catalog=catalog, is_simulated=True).count()
    if have >= len(world.visitors):
        return
    collect.put_users(
        catalog=catalog,
        users=[
            UserInput(_external_id(visitor), {"age": visitor.age, "gender": visitor.gender})
            for visitor in world.visitors
        ],
    )
    names = [_external_id(visitor) for visitor in world.visitors]
    User.objects.filter(catalog=catalog, external_id__in=names).update(is_simulated=True)


def _external_id(visitor: Visitor) -> str:
    return f"simulated-{visitor.number:03d}"


def _visit(
    catalog: Catalog,
    world: World,
    row_of: dict[int, int],
    draw: tuple[datetime, np.random.Generator],
) -> None:
    moment, rng = draw
    visitor = world.visitors[int(rng.integers(len(world.visitors)))]
    user = collect.find_user(catalog, _external_id(visitor))
    request = ListRequest(
        catalog=catalog,
        user=user,
        surface="home",
        filters={},
        is_simulated=True,
        session_id=f"simulated-{visitor.number}",
        device="desktop",
    )
    with clock.at(moment):
        page = serve.home(request)
        events = _react(page, world, visitor, row_of, rng)
    if events:
        with clock.at(max(event.occurred_at or moment for event in events)):
            collect.record_events(
                catalog=catalog, events=events, source="simulated", default_user=user
            )


def _react(
    page: HomePage,
    world: World,
    visitor: Visitor,
    row_of: dict[int, int],
    rng: np.random.Generator,
) -> list[NewEvent]:
    cards = [card for row in page.rows for card in row.items if card.item_id in row_of]
    if not cards:
        return []
    numbers = [row_of[card.item_id] for card in cards]
    chances = world.click_probability(visitor, numbers)
    gladness = world.affinity(visitor, numbers)
    started = clock.now()
    events: list[NewEvent] = []
    for index, card in enumerate(cards):
        if rng.random() >= world.looked_at(card.row, card.col):
            continue
        moment = started + timedelta(seconds=2 + 3 * index)
        events.append(_event("impression", card, moment, rng))
        if rng.random() < chances[index]:
            events.append(_event("click", card, moment + timedelta(seconds=1), rng))
            if rng.random() < world.config.rate_share:
                value = world.rating(float(gladness[index]), rng)
                events.append(_event("rating", card, moment + timedelta(seconds=2), rng, value))
        elif gladness[index] < -1.5 and rng.random() < world.config.dismiss_share:
            events.append(_event("dismiss", card, moment + timedelta(seconds=1), rng))
    return events


def _event(
    kind: str,
    card: ShownItem,
    moment: datetime,
    rng: np.random.Generator,
    value: float | None = None,
) -> NewEvent:
    event_id = uuid.UUID(bytes=rng.bytes(16), version=4)
    return NewEvent(type=kind, event_id=event_id, token=card.token, value=value, occurred_at=moment)
