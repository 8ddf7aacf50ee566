"""How far the encoders are, as the jobs page shows it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from recommender.catalog.models import Item, ItemVector
from recommender.dashboard.queries_content import readings, trouble
from recommender.jobs.models import Job
from tests.dashboard.world import World
from tests.factories import START, make_catalog, make_item


def vector(item: Item, version: str = "1", **fields: Any) -> ItemVector:
    defaults = {
        "encoder_id": "hashing",
        "encoder_version": version,
        "dimension": 1,
        "vector": b"0000",
        "source_hash": item.text_hash,
        "created_at": START + timedelta(days=int(version)),
    }
    return ItemVector.objects.create(item=item, **(defaults | fields))


@pytest.mark.django_db
def test_only_up_to_date_vectors_of_the_newest_version_count() -> None:
    catalog = make_catalog()
    items = [make_item(catalog) for _ in range(4)]
    for item in items:
        vector(item)
    vector(items[0], "2")
    vector(items[1], "2", source_hash="changed since")
    vector(items[2], "2", encoder_id="another")
    vector(make_item(make_catalog()), "2")
    (text,) = readings(catalog)
    assert (text.modality, text.encoder, text.done, text.total) == ("text", "hashing", 1, 4)
    assert text.is_at_work
    assert not text.is_fallback


@pytest.mark.django_db
def test_pictures_count_where_there_are_any_with_what_was_wrong(settings: Any) -> None:
    settings.ENCODER_PICTURE = "bundled:efficientnet"
    catalog = make_catalog()
    make_item(catalog)
    assert [one.modality for one in readings(catalog)] == ["text"]
    kept = {"modality": "picture", "encoder_id": "efficientnet-lite0", "source_hash": "1"}
    for problem in ("", "The file is empty.", "The file is empty.", "It is too large."):
        item = make_item(catalog, picture="a.png", picture_hash="1")
        vector(item, **kept, problem=problem)
    picture = readings(catalog)[1]
    assert (picture.done, picture.total) == (4, 4)
    assert not picture.is_at_work
    assert picture.problems == {"The file is empty.": 2, "It is too large.": 1}


def test_the_jobs_page_shows_progress_and_that_a_weaker_encoder_stands_in(
    world: World, ops: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ENCODER_TEXT = ""
    monkeypatch.setattr("recommender.ml.encoders.find_spec", lambda name: None)
    page = ops.get("/ops/jobs/").content.decode()
    assert "What encoders have read" in page
    assert f"/ {len(world.items)}" in page
    assert "<code>hashing</code>" in page
    assert "a weaker one stands in" in page


def test_the_jobs_page_says_why_the_last_try_failed_and_no_longer_once_one_went_well(
    world: World, ops: Client
) -> None:
    def tried(state: str, error: str) -> None:
        Job.objects.create(
            task="recommender.embed_items",
            state=state,
            error=error,
            attempts=1,
            due_at=START,
            created_at=START,
        )

    tried("dead", "NotReady: films, picture encoder: <gone>\nfilms, text encoder: down")
    tried("claimed", "")
    assert trouble() == ["films, picture encoder: <gone>", "films, text encoder: down"]
    page = ops.get("/ops/jobs/").content.decode()
    assert '<li class="reason">films, picture encoder: &lt;gone&gt;</li>' in page
    tried("done", "")
    assert trouble() == []
    assert "The last try to read items failed" not in ops.get("/ops/jobs/").content.decode()


def test_without_anything_to_read_the_panel_is_left_out(world: World, ops: Client) -> None:
    Item.objects.all().update(catalog=make_catalog())
    assert "What encoders have read" not in ops.get("/ops/jobs/").content.decode()
