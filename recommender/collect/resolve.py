"""Look up what a batch of events names, in a fixed number of queries, and decide on each event."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db.models import Model
from django.utils.translation import gettext as _

from recommender.catalog.models import Catalog, Item
from recommender.catalog.rules import WITHOUT_ITEM, EventRule
from recommender.collect import sql
from recommender.collect.checks import body_hash, check_event, clamp
from recommender.collect.events import TOKEN_DETAILS, EventResult, NewEvent, Problem, Status
from recommender.collect.models import Event, Impression, RejectedEvent, Slate, User
from recommender.collect.tokens import BadToken, TokenParts, read_token

TOKEN_LIFE = timedelta(hours=24)
DIRECT = timedelta(minutes=30)
PAYLOAD_LENGTH = 2000
ONCE_PER_POSITION = frozenset({"impression", "click"})
# What a person can take back; looking and undoing itself cannot be undone.
_NOT_UNDONE = frozenset({"impression", "undo"})

# An event's type, user, item and key; the key is None while it is not stored yet.
_Target = tuple[str, int, int | None, int | None]


@dataclass(slots=True)
class Draft:
    """One event on its way to a row."""

    index: int
    event: NewEvent
    event_id: UUID
    type: str
    body_hash: str
    occurred_at: datetime
    skew_s: float
    value: float | None = None
    user_id: int = 0
    item_id: int | None = None
    token: TokenParts | None = None
    slate_id: UUID | None = None
    position: int | None = None
    attribution: str = Event.Attribution.ORGANIC.value
    target_id: int | None = None

    @property
    def is_undo(self) -> bool:
        """Tell whether this takes another event back."""
        return self.type == "undo"


@dataclass(frozen=True, slots=True)
class _Shown:
    """The slate behind a token."""

    user_id: int | None
    user: str | None
    decided_at: datetime
    is_ours: bool


class Resolver:
    """Holds the drafts that may still be stored, and the results of those that may not."""

    def __init__(
        self,
        catalog: Catalog,
        rules: Mapping[str, EventRule],
        received: datetime,
        default_user: User | None,
    ) -> None:
        """Start with an empty batch."""
        self.catalog = catalog
        self.rules = rules
        self.received = received
        self.default_user = default_user
        self._open: dict[int, Draft] = {}
        self._results: dict[int, EventResult] = {}

    def check(self, events: Sequence[NewEvent], *, is_trusted: bool) -> None:
        """Check each event by itself, signature of the token included."""
        default = self.default_user.external_id if self.default_user else None
        for index, event in enumerate(events):
            try:
                rule = check_event(self.catalog, self.rules, event)
                self._open[index] = self._draft(index, event, rule.type, default)
                if event.token:
                    self._open[index].token = _read(event.token)
            except Problem as problem:
                self._open.pop(index, None)
                self._refuse(index, event, problem)
                continue
            draft = self._open[index]
            # Events without a time keep the order in which they were sent.
            arrival = self.received + timedelta(microseconds=index)
            draft.occurred_at = clamp(event.occurred_at, arrival, is_trusted=is_trusted)

    def _draft(self, index: int, event: NewEvent, type: str, default: str | None) -> Draft:
        skew = (event.occurred_at - self.received).total_seconds() if event.occurred_at else 0.0
        return Draft(
            index=index,
            event=event,
            event_id=event.event_id or uuid4(),
            type=type,
            body_hash=body_hash(event, default),
            occurred_at=self.received,
            skew_s=skew,
            value=None if event.value is None else float(event.value),
        )

    def drop_known(self) -> None:
        """Settle events whose id is stored already. One query."""
        known = self._known([d.event_id for d in self._open.values() if d.event.event_id])
        for draft in self.open_drafts():
            if draft.event_id in known:
                self._settle_known(draft, known[draft.event_id])

    def resolve_tokens(self) -> None:
        """Take slate, position, item and user from the tokens. Two queries."""
        drafts = [draft for draft in self._open.values() if draft.token]
        if not drafts:
            return
        slate_ids = {draft.token.slate_id for draft in drafts if draft.token}
        positions = {draft.token.position for draft in drafts if draft.token}
        slates = self._slates(slate_ids)
        shown = {
            (slate_id, position): item_id
            for slate_id, position, item_id in Impression.objects.filter(
                slate_id__in=slate_ids, position__in=positions
            ).values_list("slate_id", "position", "item_id")
        }
        for draft in drafts:
            try:
                self._apply_token(draft, slates, shown)
            except Problem as problem:
                self._refuse(draft.index, draft.event, problem)

    def _slates(self, slate_ids: set[UUID]) -> dict[UUID, _Shown]:
        rows = Slate.objects.filter(pk__in=slate_ids).values_list(
            "pk", "user_id", "user__external_id", "decided_at", "catalog_id"
        )
        return {
            key: _Shown(user_id, user, decided_at, catalog_id == self.catalog.pk)
            for key, user_id, user, decided_at, catalog_id in rows
        }

    def _apply_token(
        self,
        draft: Draft,
        slates: Mapping[UUID, _Shown],
        shown: Mapping[tuple[UUID, int], int],
    ) -> None:
        assert draft.token is not None  # noqa: S101 - only drafts with a token come here
        slate = slates.get(draft.token.slate_id)
        item_id = shown.get((draft.token.slate_id, draft.token.position))
        # The log keeps its rows for months: a genuine token without its row is an old one.
        if slate is None or item_id is None:
            raise _token_problem("expired_token")
        if not slate.is_ours or self._is_somebody_else(draft.event, slate):
            raise _token_problem("foreign_token")
        if self.received - slate.decided_at > TOKEN_LIFE:
            raise _token_problem("expired_token")
        draft.slate_id, draft.position = draft.token.slate_id, draft.token.position
        draft.item_id = item_id
        draft.user_id = slate.user_id or 0
        is_direct = draft.occurred_at - slate.decided_at <= DIRECT
        draft.attribution = (
            Event.Attribution.DIRECT if is_direct else Event.Attribution.VIEW_THROUGH
        ).value

    def _is_somebody_else(self, event: NewEvent, slate: _Shown) -> bool:
        if slate.user_id is None:
            return False
        if event.user:
            return event.user != slate.user
        return self.default_user is not None and self.default_user.pk != slate.user_id

    def resolve_items(self) -> None:
        """Find the items that events name. One query."""
        names = {draft.event.item for draft in self._open.values() if draft.event.item}
        known = self._keys(Item, names)
        for draft in self.open_drafts():
            try:
                self._apply_item(draft, known)
            except Problem as problem:
                self._refuse(draft.index, draft.event, problem)

    def _apply_item(self, draft: Draft, known: Mapping[str, int]) -> None:
        name = draft.event.item
        if name:
            found = known.get(name)
            if draft.token and found != draft.item_id:
                raise _token_problem("foreign_token")
            if found is None:
                raise Problem(
                    "unknown_item", _("There is no item %(item)r in this catalog.") % {"item": name}
                )
            draft.item_id = found
        elif draft.item_id is None and draft.type not in WITHOUT_ITEM:
            raise Problem(
                "missing_item",
                _("An event of type %(type)s needs an item or a token.") % {"type": draft.type},
            )

    def resolve_users(self, *, is_simulated: bool) -> None:
        """Find who acted; users never heard of are created. At most three queries."""
        names: dict[str, bool] = {}
        wanted: dict[int, str] = {}
        for draft in self.open_drafts():
            if draft.user_id:
                continue
            if draft.event.user:
                wanted[draft.index] = draft.event.user
                names[draft.event.user] = True
            elif self.default_user is not None:
                draft.user_id = self.default_user.pk
            elif draft.slate_id:
                # A list without a profile: its clicks count, and nothing ties lists together.
                wanted[draft.index] = name = f"slate:{draft.slate_id}"
                names[name] = False
            elif not draft.is_undo:
                detail = _("The event names no user and has no token that does.")
                self._refuse(draft.index, draft.event, Problem("missing_user", detail))
        if names:
            found = self._users(names, is_simulated)
            for index, name in wanted.items():
                self._open[index].user_id = found[name]

    def _users(self, names: Mapping[str, bool], is_simulated: bool) -> dict[str, int]:
        found = self._keys(User, names)
        missing = sorted(set(names) - set(found))
        if missing:
            moment = sql.times()(self.received)
            sql.insert_ignore(
                User,
                (
                    *("catalog_id", "external_id", "attributes", "is_personalized"),
                    *("is_simulated", "created_at", "updated_at"),
                ),
                [
                    (self.catalog.pk, name, "{}", names[name], is_simulated, moment, moment)
                    for name in missing
                ],
            )
            found |= self._keys(User, missing)
        return found

    def _keys(self, model: type[Model], names: Collection[str]) -> dict[str, int]:
        columns = ("external_id", "id")
        return dict(sql.select(model, columns, "external_id", names, self.catalog.pk))

    def resolve_undos(self) -> None:
        """Find the events that are taken back: stored ones, and others of this batch. One query."""
        undos = [draft for draft in self.open_drafts() if draft.is_undo]
        if not undos:
            return
        stored = Event.objects.filter(
            catalog=self.catalog, event_id__in=[d.event.undoes for d in undos if d.event.undoes]
        ).values_list("event_id", "type", "user_id", "item_id", "pk")
        targets: dict[UUID, _Target] = {
            event_id: (type, user_id, item_id, key)
            for event_id, type, user_id, item_id, key in stored
        }
        for draft in self.open_drafts():
            targets.setdefault(draft.event_id, (draft.type, draft.user_id, draft.item_id, None))
        for draft in undos:
            target = targets.get(draft.event.undoes) if draft.event.undoes else None
            if target is None or target[0] in _NOT_UNDONE or draft.user_id not in {0, target[1]}:
                detail = _("This user has no event with the id that `undoes` names.")
                self._refuse(draft.index, draft.event, Problem("unknown_event", detail))
                continue
            _type, draft.user_id, draft.item_id, draft.target_id = target

    def drop_repeated(self) -> None:
        """Settle second ones: of an id in this batch, and of a look or click at one position."""
        taken = self._taken_positions()
        first: dict[UUID, str] = {}
        for draft in self.open_drafts():
            place = (draft.slate_id, draft.position, draft.type)
            if draft.event_id in first:
                self._settle_known(draft, first[draft.event_id])
            elif place in taken:
                self._repeat(draft)
            else:
                first[draft.event_id] = draft.body_hash
                if draft.slate_id and draft.type in ONCE_PER_POSITION:
                    taken.add(place)

    def _taken_positions(self) -> set[tuple[UUID | None, int | None, str]]:
        slates = {
            d.slate_id for d in self._open.values() if d.slate_id and d.type in ONCE_PER_POSITION
        }
        if not slates:
            return set()
        rows = Event.objects.filter(slate_id__in=slates, type__in=ONCE_PER_POSITION)
        return set(rows.values_list("slate_id", "position", "type"))

    def point_undos(self, undos: Sequence[Draft], keys: Mapping[UUID, int]) -> None:
        """Give undos of events of this batch the keys that those events got."""
        missing = [draft for draft in undos if draft.target_id is None]
        lost = [d.event.undoes for d in missing if d.event.undoes and d.event.undoes not in keys]
        stored = Event.objects.filter(catalog=self.catalog, event_id__in=lost)
        found = dict(stored.values_list("event_id", "pk")) if lost else {}
        for draft in missing:
            if draft.event.undoes:
                draft.target_id = keys.get(draft.event.undoes) or found.get(draft.event.undoes)

    def settle(self, stored: Sequence[Draft], lost: Sequence[Draft]) -> None:
        """Give every draft its result; one query when another process was faster with some."""
        for draft in stored:
            self._close(draft, "accepted")
        known = self._known([draft.event_id for draft in lost])
        for draft in lost:
            if draft.event_id in known:
                self._settle_known(draft, known[draft.event_id])
            else:
                self._repeat(draft)

    def open_drafts(self) -> list[Draft]:
        """List the drafts that may still be stored, in order."""
        return list(self._open.values())

    def results(self) -> list[EventResult]:
        """List the results in the order of the events."""
        return [self._results[index] for index in sorted(self._results)]

    def keep_rejections(self, events: Sequence[NewEvent]) -> None:
        """Store what was refused, so that an operator can see it. One insert."""
        refused = [result for result in self._results.values() if result.status == "rejected"]
        if not refused:
            return
        RejectedEvent.objects.bulk_create(
            RejectedEvent(
                catalog=self.catalog,
                received_at=self.received,
                code=result.code or "",
                detail=result.detail or "",
                payload=_payload(events[result.index]),
            )
            for result in refused
        )

    def _known(self, ids: Sequence[UUID]) -> dict[UUID, str]:
        uuid, columns = sql.uuids(), ("event_id", "body_hash")
        keys = [uuid(event_id) for event_id in ids]
        rows = sql.select(Event, columns, "event_id", keys, self.catalog.pk)
        return {sql.read_uuid(event_id): stored for event_id, stored in rows}

    def _settle_known(self, draft: Draft, stored_hash: str) -> None:
        if draft.body_hash == stored_hash:
            self._close(draft, "duplicate")
            return
        detail = _("The event_id was used before with another body. Give each event its own id.")
        self._refuse(draft.index, draft.event, Problem("conflict", detail))

    def _repeat(self, draft: Draft) -> None:
        detail = _("This position of this list has its %(type)s already.") % {"type": draft.type}
        self._close(draft, "duplicate", "repeated", detail)

    def _close(
        self, draft: Draft, status: Status, code: str | None = None, detail: str | None = None
    ) -> None:
        self._open.pop(draft.index, None)
        self._results[draft.index] = EventResult(draft.index, draft.event_id, status, code, detail)

    def _refuse(self, index: int, event: NewEvent, problem: Problem) -> None:
        self._open.pop(index, None)
        self._results[index] = EventResult(
            index, event.event_id, "rejected", problem.code, problem.detail
        )


def _read(token: str) -> TokenParts:
    try:
        return read_token(token)
    except BadToken as error:
        raise _token_problem(error.code) from None


def _token_problem(code: str) -> Problem:
    return Problem(code, str(TOKEN_DETAILS[code]))


def _payload(event: NewEvent) -> str:
    said = {name: value for name, value in asdict(event).items() if value not in (None, "")}
    return json.dumps(said, default=str)[:PAYLOAD_LENGTH]
