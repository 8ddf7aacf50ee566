"""Serializer parts that the resources share."""

from datetime import UTC
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers


class Strict(serializers.Serializer[Any]):
    """A serializer that refuses unknown fields by name, so that a typo is not silently ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse unknown names, then check the known ones."""
        if isinstance(data, dict):
            unknown = sorted(str(name) for name in data if name not in self.fields)
            if unknown:
                known = ", ".join(self.fields)
                text = _("Unknown field; known are: %(known)s.") % {"known": known}
                errors = {
                    name: [serializers.ErrorDetail(text, "unknown_field")] for name in unknown
                }
                raise serializers.ValidationError(errors)
        return super().to_internal_value(data)


class Number(serializers.FloatField):
    """A number. Texts and booleans are none, although Python could read them as one."""

    def to_internal_value(self, data: Any) -> float:
        """Refuse what is not a JSON number."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return float(super().to_internal_value(data))


class Whole(serializers.IntegerField):
    """A whole number. Texts and booleans are none, although Python could read them as one."""

    def to_internal_value(self, data: Any) -> int:
        """Refuse what is not a whole JSON number."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return int(super().to_internal_value(data))


class UtcTime(serializers.DateTimeField):
    """A time, RFC 3339; it leaves in UTC whatever the site's own time zone is."""

    def __init__(self, **options: Any) -> None:
        """Fix the zone."""
        super().__init__(default_timezone=UTC, **options)


def external_id(**options: Any) -> serializers.CharField:
    """Describe the id that the caller's own system gives a user or an item."""
    return serializers.CharField(max_length=200, trim_whitespace=False, **options)
