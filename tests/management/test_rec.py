from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from recommender.catalog.models import Catalog
from recommender.jobs.models import Job
from recommender.train.models import TrainingRun
from tests.factories import make_catalog, make_item, make_version

pytestmark = pytest.mark.django_db


def rec(*words: str) -> Any:
    out = io.StringIO()
    call_command("rec", "--json", *words, stdout=out)
    return json.loads(out.getvalue())


@pytest.fixture
def catalog() -> Catalog:
    return make_catalog(slug="films", is_default=True)


def test_the_doctor_names_each_fault_with_its_remedy(catalog: Catalog) -> None:
    out = io.StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("rec", "doctor", stdout=out)
    assert stopped.value.code == 1
    text = out.getvalue()
    assert "✓ database" in text
    assert "✗ workers: none for default, learning; start `make run`" in text
    assert "✗ model of films: no live version; run manage.py rec train" in text


def test_a_broken_live_model_is_found(catalog: Catalog) -> None:
    make_version(catalog, state="live", path="/nowhere/at/all")
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("rec", "doctor", stdout=out)
    assert "✗ model of films: v" in out.getvalue()


def test_a_catalog_is_made_with_its_scenarios_rules() -> None:
    assert rec("create-catalog", "shop", "--scenario", "shop", "--default") == {
        "catalog": "shop",
        "scenario": "shop",
    }
    assert "purchase" in Catalog.objects.get(slug="shop").event_rules


def test_training_is_queued_once(catalog: Catalog) -> None:
    made = rec("train", "--model", "popularity")
    assert TrainingRun.objects.get(pk=made["run"]).state == "queued"
    assert Job.objects.get().kwargs == {"run_id": made["run"]}
    with pytest.raises(CommandError, match="already queued or at work"):
        rec("train")


def test_an_unknown_catalog_is_named_with_the_known_ones(catalog: Catalog) -> None:
    with pytest.raises(CommandError, match=r"No catalog toys; there are: films\."):
        rec("--catalog", "toys", "versions")


def test_an_unknown_version_says_where_to_look(catalog: Catalog) -> None:
    with pytest.raises(CommandError, match="No version v99; `rec versions` lists them"):
        rec("promote", "v99")


def test_recommending_from_the_shell_logs_nothing(catalog: Catalog) -> None:
    from recommender.collect.models import Slate

    item = make_item(catalog)
    rows = rec("recommend", "--user", "somebody")
    assert [row["item"] for row in rows] == [item.external_id]
    assert not Slate.objects.exists()


def test_why_not_names_the_stage(catalog: Catalog) -> None:
    item = make_item(catalog, is_hidden=True)
    assert rec("whynot", "--user", "u", "--item", item.external_id)["stage"] == "hidden_item"


def test_a_key_is_shown_once_and_kept_as_a_hash(catalog: Catalog) -> None:
    text = rec("key", "shop front", "--scope", "recommend")["key"]
    key = catalog.keys.get()
    assert text.startswith("sk_")
    assert key.scopes == ["recommend"]
    assert text not in {key.sha256, key.prefix}


@pytest.mark.parametrize("words", [("--visits", "0"), ("--days", "0")])
def test_a_stretch_without_visits_or_days_is_refused(
    catalog: Catalog, words: tuple[str, str]
) -> None:
    with pytest.raises(CommandError, match="--visits must be at least 1"):
        rec("simulate", *words)


def test_a_search_is_queued_with_its_minutes(catalog: Catalog) -> None:
    made = rec("train", "--search", "--minutes", "5", "--model", "item_knn", "--seed", "4")
    run = TrainingRun.objects.get()
    assert (made["run"], made["state"], made["report"]) == (run.pk, "queued", None)
    assert (run.mode, run.seed, run.search.budget_s) == ("search", 4, 300)
    assert Job.objects.get().kwargs == {"run_id": run.pk}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--search",), "A search needs its budget; add --minutes"),
        (("--search", "--minutes", "0"), "minutes is 0; expected a whole number from 1 to 120"),
        (("--search", "--minutes", "5", "--max-trials", "0"), "max_trials is 0"),
        (("--minutes", "5"), "belong to a search; add --search"),
        (("--search", "--minutes", "5", "--teacher", "v1"), "A search chooses its settings"),
        (("--search", "--minutes", "5", "--set", "n=1"), "A search chooses its settings"),
        (("--teacher", "v99"), "No version v99"),
        (("--set", "n_neighbors"), "--set takes OPTION=NUMBER"),
        (("--set", "n_neighbors=few"), "--set takes OPTION=NUMBER"),
        (("--set", "wings=2"), "item_knn has no option 'wings'"),
    ],
)
def test_a_wrong_search_says_what_to_change(
    catalog: Catalog, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        rec("train", "--model", "item_knn", *words)
    assert not TrainingRun.objects.exists()


def test_a_training_takes_settings_and_a_teacher(catalog: Catalog) -> None:
    teacher = make_version(catalog, number=4, model="hybrid")
    rec("train", "--model", "transformer", "--teacher", "v4", "--set", "epochs=7")
    run = TrainingRun.objects.get()
    assert (run.teacher, run.config) == (teacher, {"epochs": 7, "embedding_size": 32})
