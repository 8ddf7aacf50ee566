"""What the scorer reads of a person: built from the state row, logged with the slate, read back."""

from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from recommender.catalog.models import Catalog
from recommender.catalog.rules import rules_of, strength
from recommender.collect.state import decode_history
from recommender.ml.artifact import LoadedModel
from recommender.ml.features import HistoryFacts, user_vector
from recommender.ml.scoring import History
from recommender.ml.tokens import kind_slots
from recommender.serve.registry import Served
from recommender.serve.state import Person

SCHEMA = 1


@dataclass(frozen=True)
class Fact:
    """One positive event: which item, what was done, how much it counts."""

    item_id: int
    type: str
    value: float | None  # the rating, None for other types
    weight: float
    time_s: float


@dataclass(frozen=True)
class Evidence:
    """Everything that a score depends on besides the version: equal evidence, equal scores."""

    facts: tuple[Fact, ...]  # oldest first, at most one per item
    n_positive: int
    features: tuple[float, ...] = ()  # as the version's feature spec computes them

    def encode(self) -> bytes:
        """Return the bytes that the log keeps; the same evidence gives the same bytes."""
        facts = [[f.item_id, f.type, f.value, f.weight, f.time_s] for f in self.facts]
        body = {
            "schema": SCHEMA,
            "facts": facts,
            "n_positive": self.n_positive,
            "features": self.features,
        }
        return orjson.dumps(body)

    @classmethod
    def decode(cls, blob: bytes) -> "Evidence":
        """Read what `encode` wrote."""
        body = orjson.loads(blob)
        return cls(
            facts=tuple(Fact(*entry) for entry in body["facts"]),
            n_positive=body["n_positive"],
            features=tuple(body["features"]),
        )


def of_person(catalog: Catalog, person: Person) -> Evidence:
    """Read a person's evidence from the state row; features come with the version, later.

    Only ratings keep their value: a price or a dwell time is no opinion on the rating scale.
    """
    rated = {name for name, rule in rules_of(catalog).items() if rule.role == "rating"}
    latest: dict[int, Fact] = {}
    for event in decode_history(person.history):
        weight = strength(catalog, event.type, event.value)
        before = latest.pop(event.item_id, None)
        if weight <= 0:
            continue
        value = event.value if event.type in rated else None
        fact = Fact(event.item_id, event.type, value, weight, event.time_s)
        latest[event.item_id] = fact if before is None else _merged(before, fact)
    return Evidence(facts=tuple(latest.values()), n_positive=person.positive_count)


def _merged(before: Fact, after: Fact) -> Fact:
    """Keep what says most about one item, at its newest time: one item, one cause to name."""
    strongest = after if after.weight >= before.weight else before
    return Fact(strongest.item_id, strongest.type, strongest.value, strongest.weight, after.time_s)


def with_features(evidence: Evidence, served: Served, person: Person) -> Evidence:
    """Add the person's features as this version computes them; none when it carries no spec.

    Whoever asks is here now, so `days_since` is 0: the row alone decides the features, and a list
    stored earlier was computed from the same ones.
    """
    spec = served.feature_spec
    if spec is None:
        return evidence
    ratings = person.rating_count
    facts = HistoryFacts.of_one(
        rating_count=ratings,
        rating_mean=person.rating_sum / ratings if ratings else np.nan,
        positive_count=person.positive_count,
        days_since=0.0 if evidence.facts else np.nan,
    )
    vector = user_vector(spec, person.attributes, facts)
    return Evidence(evidence.facts, evidence.n_positive, tuple(float(x) for x in vector))


@dataclass(frozen=True)
class Known:
    """Evidence in the numbers of one artifact; `facts` keeps what each event was."""

    history: History
    facts: tuple[Fact, ...]  # aligned with history.items


def known_to(model: LoadedModel, evidence: Evidence) -> Known:
    """Translate evidence to a version's item numbers; items it does not know are dropped."""
    ids = np.array([fact.item_id for fact in evidence.facts], np.int64)
    numbers = model.item_numbers(ids) if len(ids) else np.zeros(0, np.int64)
    facts = tuple(f for f, number in zip(evidence.facts, numbers, strict=True) if number > 0)
    return Known(
        history=History(
            items=np.asarray(numbers[numbers > 0], np.int64),
            weights=_column([fact.weight for fact in facts]),
            values=_column([np.nan if fact.value is None else fact.value for fact in facts]),
            times=np.array([int(fact.time_s) for fact in facts], np.int64),
            features=np.array(evidence.features, np.float32),
            kinds=kind_slots([fact.type for fact in facts]),
        ),
        facts=facts,
    )


def _column(numbers: list[float]) -> NDArray[np.float32]:
    return np.array(numbers, np.float32)
