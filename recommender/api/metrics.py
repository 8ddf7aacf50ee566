"""The dashboard's series as JSON: views, clicks and click-through rate."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from recommender import clock
from recommender.api import body
from recommender.api.fields import UtcTime
from recommender.api.lists import bad
from recommender.api.metrics_queries import KEYS, By, series
from recommender.api.views import ApiView

NAMES = frozenset({"from", "to", "by"})
WINDOW = timedelta(days=28)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)


class Metrics(ApiView):
    """Series of traffic."""

    scopes: ClassVar = {"GET": "read"}

    class Output(serializers.Serializer[Any]):
        """`ctr` is clicks per viewed position, with its Wilson 95 % interval."""

        class Point(serializers.Serializer[Any]):
            """One day, version or position; a null version used no model."""

            class Rate(serializers.Serializer[Any]):
                """A share with its interval."""

                value = serializers.FloatField()
                low = serializers.FloatField()
                high = serializers.FloatField()

            key = serializers.CharField(allow_null=True)
            views = serializers.IntegerField()
            clicks = serializers.IntegerField()
            ctr = Rate()

        by = serializers.ChoiceField(list(KEYS))
        since = UtcTime()
        until = UtcTime()
        series = Point(many=True)

    @extend_schema(
        operation_id="getMetrics",
        summary=gettext_lazy("Read click-through rates by day, version or position"),
        parameters=[
            OpenApiParameter(
                "from", OpenApiTypes.STR, description=gettext_lazy("A day or an RFC 3339 time")
            ),
            OpenApiParameter(
                "to", OpenApiTypes.STR, description=gettext_lazy("Not included; now by default")
            ),
            OpenApiParameter("by", enum=list(KEYS), default="day"),
        ],
        responses=Output,
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer one series."""
        given = request.GET
        for name in given:
            if name not in NAMES:
                raise bad(name, "unknown_field", _("Unknown parameter; known are: from, to, by."))
        by = given.get("by", "day")
        if by not in KEYS:
            known = ", ".join(KEYS)
            raise bad("by", "invalid", _("by is %(v)r; known are: %(k)s.") % {"v": by, "k": known})
        until = _moment("to", given.get("to")) or clock.now()
        since = _moment("from", given.get("from")) or until - WINDOW
        points = series(self.catalog, since, until, _by(by))
        data = {"by": by, "since": since, "until": until, "series": points}
        return body.answer(self.Output(data).data)


def _by(text: str) -> By:
    return "day" if text == "day" else "version" if text == "version" else "position"


def _moment(name: str, text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        # "+00:00" arrives as " 00:00" from clients that do not escape it.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        detail = _("%(name)s is %(v)r; send a day or an RFC 3339 time in UTC.")
        raise bad(name, "invalid", detail % {"name": name, "v": text[:40]}) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(aware, EARLIEST), LATEST)
