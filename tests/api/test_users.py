"""Users, their preferences, their export and their erasure."""

from recommender.collect.models import Event, RejectedEvent, Slate, User, UserState
from tests import factories
from tests.api.conftest import assert_conforms, key_for


def test_a_put_creates_then_replaces_attributes(api):
    first = api.put("users/u1", {"attributes": {"age": 34, "gender": "F"}})
    assert (first.status_code, first.json()["attributes"]["age"]) == (201, 34)
    assert_conforms(first.json(), "UserOutput")
    second = api.put("users/u1", {"attributes": {"age": 35}})
    assert (second.status_code, second.json()["attributes"]) == (200, {"age": 35})


def test_the_profile_moves_with_what_the_user_does(api, items):
    api.put("users/u1", {})
    assert api.get("users/u1").json()["profile_updated_at"] is None
    api.put("users/u1/ratings/f1", {"value": 4.0})
    assert api.get("users/u1").json()["profile_updated_at"].endswith("Z")


def test_a_user_of_another_catalog_is_missing(api):
    api.put("users/u1", {})
    other = key_for(factories.make_catalog())
    for path in ("users/u1", "users/u1/export", "users/u1/preferences"):
        assert other.get(path).status_code == 404
    assert other.delete("users/u1").status_code == 404
    assert other.put("users/u1/preferences", {"is_personalized": False}).status_code == 404


def test_unknown_fields_are_refused_by_name(api):
    response = api.put("users/u1", {"attributes": {}, "is_operator": True})
    assert response.json()["errors"][0]["pointer"] == "/is_operator"
    assert not User.objects.exists()


def test_a_batch_stores_the_good_and_names_the_bad(api):
    batch = [{"id": "a", "attributes": {"age": 1}}, {"id": ""}, {"attributes": {}}, {"id": "b"}]
    answer = api.post("users:batch", {"users": batch}).json()
    assert_conforms(answer, "BatchOutput")
    assert (answer["accepted"], answer["rejected"]) == (2, 2)
    assert sorted(User.objects.values_list("external_id", flat=True)) == ["a", "b"]


def test_a_batch_may_come_as_lines(api):
    answer = api.raw("users:batch", b'{"id": "a"}\n{"id": "b"}', "application/x-ndjson").json()
    assert answer["accepted"] == 2


def test_the_lasting_off_switch_works(api, items):
    api.post("events", {"type": "rating", "user": "u1", "item": "f1", "value": 5.0})
    assert api.get("users/u1/preferences").json() == {"is_personalized": True}
    answer = api.put("users/u1/preferences", {"is_personalized": False})
    assert (answer.status_code, answer.json()) == (200, {"is_personalized": False})
    listed = api.get("recommendations?user=u1").json()
    assert (listed["strategy"], listed["personalised"]) == ("popular", False)


def test_a_preference_that_is_no_choice_is_refused(api):
    api.put("users/u1", {})
    for body in ({}, {"is_personalized": "maybe"}, {"is_personalized": None}, {"theme": "dark"}):
        assert api.put("users/u1/preferences", body).status_code == 400


def test_the_export_holds_everything(api, items):
    token = api.get("recommendations?user=u1&limit=2").json()["items"][0]["token"]
    api.post("events", {"type": "click", "token": token})
    response = api.get("users/u1/export")
    assert_conforms(response.json(), "UserExportOutput")
    assert response["Content-Disposition"].startswith("attachment")
    assert [event["type"] for event in response.json()["events"]] == ["click"]
    assert len(response.json()["lists"][0]["items"]) == 2


def test_an_erased_user_leaves_no_row_that_names_them(api, items):
    api.get("recommendations?user=u-erase-me")
    api.put("users/u-erase-me/ratings/f1", {"value": 4.0})
    api.post("events", {"type": "click", "user": "u-erase-me", "item": "nothing"})
    assert RejectedEvent.objects.count() == 1
    response = api.delete("users/u-erase-me")
    assert (response.status_code, response.json()["job"]["state"]) == (202, "done")
    for rows in (User, UserState, Event, RejectedEvent):
        assert not rows.objects.exists()
    assert Slate.objects.get().user is None
    assert api.get("users/u-erase-me").status_code == 404


def test_an_erased_user_may_come_back_as_a_stranger(api, items):
    api.get("recommendations?user=u1")
    api.delete("users/u1")
    assert api.get("recommendations?user=u1").json()["strategy"] == "cold_start"
    assert User.objects.get().external_id == "u1"
