"""Users: who is recommended to, what they prefer, and all that is known of them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from recommender.api import batches, body, people, queries, services
from recommender.api.fields import Strict, UtcTime, external_id
from recommender.api.views import ApiView
from recommender.collect.services import UserInput, put_users, set_personalized
from recommender.errors import BadData


class UserFields(Strict):
    """What your system knows of a user; a PUT replaces it."""

    attributes = serializers.DictField(
        default=dict, help_text=gettext_lazy('Such as {"age": 34, "gender": "F"}')
    )


class UserWithId(UserFields):
    """A user of a batch."""

    id = external_id()


class UserOutput(serializers.Serializer[Any]):
    """A user as stored. `profile_updated_at` moves with each event that changes the lists."""

    id = serializers.CharField(source="user.external_id")
    attributes = serializers.DictField(source="user.attributes")
    is_personalized = serializers.BooleanField(source="user.is_personalized")
    created_at = UtcTime(source="user.created_at")
    updated_at = UtcTime(source="user.updated_at")
    profile_updated_at = UtcTime(allow_null=True)
    rating_count = serializers.IntegerField()


class OneUser(ApiView):
    """One user."""

    scopes: ClassVar = {"GET": "read", "PUT": "write", "DELETE": "write"}
    is_resource: ClassVar = True

    @extend_schema(
        operation_id="getUser", summary=gettext_lazy("Read a user"), responses=UserOutput
    )
    def get(self, _request: Request, user: str) -> HttpResponse:
        """Answer the user as stored."""
        return body.answer(UserOutput(queries.user_card(self.catalog, user)).data)

    @extend_schema(
        operation_id="putUser",
        summary=gettext_lazy("Create a user or replace the attributes"),
        request=UserFields,
        responses={200: UserOutput, 201: UserOutput},
    )
    def put(self, _request: Request, user: str) -> HttpResponse:
        """Store the user; 201 when new."""
        is_new = not queries.has_user(self.catalog, user)
        made = UserInput(user, self.read(UserFields)["attributes"])
        put_users(catalog=self.catalog, users=[made])
        card = queries.user_card(self.catalog, user)
        return body.answer(UserOutput(card).data, 201 if is_new else 200)

    class Erased(serializers.Serializer[Any]):
        """What became of the erasure."""

        class Job(serializers.Serializer[Any]):
            """Its job."""

            id = serializers.CharField()
            state = serializers.ChoiceField(["queued", "done"])

        id = serializers.CharField()
        job = Job()

    @extend_schema(
        operation_id="deleteUser",
        summary=gettext_lazy("Erase a user"),
        description=gettext_lazy(
            "Events, lists and attributes of the user go. Models that learned from them "
            "are replaced by the next full training."
        ),
        responses={202: Erased},
    )
    def delete(self, _request: Request, user: str) -> HttpResponse:
        """Erase the user."""
        job = services.erase_user(user=queries.user(self.catalog, user))
        people.forget()
        return body.answer({"id": user, "job": {"id": str(job.pk), "state": "done"}}, 202)


class UsersBatch(ApiView):
    """Many users at once."""

    scopes: ClassVar = {"POST": "write"}
    costs: ClassVar = {"POST": 5}
    media: ClassVar = (body.JSON, body.NDJSON)

    class Input(Strict):
        """A batch."""

        users = serializers.ListField(child=UserWithId(), max_length=batches.MOST)

    @extend_schema(
        operation_id="putUsers",
        summary=gettext_lazy("Create or replace many users"),
        request={body.JSON: Input, body.NDJSON: UserWithId},
        responses=batches.BatchOutput,
    )
    def post(self, request: Request) -> HttpResponse:
        """Store the good ones, name the bad ones."""
        return batches.answer(
            batches.read(request._request, "users"),
            batches.Batch(UserWithId, _from_batch, _check_user, self._store),
        )

    def _store(self, users: list[UserInput]) -> None:
        put_users(catalog=self.catalog, users=users)


class UserExport(ApiView):
    """Everything about one user."""

    scopes: ClassVar = {"GET": "read"}
    costs: ClassVar = {"GET": 10}

    class Output(serializers.Serializer[Any]):
        """The user, every event, and every list that was shown."""

        class Deed(serializers.Serializer[Any]):
            """One event."""

            event_id = serializers.UUIDField()
            type = serializers.CharField()
            item = serializers.CharField(allow_null=True)
            value = serializers.FloatField(allow_null=True)
            reason = serializers.CharField()
            occurred_at = UtcTime()
            received_at = UtcTime()
            source = serializers.CharField()  # type: ignore[assignment]
            slate_id = serializers.UUIDField(allow_null=True)
            position = serializers.IntegerField(allow_null=True)

        class Shown(serializers.Serializer[Any]):
            """One list."""

            slate_id = serializers.UUIDField()
            decided_at = UtcTime()
            surface = serializers.CharField()
            strategy = serializers.CharField()
            model_version = serializers.CharField(allow_null=True)
            items = serializers.ListField(child=serializers.CharField())

        user = UserOutput()
        events = Deed(many=True)
        lists = Shown(many=True)

    @extend_schema(
        operation_id="exportUser",
        summary=gettext_lazy("Export all that is known of a user"),
        responses=Output,
    )
    def get(self, _request: Request, user: str) -> HttpResponse:
        """Answer everything as one file."""
        card = queries.user_card(self.catalog, user)
        data = {
            "user": UserOutput(card).data,
            "events": queries.deeds(card.user),
            "lists": queries.shown_lists(card.user),
        }
        attachment = 'attachment; filename="user.json"'
        return body.answer(data, Content_Disposition=attachment)


class Preferences(ApiView):
    """What a user chose."""

    scopes: ClassVar = {"GET": "read", "PUT": "write"}
    is_resource: ClassVar = True

    class Input(Strict):
        """The lasting choices."""

        is_personalized = serializers.BooleanField(
            help_text=gettext_lazy("False: lists of this user read no profile at all")
        )

    class Output(serializers.Serializer[Any]):
        """The lasting choices."""

        is_personalized = serializers.BooleanField()

    @extend_schema(
        operation_id="getPreferences",
        summary=gettext_lazy("Read a user's preferences"),
        responses=Output,
    )
    def get(self, _request: Request, user: str) -> HttpResponse:
        """Answer the choices."""
        return body.answer(self.Output(queries.user(self.catalog, user)).data)

    @extend_schema(
        operation_id="putPreferences",
        summary=gettext_lazy("Replace a user's preferences"),
        request=Input,
        responses=Output,
    )
    def put(self, _request: Request, user: str) -> HttpResponse:
        """Store the choices."""
        data = self.read(self.Input)
        found = queries.user(self.catalog, user)
        stored = set_personalized(user=found, is_personalized=data["is_personalized"])
        return body.answer(self.Output(stored).data)


def _from_batch(data: Mapping[str, Any]) -> UserInput:
    return UserInput(data["id"], data["attributes"])


def _check_user(user: UserInput) -> None:
    if "\0" in user.external_id:
        raise BadData(_("The id holds the character NUL."))
