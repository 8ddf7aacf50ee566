"""Items: created, replaced, hidden, and refused by name when wrong."""

import json

import pytest

from recommender.catalog.models import Item
from tests import factories
from tests.api.conftest import assert_conforms, key_for

WHOLE = {
    "title": "千与千寻",
    "description": "A girl among spirits.",
    "categories": ["Animation"],
    "tags": ["温情"],
    "creators": ["宫崎骏"],
    "price": 9.5,
    "sales": 120,
    "language": "zh",
    "published_at": "2001-07-20T08:00:00+08:00",
    "image_url": None,
    "audio_url": None,
    "is_hidden": False,
    "attributes": {"country": "JP"},
}


def test_a_put_creates_then_replaces(api):
    first = api.put("items/318", WHOLE)
    assert (first.status_code, first.json()["id"]) == (201, "318")
    assert_conforms(first.json(), "ItemOutput")
    assert first.json()["published_at"] == "2001-07-20T00:00:00Z"
    second = api.put("items/318", {"title": "Spirited Away"})
    assert (second.status_code, second.json()["tags"]) == (200, [])
    assert Item.objects.count() == 1


def test_what_was_put_is_read_back(api):
    api.put("items/318", WHOLE)
    stored = api.get("items/318").json()
    assert {name: stored[name] for name in WHOLE} == {
        **WHOLE,
        "published_at": "2001-07-20T00:00:00Z",
    }


def test_an_id_may_hold_any_letters(api):
    assert api.put("items/%E5%BD%B1%3A%201", {"title": "A"}).json()["id"] == "影: 1"
    assert api.get("items/%E5%BD%B1%3A%201").status_code == 200


def test_a_deleted_item_leaves_all_lists_at_once(api, items):
    assert api.delete("items/f1").status_code == 204
    assert api.get("items/f1").json()["is_hidden"] is True
    shown = api.get("recommendations?limit=100").json()["items"]
    assert "f1" not in [item["item"] for item in shown]


def test_an_item_of_another_catalog_is_missing(catalog, items):
    other = key_for(factories.make_catalog())
    assert other.get("items/f1").status_code == 404
    assert other.delete("items/f1").status_code == 404
    other.put("items/f1", {"title": "Mine"})
    assert Item.objects.filter(external_id="f1").count() == 2


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"title": ""}, "/title"),
        ({"title": None}, "/title"),
        ({"title": "x" * 501}, "/title"),
        ({"description": "x" * 100_001}, "/description"),
        ({"price": -1}, "/price"),
        ({"price": "free"}, "/price"),
        ({"price": 1e300}, "/price"),
        ({"sales": 1.5}, "/sales"),
        ({"sales": 2**64}, "/sales"),
        ({"categories": "Drama"}, "/categories"),
        ({"categories": [["Drama"]]}, "/categories/0"),
        ({"tags": ["t"] * 201}, "/tags"),
        ({"tags": ["x" * 201]}, "/tags/0"),
        ({"published_at": "soon"}, "/published_at"),
        ({"image_url": "javascript:alert(1)"}, "/image_url"),
        ({"image_url": "//evil.example/x.png"}, "/image_url"),
        ({"attributes": []}, "/attributes"),
        ({"owner": "me"}, "/owner"),
        ({"id": "other"}, "/id"),
    ],
)
def test_a_wrong_field_is_named(change, pointer, api):
    response = api.put("items/318", {**WHOLE, **change})
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == pointer
    assert not Item.objects.exists()


def test_an_id_longer_than_200_characters_is_refused(api):
    assert api.put("items/" + "x" * 201, WHOLE).status_code == 400


def test_a_batch_stores_the_good_and_names_the_bad(api):
    batch = [{"id": "a", "title": "A"}, {"id": "b"}, "c", {"id": "d", "title": "D", "price": -1}]
    answer = api.post("items:batch", {"items": batch}).json()
    assert_conforms(answer, "BatchOutput")
    assert (answer["accepted"], answer["rejected"]) == (1, 3)
    assert [(r["id"], r["status"]) for r in answer["results"]] == [
        ("a", "accepted"),
        ("b", "rejected"),
        (None, "rejected"),
        ("d", "rejected"),
    ]
    assert list(Item.objects.values_list("external_id", flat=True)) == ["a"]


def test_a_batch_may_come_as_lines(api):
    lines = b"\n".join(json.dumps({"id": str(n), "title": "T"}).encode() for n in range(1000))
    answer = api.raw("items:batch", lines + b"\n\n", "application/x-ndjson").json()
    assert answer["accepted"] == Item.objects.count() == 1000


def test_a_line_that_is_not_json_is_named(api):
    response = api.raw("items:batch", b'{"id": "a", "title": "A"}\n{', "application/x-ndjson")
    assert (response.status_code, response.json()["detail"][:7]) == (400, "Line 2:")
    assert not Item.objects.exists()


@pytest.mark.parametrize("body", [{}, {"items": {}}, {"items": [], "x": 1}, {"users": []}])
def test_a_batch_of_another_shape_is_refused(body, api):
    assert api.post("items:batch", body).status_code == 400


def test_a_batch_of_more_than_1000_is_refused(api):
    response = api.post("items:batch", {"items": [{"id": "a", "title": "A"}] * 1001})
    assert response.status_code == 413
    lines = b'{"id": "a", "title": "A"}\n' * 1001
    assert api.raw("items:batch", lines, "application/x-ndjson").status_code == 413
