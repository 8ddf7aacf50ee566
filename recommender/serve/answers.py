"""What `serve` takes and gives back: requests, lists, reasons, explanations, traces."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from recommender.catalog.models import Catalog
from recommender.collect.models import User
from recommender.serve import texts

if TYPE_CHECKING:
    from recommender.serve.facts import Facts


@dataclass(frozen=True)
class ListRequest:
    """One request for a list.

    Name the user by row (`user`) or by outside id (`user_ref`): the second lets the hot path read
    the person in its one statement. Unknown and missing users get a cold-start list.
    `filters`: category, tag, creator, language, price_min, price_max, published_after,
    published_before, and the names in `Catalog.filters`.
    """

    catalog: Catalog
    user: User | None = None
    surface: str = "api"  # home, api, similar, search, rank, more
    limit: int = 20
    cursor: str | None = None
    context_item: str | None = None  # outside id of the item that the list is about
    filters: Mapping[str, str] = field(default_factory=dict)
    explain: bool = False
    is_personalized: bool = True
    session_id: str = ""
    device: str = ""
    locale: str = "en"
    request_id: str = ""
    is_simulated: bool = False
    is_shadow: bool = False  # log nothing, change nothing
    user_ref: str | None = None


@dataclass(frozen=True)
class Reason:
    """Why an item is here. `weight` is a contribution in score units, 0 when it has none.

    Kinds: rated_item, liked_item, popular, fresh, similar, exploring, profile, search.
    """

    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)
    ref: str | None = None  # "item:318"
    weight: float = 0.0

    @property
    def text(self) -> str:
        """Say the reason in the active language."""
        return texts.reason_text(self.kind, self.params)


@dataclass(frozen=True)
class Contribution:
    """One additive part of a score. Kinds: those of `Reason`, and rest, popularity, history."""

    kind: str
    params: Mapping[str, Any]
    ref: str | None
    weight: float

    @property
    def text(self) -> str:
        """Say what the part is, in the active language."""
        return texts.reason_text(self.kind, self.params)


@dataclass(frozen=True)
class PathStep:
    """One stage on an item's way: source, candidate, scored, reranked, shown."""

    stage: str
    rank: int | None = None
    score: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Say the step in the active language."""
        return texts.step_text(self.stage, self.rank, self.score, self.params)


@dataclass(frozen=True)
class Component:
    """One additive part of a score by what the model knows, not by what the person did.

    `name` is the scorer's: bias, match, taste, content, features, neighbors …; prior is popularity
    for people with little history, rest what changed since a kept list was made.
    """

    name: str
    weight: float

    @property
    def text(self) -> str:
        """Say what the part is, in the active language."""
        return texts.component_text(self.name)


@dataclass(frozen=True)
class Explanation:
    """A score taken apart twice; either way the parts add up to it.

    By cause: bias + all contributions = the score within 1e-6. By kind of knowledge: all components
    = the score within 1e-5; none where no model scored the item.
    """

    bias: float
    contributions: tuple[Contribution, ...]
    path: tuple[PathStep, ...]
    components: tuple[Component, ...] = ()


@dataclass(frozen=True)
class Chance:
    """How likely something happens to an item: of so many like it, the share that it happened to.

    Kinds: click, purchase. It counts what happened within the window after a visit.
    """

    kind: str
    probability: float
    window_days: float

    @property
    def text(self) -> str:
        """Say it as a count, in the active language."""
        return texts.chance_text(self.kind, self.probability, self.window_days)


@dataclass(frozen=True)
class ShownItem:
    """One item as shown. `score` is the value before re-rank; `position` is final, 1-based."""

    item_id: int
    external_id: str
    title: str
    position: int
    row: int
    col: int
    score: float
    propensity: float
    predicted_rating: float | None
    uncertainty: float | None
    reasons: tuple[Reason, ...]
    token: str
    explanation: Explanation | None = None
    chances: tuple[Chance, ...] = ()


@dataclass(frozen=True)
class ListAnswer:
    """One answered list. `is_personalized` is False for cold_start and popular lists."""

    slate_id: UUID
    model_version: str | None  # "v12"; None when no model was used
    strategy: str
    is_personalized: bool
    items: tuple[ShownItem, ...]
    next_cursor: str | None = None
    is_degraded: bool = False
    is_nearest: bool = False  # search: nothing matched, these are the nearest titles


@dataclass(frozen=True)
class HomeRow:
    """One row of home. Kinds: for_you, because, trending, popular, new, exploring."""

    kind: str
    title_reason: Reason | None
    items: tuple[ShownItem, ...]

    @property
    def title(self) -> str:
        """Say the row's heading, which is its reason, in the active language."""
        params = self.title_reason.params if self.title_reason else {}
        return texts.row_title(self.kind, params)


@dataclass(frozen=True)
class HomePage:
    """All rows of home, one slate. `ratings_needed` is 0 once the rows are personal."""

    slate_id: UUID
    model_version: str | None
    strategy: str
    is_personalized: bool
    rows: tuple[HomeRow, ...]
    ratings_needed: int = 0
    is_degraded: bool = False


@dataclass(frozen=True)
class ItemWhy:
    """Why one shown item was shown, from the logged slate."""

    item_id: int
    external_id: str
    title: str
    position: int
    decided_at: datetime
    model_version: str | None  # the version that explains
    logged_version: str | None  # the version that decided
    strategy: str
    is_replayed: bool  # False: the logged version is gone, the present one explains
    score: float
    reasons: tuple[Reason, ...]
    explanation: Explanation
    predicted_rating: float | None = None
    uncertainty: float | None = None
    chances: tuple[Chance, ...] = ()
    facts: "Facts | None" = None  # what a sentence about it may say


@dataclass(frozen=True)
class HistoryLine:
    """One event of a user's history as the scorer weighs it; weight 0 = known, but no positive."""

    item_id: int
    external_id: str
    title: str
    type: str
    value: float | None
    weight: float
    at: datetime


@dataclass(frozen=True)
class TracedItem:
    """One place of a traced list. `moved`: places gained against the other list, None when new."""

    rank: int
    item_id: int
    external_id: str
    title: str
    score: float
    rank_before: int  # by score alone, before re-rank
    moved: int | None = None


@dataclass(frozen=True)
class TracedList:
    """The list that one version gives a user now; nothing is logged."""

    version: str | None
    version_id: int | None
    strategy: str
    items: tuple[TracedItem, ...]
    error: str = ""  # why the version could not be loaded


@dataclass(frozen=True)
class WhyNot:
    """The first stage that dropped an item. `is_shown`: nothing dropped it.

    Stages: unknown_item, hidden_item, expired, seen, dismissed, unknown_to_model, candidates,
    reranked, beyond, shown.
    """

    external_id: str
    title: str
    stage: str
    is_shown: bool
    rank: int | None
    cut: int | None
    score: float | None
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Say it in the active language."""
        return texts.why_not_text(self)


@dataclass(frozen=True)
class Trace:
    """What a user would see under one or two versions, and why."""

    user: str | None
    history: tuple[HistoryLine, ...]
    lists: tuple[TracedList, ...]  # one or two
    why_not: WhyNot | None = None


@dataclass(frozen=True)
class Stage:
    """One stage of the pipeline as it runs; `parameters` are the figures in use."""

    name: str
    parameters: Mapping[str, Any]

    @property
    def title(self) -> str:
        """Name the stage in the active language."""
        return texts.stage_title(self.name)

    @property
    def text(self) -> str:
        """Say what the stage does, in the active language."""
        return texts.stage_text(self.name)
