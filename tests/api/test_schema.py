"""The OpenAPI document says what there is, no more and no less."""

import re

import pytest
from django.urls import URLPattern
from drf_spectacular.drainage import GENERATOR_STATS, reset_generator_stats
from drf_spectacular.validation import validate_schema

from recommender.api import urls
from recommender.api.events import EventInput
from recommender.api.lists import LENGTHS, NAMES, ListQuery
from recommender.api.problems import BY_STATUS, KINDS
from recommender.api.schema import document
from recommender.collect.services import NewEvent


def test_the_document_is_valid_openapi_31(capsys):
    document.cache_clear()
    reset_generator_stats()
    made = document("en")
    assert made["openapi"] == "3.1.0"
    validate_schema(made)
    assert not GENERATOR_STATS
    assert capsys.readouterr().err == ""


def test_the_document_and_the_urlconf_name_the_same_addresses():
    patterns = [p for p in urls.urlpatterns if isinstance(p, URLPattern)]
    routes = {re.sub(r"<\w+:(\w+)>", r"{\1}", f"/api/{p.pattern}") for p in patterns}
    described = set(document("en")["paths"])
    pages = {"/api/docs/", "/api/problems/{code}/"}
    assert routes == described | pages


def test_every_address_stands_behind_the_door():
    for pattern in urls.urlpatterns:
        if str(pattern.pattern).startswith("v1/"):
            view = pattern.callback
            assert view.csrf_exempt
            assert set(view.cls.scopes) == {
                method.upper()
                for method in ("get", "put", "post", "delete")
                if hasattr(view.cls, method)
            }


def test_operations_have_names_of_their_own():
    names = [
        operation["operationId"]
        for methods in document("en")["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))


def test_every_post_takes_an_idempotency_key_and_every_operation_has_problems():
    for methods in document("en")["paths"].values():
        for method, operation in methods.items():
            assert {"4XX", "5XX"} <= set(operation["responses"])
            headers = {p["name"] for p in operation.get("parameters", []) if p["in"] == "header"}
            assert ("Idempotency-Key" in headers) == (method == "post")


def test_the_hot_validators_and_their_description_name_the_same_fields():
    assert set(EventInput().fields) == set(NewEvent.__dataclass_fields__)
    assert set(ListQuery().fields) == NAMES
    for name, most in LENGTHS.items():
        field = ListQuery().fields[name]
        assert name == "surface" or field.max_length == most


def test_request_bodies_refuse_unknown_fields_in_the_document_too():
    schemas = document("en")["components"]["schemas"]
    inputs = [name for name in schemas if name.endswith("Request") and "type" in schemas[name]]
    assert inputs
    for name in inputs:
        if schemas[name]["type"] == "object":
            assert schemas[name]["additionalProperties"] is False, name


@pytest.mark.parametrize("status", BY_STATUS)
def test_every_status_has_a_kind_of_problem(status):
    assert KINDS[BY_STATUS[status]].status == status
