"""What a client sends to say that something happened, and what it hears back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.utils.translation import gettext_lazy as _

Status = Literal["accepted", "duplicate", "rejected"]


@dataclass(frozen=True)
class NewEvent:
    """One event as it came; a token supplies user, item, slate and position."""

    type: str
    event_id: UUID | None = None
    user: str | None = None
    item: str | None = None
    value: float | None = None
    token: str | None = None
    occurred_at: datetime | None = None
    reason: str = ""
    undoes: UUID | None = None
    session_id: str = ""


@dataclass(frozen=True)
class EventResult:
    """What became of the event at `index` of the batch."""

    index: int
    event_id: UUID | None
    status: Status
    code: str | None = None
    detail: str | None = None


class Problem(Exception):
    """Why one event is refused; never leaves `record_events`."""

    def __init__(self, code: str, detail: str) -> None:
        """Keep code and sentence."""
        super().__init__(detail)
        self.code = code
        self.detail = detail


TOKEN_DETAILS: Mapping[str, object] = {
    "forged_token": _("The token was not made here, or it was changed. Send it back as it came."),
    "expired_token": _("The token is older than 24 hours. Ask for a new list."),
    "foreign_token": _("The token belongs to another user, item or catalog than the event names."),
}
