"""Read how sound the data is: what came in, what was refused, what is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Case, Count, Exists, F, OuterRef, Q, Sum, When

from recommender.accounts.models import ApiKey
from recommender.catalog.models import Catalog, ImportRun, Item
from recommender.collect.checks import NEWEST, OLDEST
from recommender.collect.models import Event, RejectedEvent, User
from recommender.dashboard.queries_traffic import Window, day_of
from recommender.promote.models import ModelVersion
from recommender.train.models import TrainingRun

LATE = timedelta(days=1)  # an event that arrives later than this missed its day
TAIL = 100
# Simulated visits tell of the past and keep their times.
MOVED = (
    Q(clock_skew_s__gt=NEWEST.total_seconds()) | Q(clock_skew_s__lt=-OLDEST.total_seconds())
) & ~Q(source=Event.Source.SIMULATED)
NO_INTERACTION = ("impression", "undo")


@dataclass(frozen=True)
class DataFacts:
    """Counts that the data page turns into sentences; live traffic is of the window only."""

    items: int
    items_hidden: int
    items_untouched: int  # visible, and nobody ever did anything with them
    users: int
    users_with_two: int  # with at least two interactions
    interactions: int  # everything but views
    imported: int
    duplicates_imported: int
    clicks: int
    clicks_with_token: int
    late: int
    clamped: int  # the client's clock was off; the time was moved into bounds
    item_events: int
    rejected: Mapping[str, int]  # by code

    @property
    def joined_share(self) -> float | None:
        """Return the share of item events that named an item we know; None when there are none."""
        unknown = sum(n for code, n in self.rejected.items() if code == "unknown_item")
        total = self.item_events + unknown
        return self.item_events / total if total else None

    @property
    def token_share(self) -> float | None:
        """Return the share of clicks that carried a valid token; None when there are no clicks."""
        refused = sum(n for code, n in self.rejected.items() if "token" in code)
        total = self.clicks + refused
        return self.clicks_with_token / total if total else None


@dataclass(frozen=True)
class TypeCount:
    """How many events of a type one day had."""

    day: date
    type: str
    count: int


@dataclass(frozen=True)
class SetupState:
    """What the first-run checklist ticks."""

    items: int
    interactions: int
    versions: int
    is_live: bool
    keys: int
    clicks: int
    has_active_run: bool

    @property
    def is_complete(self) -> bool:
        """Tell whether the overview has something to show: data, and a model that serves."""
        return self.items > 0 and self.interactions > 0 and self.is_live


def data_facts(window: Window) -> DataFacts:
    """Count what the data page speaks about. Seven queries."""
    catalog = window.catalog
    done = Event.objects.filter(catalog=catalog).exclude(type__in=NO_INTERACTION)
    untouched = Q(is_hidden=False) & ~Q(Exists(done.filter(item=OuterRef("pk"))))
    items = Item.objects.filter(catalog=catalog).aggregate(
        all=Count("pk"),
        hidden=Count("pk", filter=Q(is_hidden=True)),
        untouched=Count("pk", filter=untouched),
    )
    by_user = done.values("user").annotate(n=Count("pk")).filter(n__gte=2)
    rejected = (
        RejectedEvent.objects.filter(catalog=catalog, received_at__gte=window.since)
        .values_list("code")
        .annotate(n=Count("pk"))
        .order_by("-n", "code")
    )
    imported = ImportRun.objects.filter(catalog=catalog, kind=ImportRun.Kind.EVENTS).aggregate(
        accepted=Sum("accepted"), duplicates=Sum("duplicates")
    )
    return DataFacts(
        items=items["all"],
        items_hidden=items["hidden"],
        items_untouched=items["untouched"],
        users=User.objects.filter(catalog=catalog).count(),
        users_with_two=by_user.count(),
        interactions=done.count(),
        imported=imported["accepted"] or 0,
        duplicates_imported=imported["duplicates"] or 0,
        rejected=dict(rejected),
        **_recent_counts(window),
    )


def _recent_counts(window: Window) -> dict[str, int]:
    live = Event.objects.filter(catalog=window.catalog, received_at__gte=window.since).exclude(
        source=Event.Source.IMPORT
    )
    found: dict[str, int] = live.aggregate(
        clicks=Count("pk", filter=Q(type="click")),
        clicks_with_token=Count("pk", filter=Q(type="click", slate__isnull=False)),
        # Type first: SQLite calls Python for the sum of times, so views must not get that far.
        late=Count("pk", filter=~Q(type="impression") & Q(received_at__gt=F("occurred_at") + LATE)),
        clamped=Count("pk", filter=MOVED),
        item_events=Count("pk", filter=Q(item__isnull=False)),
    )
    return found


def events_by_type(window: Window) -> list[TypeCount]:
    """Count the window's events by day and type, imports included. One query."""
    rows = (
        Event.objects.filter(
            catalog=window.catalog, occurred_at__gte=window.since, occurred_at__lt=window.until
        )
        .annotate(day=day_of("occurred_at"))
        .values_list("day", "type")
        .annotate(n=Count("pk"))
        .order_by("day", "type")
    )
    return [TypeCount(date.fromisoformat(day), kind, n) for day, kind, n in rows]


