"""Where imported users and events go. Called by the importer through `catalog.sinks.SINKS`."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from uuid import NAMESPACE_URL, UUID, uuid5

from recommender import clock
from recommender.catalog.formats.base import EventRow, Record, RowError, UserRow
from recommender.catalog.models import Catalog, Item
from recommender.catalog.rules import WITHOUT_ITEM, is_on_scale, rules_of
from recommender.catalog.sinks import Outcome, Progress
from recommender.collect import sql
from recommender.collect.checks import TEXT_LIMITS, digest_body, is_clean
from recommender.collect.models import Event, User
from recommender.collect.recording import COLUMNS
from recommender.collect.services import UserInput, put_users
from recommender.collect.state import rebuild_states

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UserSink:
    """Writes users."""

    batch = 1000

    def __init__(self, catalog: Catalog) -> None:
        """Write into this catalog."""
        self.catalog = catalog

    def write(self, rows: Sequence[tuple[Record, UserRow]], outcome: Outcome) -> None:
        """Put the users; ids that cannot be stored are refused."""
        good = []
        for record, user in rows:
            if user.external_id and is_clean(user.external_id, TEXT_LIMITS["user"]):
                good.append(UserInput(user.external_id, user.attributes))
            else:
                outcome.refuse(record, RowError("user", "is empty or longer than 200 characters"))
        put_users(catalog=self.catalog, users=good)
        outcome.accepted += len(good)

    def finish(self, progress: Progress) -> None:
        """Do nothing: users are complete as they are."""


class EventSink:
    """Writes events, several thousand to a transaction, and rebuilds the states at the end.

    An event without an id gets one made from the catalog and its content, so that importing a file
    again, or another file with the same rows, adds nothing.
    """

    batch = 5000

    def __init__(self, catalog: Catalog) -> None:
        """Read the keys of all items and users of the catalog. Two queries."""
        self.catalog = catalog
        self.rules = rules_of(catalog)
        self.namespace = uuid5(NAMESPACE_URL, f"recloop:{catalog.slug}").bytes
        items = Item.objects.filter(catalog=catalog).values_list("external_id", "pk")
        self.items: dict[str, int] = dict(items.iterator(chunk_size=10_000))
        users = User.objects.filter(catalog=catalog).values_list("external_id", "pk")
        self.users: dict[str, int] = dict(users.iterator(chunk_size=10_000))
        self._on_scale: dict[float | None, bool] = {}

    def write(self, rows: Sequence[tuple[Record, EventRow]], outcome: Outcome) -> None:
        """Insert events that are not there yet; users never heard of are created."""
        good: list[EventRow] = []
        for record, row in rows:
            try:
                self._check(row)
            except RowError as error:
                outcome.refuse(record, error)
            else:
                good.append(row)
        self._add_users({row.user for row in good} - self.users.keys())
        inserted = sql.insert_ignore(Event, COLUMNS, self._prepare(good))
        outcome.accepted += inserted
        outcome.duplicates += len(good) - inserted

    def finish(self, progress: Progress) -> None:
        """Rebuild the states of the catalog's users."""
        rebuild_states(
            catalog=self.catalog, progress=lambda done, total: progress(done, total, "states")
        )

    def _check(self, row: EventRow) -> None:
        rule = self.rules.get(row.type)
        if rule is None or row.type == "undo":
            known = ", ".join(name for name in self.rules if name != "undo")
            raise RowError("type", f"is {row.type[:40]!r}; this catalog imports {known}")
        if row.item not in self.items and (row.item or row.type not in WITHOUT_ITEM):
            raise RowError("item", f"{(row.item or '')[:50]!r} is not in this catalog")
        if row.user not in self.users and not (row.user and is_clean(row.user, 200)):
            raise RowError("user", "is empty or longer than 200 characters")
        for name, text in (("reason", row.reason), ("session_id", row.session_id)):
            if text and not is_clean(text, TEXT_LIMITS[name]):
                raise RowError(name, f"is longer than {TEXT_LIMITS[name]} characters")
        if not self._is_fine(row.value, is_rating=rule.role == "rating"):
            raise RowError("value", f"is {row.value}; expected a value on the catalog's scale")

    def _is_fine(self, value: float | None, *, is_rating: bool) -> bool:
        if not is_rating:
            return value is None or 0 <= value < 1e300
        if value not in self._on_scale:
            if len(self._on_scale) > 1000:
                self._on_scale.clear()
            self._on_scale[value] = value is not None and is_on_scale(self.catalog, value)
        return self._on_scale[value]

    def _add_users(self, names: set[str]) -> None:
        if not names:
            return
        moment = sql.times()(clock.now())
        sql.insert_ignore(
            User,
            (
                *("catalog_id", "external_id", "attributes", "is_personalized"),
                *("is_simulated", "created_at", "updated_at"),
            ),
            [(self.catalog.pk, name, "{}", True, False, moment, moment) for name in sorted(names)],
        )
        rows = User.objects.filter(catalog=self.catalog, external_id__in=names)
        self.users |= dict(rows.values_list("external_id", "pk"))

    def _prepare(self, rows: Sequence[EventRow]) -> list[tuple[object, ...]]:
        time, uuid = sql.times(), sql.uuids()
        received = time(clock.now())
        shift = self.catalog.time_shift_s
        organic, source = Event.Attribution.ORGANIC.value, Event.Source.IMPORT.value
        prepared: list[tuple[object, ...]] = []
        for row in rows:
            body = digest_body(row.type, row.user, row.item, row.value, row.time_s, row.reason)
            prepared.append(
                (
                    self.catalog.pk,
                    uuid(row.event_id or self._id(body)),
                    body,
                    row.type,
                    self.users[row.user],
                    self.items[row.item] if row.item else None,
                    row.value,
                    row.reason,
                    None,
                    None,
                    None,
                    row.session_id,
                    time(_EPOCH + timedelta(seconds=row.time_s + shift)),
                    received,
                    0.0,
                    organic,
                    source,
                    1.0,
                )
            )
        return prepared

    def _id(self, body: str) -> UUID:
        # UUIDv5 (RFC 9562) by hand: `uuid.uuid5` would build another object per row first.
        digest = sha1(self.namespace + body.encode(), usedforsecurity=False).digest()
        return UUID(bytes=digest[:16], version=5)
