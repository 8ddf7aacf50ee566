"""Property tests of the whole API, generated from its own OpenAPI document."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from recommender.api.schema import document
from recsite.wsgi import application
from tests.api.conftest import key_for

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@schemathesis.serializer("application/x-ndjson")
def lines(_context, value):
    """Write a body of one line."""
    return json.dumps(value).encode()


# Not ready is the right answer of the ready probe here: a test has no worker.
schema = schemathesis.openapi.from_dict(document("en")).exclude(path="/api/v1/health/ready")
schema.app = application


@pytest.fixture
def bearer(catalog, items) -> dict[str, str]:
    """A key that may do everything, and rarely hits its limit."""
    return {"Authorization": f"Bearer {key_for(catalog, rate_limit=1_000_000).key}"}


@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_generated_request_breaks_a_promise(case, bearer):
    # Its WSGI client cannot unpack gzip.
    headers = {**(case.headers or {}), **bearer, "Accept-Encoding": "identity"}
    response = case.call(headers=headers)
    assert response.status_code < 500
    case.validate_response(response, checks=CHECKS)
