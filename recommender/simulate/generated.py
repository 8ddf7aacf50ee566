"""Made-up films and ratings, for machines without the demo's data packages."""

import csv
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from django.conf import settings

from recommender.catalog.imports import import_file
from recommender.catalog.models import Catalog
from recommender.simulate.world import World, WorldConfig

GENRES = ("Drama", "Comedy", "Action", "Thriller", "Romance", "Mystery", "Musical", "Documentary")
FIRST = ("Silent", "Golden", "Last", "Hidden", "Broken", "Northern", "Paper", "Midnight", "Distant")
SECOND = ("River", "Garden", "Station", "Winter", "Letter", "Orchard", "Harbor", "Machine", "Road")
N_ITEMS, N_USERS, RATINGS_EACH = 400, 300, 60


def load(*, catalog: Catalog, progress: Callable[[int, int, str], None]) -> None:
    """Write the files once, then import them like anybody's."""
    folder = Path(settings.IMPORTS_DIR) / f"generated-{catalog.slug}"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(11)
    genres = [list(rng.choice(GENRES, size=2, replace=False)) for _ in range(N_ITEMS)]
    items, users, events = folder / "items.jsonl", folder / "users.jsonl", folder / "events.csv"
    world = World(WorldConfig(n_visitors=N_USERS, seed=11), genres)
    _write_lines(items, _items(genres, rng))
    _write_lines(users, _users(world))
    _write_ratings(events, world, catalog.created_at, rng)
    for kind, path, name in (
        ("items", items, "jsonl"),
        ("users", users, "jsonl"),
        ("events", events, "csv"),
    ):
        import_file(catalog=catalog, kind=kind, format=name, path=path, progress=progress)


def _items(genres: list[list[str]], rng: np.random.Generator) -> Iterator[dict[str, object]]:
    for number, names in enumerate(genres, start=1):
        year = int(rng.integers(1950, 2026))
        first, second = FIRST[number % len(FIRST)], SECOND[(number // len(FIRST)) % len(SECOND)]
        yield {
            "id": str(number),
            "title": f"The {first} {second} {number}",
            "description": f"A made-up {names[0].lower()} and {names[1].lower()} film of {year}.",
            "categories": names,
            "published_at": f"{year}-06-01T00:00:00Z",
        }


def _users(world: World) -> Iterator[dict[str, object]]:
    for visitor in world.visitors:
        yield {
            "id": f"generated-{visitor.number}",
            "attributes": {"age": visitor.age, "gender": visitor.gender},
        }


def _write_lines(path: Path, rows: Iterator[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def _write_ratings(path: Path, world: World, until: datetime, rng: np.random.Generator) -> None:
    start = until.astimezone(UTC) - timedelta(days=220)
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["user", "item", "type", "value", "occurred_at"])
        for visitor in world.visitors:
            everything = np.arange(N_ITEMS)
            chances = world.click_probability(visitor, everything.tolist())
            count = int(rng.integers(RATINGS_EACH // 3, RATINGS_EACH * 2))
            chosen = rng.choice(everything, size=count, replace=False, p=chances / chances.sum())
            gladness = world.affinity(visitor, chosen.tolist())
            moment = start + timedelta(days=float(rng.random() * 190))
            for item, glad in zip(chosen, gladness, strict=True):
                moment += timedelta(minutes=float(rng.random() * 120))
                stars = max(1.0, world.rating(float(glad), rng))
                row = [f"generated-{visitor.number}", item + 1, "rating", stars, moment.isoformat()]
                writer.writerow(row)
