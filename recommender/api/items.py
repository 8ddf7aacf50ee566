"""Items: what can be recommended."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from recommender.api import batches, body, queries
from recommender.api.fields import Number, Strict, UtcTime, external_id
from recommender.api.views import ApiView
from recommender.catalog.models import Item
from recommender.catalog.services import ItemInput, check_item, hide_item, put_items


def words(help_text: Any) -> serializers.ListField:
    """Describe a list of short texts."""
    return serializers.ListField(
        child=serializers.CharField(max_length=200),
        max_length=200,
        default=list,
        help_text=help_text,
    )


def address() -> serializers.CharField:
    """Describe the address of a file; https, http or a path of this site."""
    return serializers.CharField(max_length=2000, allow_blank=True, allow_null=True, default="")


def media_file(help_text: Any) -> serializers.CharField:
    """Describe a file below the media folder."""
    return serializers.CharField(
        max_length=500, allow_blank=True, allow_null=True, default=None, help_text=help_text
    )


class ItemFields(Strict):
    """The whole of an item: a PUT replaces what was there."""

    title = serializers.CharField(max_length=500)
    description = serializers.CharField(max_length=100_000, allow_blank=True, default="")
    categories = words(gettext_lazy("Such as genres or departments; filters use them"))
    tags = words(gettext_lazy("Free tags"))
    creators = words(gettext_lazy("Directors, authors, makers"))
    price = Number(min_value=0, max_value=1e15, allow_null=True, default=None)
    sales = serializers.IntegerField(min_value=0, max_value=2**53, allow_null=True, default=None)
    language = serializers.CharField(max_length=35, allow_blank=True, default="")
    published_at = UtcTime(allow_null=True, default=None)
    expires_at = UtcTime(
        allow_null=True, default=None, help_text=gettext_lazy("Not shown from then on")
    )
    image_url = address()
    audio_url = address()
    picture = media_file(
        gettext_lazy("For the encoder: a path below the media folder; null keeps, empty removes")
    )
    sound = media_file(
        gettext_lazy("For the encoder: a path below the media folder; null keeps, empty removes")
    )
    is_hidden = serializers.BooleanField(default=False)
    attributes = serializers.DictField(default=dict)


class ItemWithId(ItemFields):
    """An item of a batch."""

    id = external_id()


class ItemOutput(serializers.Serializer[Any]):
    """An item as stored."""

    id = serializers.CharField(source="external_id")
    title = serializers.CharField()
    description = serializers.CharField()
    categories = serializers.ListField(child=serializers.CharField())
    tags = serializers.ListField(child=serializers.CharField())
    creators = serializers.ListField(child=serializers.CharField())
    price = serializers.FloatField(allow_null=True)
    sales = serializers.IntegerField(allow_null=True)
    language = serializers.CharField()
    published_at = UtcTime(allow_null=True)
    expires_at = UtcTime(allow_null=True)
    image_url = serializers.SerializerMethodField(help_text=gettext_lazy("Null: no image"))
    audio_url = serializers.SerializerMethodField(help_text=gettext_lazy("Null: no audio"))
    picture = serializers.CharField(help_text=gettext_lazy("Empty: no picture"))
    sound = serializers.CharField(help_text=gettext_lazy("Empty: no sound"))
    is_hidden = serializers.BooleanField()
    attributes = serializers.DictField()
    created_at = UtcTime()
    updated_at = UtcTime()

    def get_image_url(self, item: Item) -> str | None:
        """Answer null for no image, as it may be sent."""
        return item.image_url or None

    def get_audio_url(self, item: Item) -> str | None:
        """Answer null for no audio."""
        return item.audio_url or None


class OneItem(ApiView):
    """One item."""

    scopes: ClassVar = {"GET": "read", "PUT": "write", "DELETE": "write"}
    is_resource: ClassVar = True

    @extend_schema(
        operation_id="getItem", summary=gettext_lazy("Read an item"), responses=ItemOutput
    )
    def get(self, _request: Request, item: str) -> HttpResponse:
        """Answer the item as stored."""
        return body.answer(ItemOutput(queries.item(self.catalog, item)).data)

    @extend_schema(
        operation_id="putItem",
        summary=gettext_lazy("Create or replace an item"),
        request=ItemFields,
        responses={200: ItemOutput, 201: ItemOutput},
    )
    def put(self, _request: Request, item: str) -> HttpResponse:
        """Store the item; 201 when it is new."""
        is_new = not queries.has_item(self.catalog, item)
        made = item_input(item, self.read(ItemFields))
        stored = put_items(catalog=self.catalog, items=[made])[0]
        return body.answer(ItemOutput(stored).data, 201 if is_new else 200)

    @extend_schema(
        operation_id="deleteItem",
        summary=gettext_lazy("Take an item out of all lists"),
        description=gettext_lazy(
            "The item is hidden at once. What people did with it stays, and so does its "
            "row: a PUT brings it back."
        ),
        responses={204: None},
    )
    def delete(self, _request: Request, item: str) -> HttpResponse:
        """Hide the item."""
        hide_item(item=queries.item(self.catalog, item), is_hidden=True)
        return HttpResponse(status=204)


class ItemsBatch(ApiView):
    """Many items at once."""

    scopes: ClassVar = {"POST": "write"}
    costs: ClassVar = {"POST": 5}
    media: ClassVar = (body.JSON, body.NDJSON)

    class Input(Strict):
        """A batch."""

        items = serializers.ListField(child=ItemWithId(), max_length=batches.MOST)

    @extend_schema(
        operation_id="putItems",
        summary=gettext_lazy("Create or replace many items"),
        request={body.JSON: Input, body.NDJSON: ItemWithId},
        responses=batches.BatchOutput,
    )
    def post(self, request: Request) -> HttpResponse:
        """Store the good ones, name the bad ones."""
        return batches.answer(
            batches.read(request._request, "items"),
            batches.Batch(ItemWithId, _from_batch, check_item, self._store),
        )

    def _store(self, items: list[ItemInput]) -> None:
        put_items(catalog=self.catalog, items=items)


def item_input(external_id: str, data: Mapping[str, Any]) -> ItemInput:
    """Turn checked fields into what the catalog stores; null addresses are empty ones."""
    fields = {name: value for name, value in data.items() if name != "id"}
    for name in ("image_url", "audio_url"):
        fields[name] = fields[name] or ""
    return ItemInput(external_id=external_id, **fields)


def _from_batch(data: Mapping[str, Any]) -> ItemInput:
    return item_input(data["id"], data)
