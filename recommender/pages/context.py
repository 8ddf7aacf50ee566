"""What every page's template may read."""

from typing import Any

from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    """Give templates the request id."""
    return {"request_id": getattr(request, "request_id", "")}
