"""A slate as logged, for an operator's audit."""

from uuid import uuid4

import pytest

from tests import factories
from tests.api.conftest import assert_conforms, key_for


def test_a_list_can_be_audited_by_its_slate(api, items):
    shown = api.get("recommendations?user=u1&limit=3").json()
    slate = api.get(f"slates/{shown['slate_id']}").json()
    assert_conforms(slate, "SlateOutput")
    assert slate["user"] == "u1"
    assert [one["item"] for one in slate["items"]] == [one["item"] for one in shown["items"]]
    assert [one["p_cond"] for one in slate["items"]] == [
        one["propensity"] for one in shown["items"]
    ]
    assert slate["sampler"] == "deterministic"
    assert set(slate["candidates"]) >= {one["item"] for one in shown["items"]}
    assert [len(row) for row in slate["logits"]] == [len(slate["candidates"])]


def test_an_old_slate_without_candidates_is_still_answered(api, catalog, items):
    slate = factories.make_slate(catalog, items[:2])
    answer = api.get(f"slates/{slate.pk}").json()
    assert (answer["candidates"], answer["logits"], answer["user"]) == ([], [], None)


@pytest.mark.parametrize("name", [str(uuid4()), "1", "x" * 300])
def test_a_slate_that_is_not_there_is_missing(name, api):
    assert api.get(f"slates/{name}").status_code == 404


def test_a_slate_of_another_catalog_is_missing(api, catalog, items):
    slate = factories.make_slate(catalog, items[:2])
    assert key_for(factories.make_catalog()).get(f"slates/{slate.pk}").status_code == 404
    assert key_for(catalog, "read", "write").get(f"slates/{slate.pk}").status_code == 403
