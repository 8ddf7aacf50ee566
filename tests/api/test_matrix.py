"""Who may do what: every operation of the OpenAPI document against every kind of key.

The expectation is written here by hand, not read from the document, so that a scope that changes
by mistake, or a new operation that nobody thought about, fails.
"""

import pytest

from recommender.accounts.keys import SCOPES
from recommender.api.schema import document
from tests import factories
from tests.api.conftest import Api, key_for

PUBLIC = None
NEEDED = {
    "GET /api/v1/recommendations": "recommend",
    "GET /api/v1/items/{item}/similar": "recommend",
    "GET /api/v1/search": "recommend",
    "POST /api/v1/rank": "recommend",
    "POST /api/v1/events": "events",
    "GET /api/v1/pipeline": "read",
    "GET /api/v1/items/{item}": "read",
    "PUT /api/v1/items/{item}": "write",
    "DELETE /api/v1/items/{item}": "write",
    "POST /api/v1/items:batch": "write",
    "GET /api/v1/users/{user}": "read",
    "PUT /api/v1/users/{user}": "write",
    "DELETE /api/v1/users/{user}": "write",
    "POST /api/v1/users:batch": "write",
    "GET /api/v1/users/{user}/export": "read",
    "GET /api/v1/users/{user}/preferences": "read",
    "PUT /api/v1/users/{user}/preferences": "write",
    "GET /api/v1/users/{user}/ratings/{item}": "read",
    "PUT /api/v1/users/{user}/ratings/{item}": "write",
    "DELETE /api/v1/users/{user}/ratings/{item}": "write",
    "POST /api/v1/ratings:batch": "write",
    "POST /api/v1/training-runs": "operate",
    "GET /api/v1/training-runs/{run}": "read",
    "POST /api/v1/training-runs/{run}:cancel": "operate",
    "POST /api/v1/training-runs/{run}:adopt": "operate",
    "GET /api/v1/training-settings": "read",
    "POST /api/v1/training-settings/{model}:undo": "operate",
    "GET /api/v1/models": "read",
    "GET /api/v1/models/{version}/estimate": "read",
    "POST /api/v1/models/{version}:estimate": "operate",
    "GET /api/v1/models/{version}/variants": "read",
    "POST /api/v1/models/{version}/variants:measure": "operate",
    "POST /api/v1/models/{version}/variants/{variant}:serve": "operate",
    "POST /api/v1/models/{version}:promote": "operate",
    "POST /api/v1/models:rollback": "operate",
    "GET /api/v1/slates/{slate}": "operate",
    "GET /api/v1/loop": "read",
    "GET /api/v1/metrics": "read",
    "PUT /api/v1/clock": "operate",
    "GET /api/v1/health/live": PUBLIC,
    "GET /api/v1/health/ready": PUBLIC,
    "GET /api/v1/openapi.json": PUBLIC,
}
BROWSER = ("recommend", "events")
CALLERS = ("anonymous", "browser", *SCOPES, "every scope but the needed one", "revoked")


def operations() -> set[str]:
    """List the operations as the document does."""
    paths = document("en")["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def test_every_operation_stands_in_the_matrix():
    assert operations() == set(NEEDED)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("operation", NEEDED)
def test_a_caller_passes_only_with_the_scope(operation, caller, catalog):
    method, path = operation.split()
    needed = NEEDED[operation]
    response = _caller(caller, catalog, needed).send(method, _fill(path), _body(method))
    if needed is PUBLIC:
        assert response.status_code not in {401, 403}
    elif caller in {"anonymous", "revoked"}:
        assert response.status_code == 401
        assert response["WWW-Authenticate"].startswith("Bearer")
    elif caller == needed or (caller == "browser" and needed in BROWSER):
        assert response.status_code not in {401, 403}
    else:
        assert response.status_code == 403
        assert f"“{needed}”" in response.json()["detail"]


# What names an object of a catalog, and a body that would be right in one's own.
OBJECTS = {
    "GET /api/v1/items/f1": None,
    "DELETE /api/v1/items/f1": None,
    "GET /api/v1/items/f1/similar": None,
    "GET /api/v1/users/u1": None,
    "DELETE /api/v1/users/u1": None,
    "GET /api/v1/users/u1/export": None,
    "GET /api/v1/users/u1/preferences": None,
    "PUT /api/v1/users/u1/preferences": {"is_personalized": False},
    "GET /api/v1/users/u1/ratings/f1": None,
    "PUT /api/v1/users/u1/ratings/f1": {"value": 4.0},
    "DELETE /api/v1/users/u1/ratings/f1": None,
    "GET /api/v1/training-runs/{run}": None,
    "POST /api/v1/training-runs/{run}:cancel": {},
    "POST /api/v1/training-runs/{run}:adopt": {},
    "GET /api/v1/models/v1/estimate": None,
    "POST /api/v1/models/v1:estimate": {},
    "GET /api/v1/models/v1/variants": None,
    "POST /api/v1/models/v1/variants:measure": {},
    "POST /api/v1/models/v1/variants/original:serve": {},
    "POST /api/v1/models/v1:promote": {},
    "POST /api/v1/models:rollback": {"to": "v1"},
    "GET /api/v1/slates/{slate}": None,
}


@pytest.fixture
def objects(api, catalog, items) -> dict[str, str]:
    """Make one of each in a catalog, and name them."""
    api.put("users/u1/ratings/f1", {"value": 3.0})
    factories.make_version(catalog, number=1, state="retired")
    run = factories.make_run(catalog)
    return {"run": str(run.pk), "slate": str(factories.make_slate(catalog, items[:1]).pk)}


@pytest.mark.parametrize("operation", OBJECTS)
def test_a_key_of_another_catalog_finds_nothing(operation, objects):
    method, path = operation.split()
    stranger = key_for(factories.make_catalog())
    response = stranger.send(method, path.format(**objects), OBJECTS[operation])
    assert (response.status_code, response.json()["type"][-10:]) == (404, "not_found/")


@pytest.mark.parametrize("operation", ["GET /api/v1/items/f1", "GET /api/v1/users/u1/ratings/f1"])
def test_the_key_of_the_catalog_finds_it(operation, objects, api):
    assert api.send(*operation.split()).status_code == 200


def _caller(caller: str, catalog, needed: str | None) -> Api:
    if caller == "anonymous":
        return Api(None)
    if caller == "browser":
        return key_for(catalog, *BROWSER, kind="pk")
    if caller == "revoked":
        return key_for(catalog, revoked_at=factories.START)
    if caller in SCOPES:
        return key_for(catalog, caller)
    return key_for(catalog, *(scope for scope in SCOPES if scope != needed))


def _fill(path: str) -> str:
    names = {"item": "f1", "user": "u1", "run": "1", "version": "v1", "slate": "1"}
    return path.format(**names, model="popularity", variant="original")


def _body(method: str) -> dict | None:
    return None if method in {"GET", "DELETE"} else {}
