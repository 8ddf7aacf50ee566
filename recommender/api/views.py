"""What every API view class has: its rules for the door, and checked input."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from rest_framework.views import APIView

from recommender.accounts.models import ApiKey
from recommender.api import auth, body
from recommender.api.errors import field_errors, invalid
from recommender.api.fields import Strict
from recommender.api.schema import OperationSchema
from recommender.catalog.models import Catalog


class ApiView(APIView):
    """Base of all views. The class attributes are the rules that `door` enforces.

    Attributes:
        scopes: method → scope that a key needs; None is open to everybody.
        costs: method → permits of the key's minute that one request spends (1 where not named).
        media: content types that bodies may have.
        is_resource: GET answers carry an ETag; otherwise they are `no-store`.
        plain: a function that answers instead of DRF, where an address is hot.
        key_in_body: finds the key where a browser cannot send a header.
    """

    schema = OperationSchema()
    scopes: ClassVar[Mapping[str, str | None]] = {}
    costs: ClassVar[Mapping[str, int]] = {}
    media: ClassVar[tuple[str, ...]] = (body.JSON,)
    is_resource: ClassVar[bool] = False
    plain: ClassVar["staticmethod[..., HttpResponse] | None"] = None
    key_in_body: ClassVar["staticmethod[[HttpRequest], str] | None"] = None

    @property
    def key(self) -> ApiKey:
        """Return the key that called."""
        return auth.key_of(self.request._request)

    @property
    def catalog(self) -> Catalog:
        """Return the one catalog that the key sees."""
        return self.key.catalog

    def read(self, serializer: type[Strict]) -> dict[str, Any]:
        """Parse and check the body; unknown fields are refused by name."""
        return check(serializer, body.read_object(self.request._request))

    def read_query(self, serializer: type[Strict]) -> dict[str, Any]:
        """Check the query string; unknown names are refused."""
        return check(serializer, self.request.GET.dict(), "query")


def check(serializer: type[Strict], data: Any, location: str = "body") -> dict[str, Any]:
    """Check data against a serializer.

    Raises: Problem 400 with one entry per wrong field.
    """
    bound = serializer(data=data)
    if not bound.is_valid():
        raise invalid(tuple(field_errors(bound.errors, location)))
    found: dict[str, Any] = bound.validated_data
    return found
