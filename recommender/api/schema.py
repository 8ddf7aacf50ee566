"""Describe the API as OpenAPI 3.1: what drf-spectacular cannot read off the views by itself."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from django.utils.translation import gettext_lazy
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from recommender.api.fields import Strict

if TYPE_CHECKING:
    from recommender.api.views import ApiView

KEY = "key"
IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description=gettext_lazy(
        "Repeat a POST with the same key and body within 24 hours and the first answer "
        "comes back byte for byte."
    ),
)


class FieldErrorOutput(serializers.Serializer[Any]):
    """One wrong field."""

    pointer = serializers.CharField(help_text=gettext_lazy("RFC 6901 JSON pointer"))
    location = serializers.ChoiceField(["body", "query", "path", "header"])
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemOutput(serializers.Serializer[Any]):
    """A failure: RFC 9457 problem details. `type` is an address that explains it."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    request_id = serializers.CharField()
    errors = FieldErrorOutput(many=True)  # type: ignore[assignment]


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describe the bearer key."""

    target_class = "recommender.api.auth.KeyAuthentication"
    name = KEY

    def get_security_definition(self, _auto_schema: AutoSchema) -> dict[str, str]:
        """Return the scheme; an operation's list of scopes stands at the operation."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A key of one catalog. `sk_` keys are for servers; `pk_` keys are for "
            "browsers and hold the scopes recommend and events only.",
        }


class OperationSchema(AutoSchema):
    """Add to each operation its scope, its problems and the conventions of the door."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Describe one operation."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        reference = self.resolve_serializer(ProblemOutput, "response").ref
        content = {"application/problem+json": {"schema": reference}}
        for status, text in {"4XX": "Refused", "5XX": "Failed"}.items():
            operation["responses"][status] = {"description": text, "content": content}
        if self._rules.is_resource and self.method == "GET":
            operation["responses"]["304"] = {"description": "Unchanged since the ETag you sent"}
        return operation

    @property
    def _rules(self) -> "ApiView":
        return cast("ApiView", self.view)

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Name the scope that a key needs."""
        super().get_auth()  # registers the scheme
        scope = self._rules.scopes[self.method]
        return [] if scope is None else [{KEY: [scope]}]

    def get_override_parameters(self) -> list[Any]:
        """Add the header that every POST understands."""
        declared = list(super().get_override_parameters())
        is_guarded = self._rules.scopes[self.method] is not None
        return [*declared, IDEMPOTENCY] if self.method == "POST" and is_guarded else declared

    def get_serializer_name(self, serializer: Any, _direction: str) -> str:
        """Name a component after its class and the view that it stands in."""
        name: str = type(serializer).__qualname__
        return name.replace(".", "")

    def get_description(self) -> str:  # type: ignore[override]
        """Say nothing beyond the summary, unless the view does: docstrings speak to maintainers."""
        return ""

    def get_tags(self) -> list[str]:
        """Group by the noun of the address."""
        noun: str = self.path.removeprefix("/api/v1/").split("/")[0]
        return [noun.split(":")[0]]

    def _postprocess_serializer_schema(
        self, schema: dict[str, Any], serializer: Any, direction: str
    ) -> dict[str, Any]:
        done: dict[str, Any] = super()._postprocess_serializer_schema(  # type: ignore[no-untyped-call]
            schema, serializer, direction
        )
        if direction == "request" and isinstance(serializer, Strict):
            done["additionalProperties"] = False
        return done


@lru_cache(maxsize=8)
def document(language: str) -> dict[str, Any]:
    """Build the OpenAPI document; `language` is the active one, in which the texts are."""
    del language  # only tells the copies apart
    generator: Any = SchemaGenerator()  # type: ignore[no-untyped-call]
    found: dict[str, Any] = generator.get_schema(request=None, public=True)
    return found