def rejected_events(catalog: Catalog, *, code: str = "", most: int = TAIL) -> list[RejectedEvent]:
    """List refused events, newest first. One query."""
    rows = RejectedEvent.objects.filter(catalog=catalog)
    if code:
        rows = rows.filter(code=code)
    return list(rows.order_by("-received_at", "-id")[:most])


def rejected_codes(catalog: Catalog) -> list[tuple[str, int]]:
    """List reasons for refusal with their counts, most frequent first. One query."""
    rows = RejectedEvent.objects.filter(catalog=catalog).values_list("code")
    return list(rows.annotate(n=Count("pk")).order_by("-n", "code"))


def imports(catalog: Catalog, *, most: int = 20) -> list[ImportRun]:
    """List files that came in, newest first. One query."""
    return list(ImportRun.objects.filter(catalog=catalog).order_by("-id")[:most])


def setup_state(catalog: Catalog | None) -> SetupState:
    """Read how far the first run is. Six queries, none without a catalog."""
    if catalog is None:
        return SetupState(0, 0, 0, is_live=False, keys=0, clicks=0, has_active_run=False)
    events = Event.objects.filter(catalog=catalog)
    is_live = Case(When(state=ModelVersion.State.LIVE, then=1), default=0)
    counted = ModelVersion.objects.filter(catalog=catalog).aggregate(
        all=Count("pk"), live=Sum(is_live)
    )
    return SetupState(
        items=Item.objects.filter(catalog=catalog).count(),
        interactions=events.exclude(type__in=NO_INTERACTION).count(),
        versions=counted["all"],
        is_live=bool(counted["live"]),
        keys=ApiKey.objects.filter(catalog=catalog, revoked_at=None).count(),
        clicks=events.filter(type="click").exclude(source=Event.Source.IMPORT).count(),
        has_active_run=TrainingRun.objects.filter(catalog=catalog).active().exists(),
    )


def catalogs() -> list[Catalog]:
    """List catalogs, the default one first. One query."""
    return list(Catalog.objects.order_by("-is_default", "name", "id"))


def find_key(catalog: Catalog, key_id: int) -> ApiKey | None:
    """Find one key of a catalog. One query."""
    return ApiKey.objects.filter(catalog=catalog, pk=key_id).first()


def find_user(catalog: Catalog, external_id: str) -> User | None:
    """Find a user by the outside id, else by the name of the account behind it. One query."""
    named = Q(external_id=external_id) | Q(account__username=external_id)
    rows = User.objects.filter(catalog=catalog).filter(named)
    return rows.order_by(Case(When(external_id=external_id, then=0), default=1)).first()


def some_users(catalog: Catalog, *, most: int = 8) -> list[User]:
    """List users who acted lately, to try the inspector with. One query."""
    rows = User.objects.filter(catalog=catalog, state__isnull=False)
    return list(rows.order_by("-state__profile_updated_at", "id")[:most])
