"""A small client that speaks as a key, and rows to speak about."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from recommender.accounts.keys import SCOPES, forget_table, make_key
from recommender.api import budget, people
from recommender.api.schema import document
from recommender.catalog.models import Catalog
from recommender.serve import services as serve
from tests import factories

MIDDLEWARE = "recommender.api.errors.ApiErrors"


class Api:
    """Sends requests as one key; `json` bodies are written as JSON."""

    def __init__(self, key: str | None) -> None:
        self.key = key
        self.client = Client()

    def send(self, method: str, path: str, json: Any = None, **headers: str):
        if self.key:
            headers.setdefault("Authorization", f"Bearer {self.key}")
        address = path if path.startswith("/api/") else f"/api/v1/{path}"
        body = {} if json is None else {"data": json, "content_type": "application/json"}
        return self.client.generic(method, address, headers=headers, **_encoded(body))

    def get(self, path: str, **headers: str):
        return self.send("GET", path, **headers)

    def put(self, path: str, json: Any, **headers: str):
        return self.send("PUT", path, json, **headers)

    def post(self, path: str, json: Any, **headers: str):
        return self.send("POST", path, json, **headers)

    def delete(self, path: str, **headers: str):
        return self.send("DELETE", path, **headers)

    def raw(self, path: str, body: bytes, content_type: str, **headers: str):
        if self.key:
            headers.setdefault("Authorization", f"Bearer {self.key}")
        return self.client.post(f"/api/v1/{path}", body, content_type=content_type, headers=headers)


def _encoded(body: dict[str, Any]) -> dict[str, Any]:
    import json

    if not body:
        return {}
    return {"data": json.dumps(body["data"]), "content_type": body["content_type"]}


def key_for(catalog: Catalog, *scopes: str, kind: str = "sk", **fields: Any) -> Api:
    """Make a key and a client that uses it."""
    row, plaintext = make_key(
        catalog=catalog, name="test", kind=kind, scopes=scopes or SCOPES, created_by="test"
    )
    if fields:
        for name, value in fields.items():
            setattr(row, name, value)
        row.save(update_fields=list(fields))
    forget_table()  # tests never commit, so nothing else tells this process
    return Api(plaintext)


def assert_conforms(data: Any, component: str) -> None:
    """Check an answer against a component of the OpenAPI document."""
    root = {"$ref": f"#/components/schemas/{component}", "components": document("en")["components"]}
    problem = best_match(Draft202012Validator(root).iter_errors(data))
    assert problem is None, f"{problem.json_path}: {problem.message[:300]}"


@pytest.fixture(autouse=True)
def _fresh(settings) -> None:
    """Forget what this process remembers of other tests' rows."""
    if MIDDLEWARE not in settings.MIDDLEWARE:
        names = list(settings.MIDDLEWARE)
        names.insert(names.index("django.middleware.locale.LocaleMiddleware") + 1, MIDDLEWARE)
        settings.MIDDLEWARE = names
    settings.STATIC_ROOT = settings.DATA_DIR / "static"
    settings.STATIC_ROOT.mkdir(exist_ok=True)
    for part in (budget, people, serve):
        part.forget()
    forget_table()


@pytest.fixture
def catalog(db) -> Catalog:
    return factories.make_catalog(slug="films")


@pytest.fixture
def api(catalog) -> Api:
    """A key with every scope."""
    return key_for(catalog)


@pytest.fixture
def items(catalog):
    return [factories.make_item(catalog, external_id=f"f{n}", title=f"Film {n}") for n in range(6)]
