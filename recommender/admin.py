"""Raw rows under /admin/: facts can be read, never changed; switches go through the panel."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Model
from django.http import HttpRequest

from recommender.accounts.models import Account, ApiKey
from recommender.catalog.models import Catalog, ImportRun, Item
from recommender.collect.models import Event, Impression, RejectedEvent, Slate, User
from recommender.evaluate.models import Evaluation
from recommender.jobs.models import Job, Worker
from recommender.prepare.models import Snapshot
from recommender.promote.models import ModelVersion, Promotion
from recommender.train.models import SettingsChange, TrainingRun, Trial


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Show rows without a way to add, change or delete one."""

    show_full_result_count = False  # counting a large table costs more than the page
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Refuse new rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Refuse changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Refuse deletion."""
        return False

    def get_exclude(self, request: HttpRequest, obj: Model | None = None) -> Any:  # noqa: ARG002
        """Leave out packed arrays and hashes of secrets: nobody can read them here."""
        return [
            field.name
            for field in self.model._meta.get_fields()
            if getattr(field, "get_internal_type", lambda: "")() == "BinaryField"
            or field.name == "sha256"
        ]


@admin.register(Account)
class AccountAdmin(UserAdmin):  # type: ignore[type-arg]
    """Accounts: who can log in and what they may do."""

    fieldsets = (*(UserAdmin.fieldsets or ()), (None, {"fields": ("language", "theme")}))


@admin.register(Catalog)
class CatalogAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Catalogs: name, notice and scale; the sequence of changes is not for hands."""

    list_display = ("slug", "name", "scenario", "is_default", "is_demo")
    readonly_fields = ("items_seq", "created_at", "time_shift_s")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Refuse deletion: it would take every fact of the catalog along."""
        return False


FACTS: dict[type[Model], tuple[str, ...]] = {
    ApiKey: ("prefix", "name", "catalog", "kind", "created_at", "revoked_at"),
    Event: ("event_id", "type", "user", "item", "value", "occurred_at", "source"),
    Evaluation: ("model_version", "n_users", "window_from", "window_to", "created_at"),
    Impression: ("slate", "position", "item", "p_cond", "score", "served_at"),
    ImportRun: ("source", "kind", "state", "lines_done", "accepted", "rejected"),
    Item: ("external_id", "title", "catalog", "is_hidden", "updated_at"),
    Job: ("task", "queue", "state", "attempts", "due_at"),
    ModelVersion: ("number", "catalog", "model", "state", "created_at"),
    Promotion: ("action", "version", "previous", "actor", "created_at"),
    RejectedEvent: ("code", "detail", "received_at"),
    SettingsChange: ("model", "catalog", "before", "after", "actor", "created_at"),
    Slate: ("id", "surface", "user", "model_version", "strategy", "decided_at"),
    Snapshot: ("catalog", "watermark_to", "n_events", "created_at"),
    TrainingRun: ("id", "model", "state", "trigger", "created_at", "finished_at"),
    Trial: ("search", "number", "outcome", "value", "settings"),
    User: ("external_id", "catalog", "account", "is_simulated", "created_at"),
    Worker: ("name", "queue", "pid", "seen_at"),
}

for _model, _columns in FACTS.items():
    admin.site.register(
        _model, type(f"{_model.__name__}Admin", (ReadOnly,), {"list_display": _columns})
    )
