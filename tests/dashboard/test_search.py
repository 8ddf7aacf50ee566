"""Searches: start one in two clicks, watch the trials, read the finding, train with it."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from recommender.accounts.models import Account
from recommender.dashboard import charts_search, queries_search, search_words
from recommender.dashboard.search_words import conclusion_of
from recommender.errors import Missing
from recommender.jobs import services as job_services
from recommender.train.adopted import adopted_settings
from recommender.train.models import Search, SettingsChange, TrainingRun, Trial
from tests.dashboard.world import NOW, World
from tests.factories import make_run

REPORT = {
    "trial": 2,
    "settings": {"half_life_scale": 0.11},
    "n_users": 166,
    "defaults": {"value": 0.27, "low": 0.25, "high": 0.29, "n": 166},
    "found": {"value": 0.28, "low": 0.26, "high": 0.30, "n": 166},
    "difference": {"value": 0.01, "low": -0.005, "high": 0.03, "n": 166},
}


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    made: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(job_services, "enqueue", lambda task, **asked: made.append((task, asked)))
    return made


def searching(world: World, values: tuple[float | None, ...] = (0.2, 0.3, 0.25), **fields: Any):
    """Make a search whose trials have these values; None was stopped early at 0.1."""
    defaults = {
        "model": "popularity",
        "mode": "search",
        "state": "training",
        "progress": 0.4,
        "epoch": len(values),
        "eta_s": 100.0,
        "started_at": NOW,
        "heartbeat_at": datetime.now(UTC),
    }
    report = fields.pop("report", None)
    run = make_run(world.catalog, **(defaults | fields))
    search = Search.objects.create(
        run=run, budget_s=300, max_trials=50, spent_s=200.0, n_judged=40, report=report
    )
    Trial.objects.bulk_create(
        Trial(
            search=search,
            number=number,
            settings={"half_life_scale": (1.0, 0.11, 4.0, 8.0)[number - 1]},
            outcome="pruned" if value is None else "finished",
            value=value,
            by_epoch=[0.1] if value is None else [value],
            spent_s=1.5,
        )
        for number, value in enumerate(values, 1)
    )
    return run


def done(world: World, report: dict[str, Any] = REPORT, **fields: Any) -> TrainingRun:
    return searching(world, state="done", finished_at=NOW, report=report, **fields)


def page_of(client: Client, run: TrainingRun) -> str:
    return client.get(f"/ops/jobs/{run.pk}/").content.decode()


def test_a_search_is_started_from_the_training_page(world: World, ops: Client, queued):
    page = ops.get("/ops/jobs/new/").content.decode()
    assert "Search for better settings" in page
    answer = ops.post("/ops/jobs/search/", {"model": "item_knn", "minutes": "7"})
    run = TrainingRun.objects.get()
    assert answer["Location"] == f"/ops/jobs/{run.pk}/"
    assert (run.mode, run.model, run.search.budget_s) == ("search", "item_knn", 420)
    asked = {"queue": "learning", "dedup_key": f"run:{run.pk}", "run_id": run.pk}
    assert queued == [("recommender.train", asked)]


@pytest.mark.parametrize("minutes", ["0", "121", "", "-3", "2.5", "ten", "٣", "9" * 40])
def test_minutes_out_of_bounds_are_refused_in_words(world: World, ops: Client, queued, minutes):
    answer = ops.post("/ops/jobs/search/", {"model": "item_knn", "minutes": minutes}, follow=True)
    assert "expected a whole number from 1 to 120" in answer.content.decode()
    assert answer.redirect_chain == [("/ops/jobs/new/", 302)]
    assert (queued, TrainingRun.objects.count()) == ([], 0)


def test_a_second_search_leads_to_the_running_one(world: World, ops: Client, queued):
    run = searching(world)
    answer = ops.post("/ops/jobs/search/", {"model": "item_knn", "minutes": "7"})
    assert answer["Location"] == f"/ops/jobs/{run.pk}/"
    assert TrainingRun.objects.count() == 1
    assert "Start the search" not in ops.get("/ops/jobs/new/").content.decode()


def test_viewers_may_read_a_search_and_start_nothing(world: World, reading: Client):
    run = done(world)
    page = page_of(reading, run)
    assert "the found settings score" in page
    assert "Train with these settings" not in page
    assert reading.get(f"/ops/jobs/{run.pk}/trials.csv").status_code == 200
    assert "Make these the catalog" not in page
    for address in ("search/", f"{run.pk}/train-found/", f"{run.pk}/adopt/"):
        assert reading.post(f"/ops/jobs/{address}", {"minutes": "5"}).status_code == 403


def test_the_page_shows_trials_best_and_budget(world: World, ops: Client):
    page = page_of(ops, searching(world, (0.2, 0.3, None)))
    assert "3 trials · best NDCG@10 0.300 (trial 2)" in page
    assert "3:20 of 5:00" in page
    assert "<title>(40%) Run" in page and "search, Popularity" in page
    assert "stopped early" in page
    assert "Trial 2 is the best so far: NDCG@10 0.300, defaults 0.200" in page


def test_the_status_grows_by_trials_and_announces_only_them(world: World, ops: Client):
    run = searching(world, (0.2, None, 0.3))
    address = f"/ops/jobs/{run.pk}/status/"
    body = ops.get(address).json()
    assert [row["best_so_far"] for row in body["history"]] == [0.2, 0.2, 0.3]
    assert [row["validation"] for row in body["history"]] == [0.2, None, 0.3]
    assert [row["pruned"] for row in body["history"]] == [None, 0.1, None]
    assert (body["best_epoch"], body["search"]["trials"]) == (3, 3)
    Search.objects.update(spent_s=210.0)
    again = ops.get(address).json()
    assert again["announcement"] == body["announcement"]
    assert again["budget_text"] == "3:30 of 5:00"


def test_the_status_of_a_search_costs_few_queries(
    world: World, ops: Client, django_assert_max_num_queries
):
    run = searching(world)
    with django_assert_max_num_queries(5):  # session, account, run, workers, trials
        ops.get(f"/ops/jobs/{run.pk}/status/")


def test_the_finding_names_people_values_and_interval(world: World, ops: Client):
    page = page_of(ops, done(world))
    assert (
        "On the third window, over 166 people, the found settings score 0.280 against 0.270 by "
        "default: +0.010 (95 % interval −0.005 to +0.030). That does not prove them better."
    ) in page


@pytest.mark.parametrize(
    ("low", "high", "words", "is_better"),
    [
        (0.002, 0.02, "They are better.", True),
        (-0.02, -0.001, "They are worse: they fit the validation window by chance.", False),
        (0.0, 0.02, "That does not prove them better.", False),
    ],
)
def test_only_an_interval_above_zero_proves(low, high, words, is_better):
    gap = {"value": (low + high) / 2, "low": low, "high": high}
    found = conclusion_of(REPORT | {"difference": gap})
    assert found
    assert found.sentence.endswith(words)
    assert found.is_better is is_better


def test_where_the_defaults_stay_best_the_sentence_says_so(world: World, ops: Client):
    report = REPORT | {"trial": 1, "found": None, "difference": None}
    page = page_of(ops, done(world, report))
    assert "Nothing better than the defaults was found." in page
    assert "they score 0.270" in page


def test_nobody_on_the_third_window_is_said(world: World, ops: Client):
    nothing = {"value": None, "low": None, "high": None, "n": 0}
    report = REPORT | {"n_users": 0, "defaults": nothing, "found": nothing, "difference": nothing}
    assert "what was found is not proven" in page_of(ops, done(world, report))


def test_the_found_settings_stand_beside_the_defaults(world: World, ops: Client):
    page = page_of(ops, done(world))
    assert "Settings found: trial 2" in page
    assert "<b>0.11</b>" in page


def test_training_with_the_found_settings_queues_a_normal_run(world: World, ops: Client, queued):
    run = done(world)
    answer = ops.post(f"/ops/jobs/{run.pk}/train-found/")
    made = TrainingRun.objects.latest("id")
    assert answer["Location"] == f"/ops/jobs/{made.pk}/"
    assert (made.mode, made.config, made.trigger) == ("full", {"half_life_scale": 0.11}, "search")
    assert queued[0][1]["run_id"] == made.pk


def test_the_best_twenty_trials_come_first_and_the_rest_on_demand(world: World, ops: Client):
    run = searching(world, ())
    search = Search.objects.get()
    for number in range(1, 26):
        value = None if number == 3 else number / 100
        Trial.objects.create(
            search=search,
            number=number,
            settings={"half_life_scale": 1.0},
            outcome="finished" if value else "failed",
            value=value,
            spent_s=1.0,
        )

    def numbers(page: str) -> list[int]:
        table = page.split("data-trials")[-1].split("</table>")[0]
        return [int(found) for found in re.findall(r'<th scope="row">(\d+)', table)]

    page = page_of(ops, run)
    assert numbers(page) == list(range(25, 5, -1))
    assert "The best 20 of 25 trials." in page
    assert f'<a href="/ops/jobs/{run.pk}/?all=1#h-trials">Show all</a>' in page
    whole = ops.get(f"/ops/jobs/{run.pk}/?all=1").content.decode()
    assert numbers(whole) == [*range(25, 3, -1), 2, 1, 3]
    assert "Show all" not in whole
    assert f'data-trials="/ops/jobs/{run.pk}/trials/?all=1"' in whole
    assert numbers(ops.get(f"/ops/jobs/{run.pk}/trials/").content.decode()) == numbers(page)
    fragment = ops.get(f"/ops/jobs/{run.pk}/trials/?all=1").content.decode()
    assert numbers(fragment) == numbers(whole)
    rows = ops.get(f"/ops/jobs/{run.pk}/trials.csv").content.decode().splitlines()
    assert [row.split(",")[0] for row in rows[1:4]] == ["1", "2", "3"]


def test_found_settings_become_the_catalogs_and_go_back_by_an_undo(world: World, ops: Client):
    run = done(world)
    assert "Make these the catalog's settings" in page_of(ops, run)
    answer = ops.post(f"/ops/jobs/{run.pk}/adopt/", follow=True)
    page = answer.content.decode()
    assert answer.redirect_chain == [(f"/ops/jobs/{run.pk}/", 302)]
    assert "From now on Popularity trains from scratch with these settings." in page
    assert "Make these the catalog" not in page
    change = SettingsChange.objects.get()
    account = Account.objects.get(pk=ops.session["_auth_user_id"])
    assert (change.actor, change.search_run) == (account.get_username(), run)
    assert f"by {change.actor}: trainings from scratch use them" in page
    audit = ops.get("/ops/audit/").content.decode()
    assert "<code>half_life_scale</code> 1.0 → 0.11" in audit
    assert f"found by the search of run {run.pk}" in audit
    again = ops.post("/ops/settings/popularity/undo/", follow=True)
    assert again.redirect_chain == [("/ops/audit/", 302)]
    assert "<code>half_life_scale</code> 0.11 → 1.0" in again.content.decode()
    assert again.content.decode().count('action="/ops/settings/popularity/undo/"') == 1
    assert adopted_settings(world.catalog, "popularity") == {}
    assert f"/ops/jobs/{run.pk}/adopt/" in page_of(ops, run)


def test_an_unfinished_search_and_a_model_never_changed_are_refused_in_words(
    world: World, ops: Client
):
    run = searching(world)
    page = ops.post(f"/ops/jobs/{run.pk}/adopt/", follow=True).content.decode()
    assert "is no finished search" in page
    page = ops.post("/ops/settings/popularity/undo/", follow=True).content.decode()
    assert "there is nothing to undo" in page
    assert not SettingsChange.objects.exists()


def test_settings_are_the_operators_alone_by_post_and_with_the_token(
    world: World, ops: Client, reading: Client, client: Client
):
    run = done(world)
    for address in (f"/ops/jobs/{run.pk}/adopt/", "/ops/settings/popularity/undo/"):
        assert reading.post(address).status_code == 403
        assert client.post(address).status_code == 302
        assert ops.get(address).status_code == 405
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = ops.cookies
        assert strict.post(address).status_code == 403
    assert not SettingsChange.objects.exists()
    ops.post(f"/ops/jobs/{run.pk}/adopt/")
    audit = reading.get("/ops/audit/").content.decode()
    assert "Changes of settings" in audit
    assert "/undo/" not in audit


def test_an_unfinished_search_has_nothing_to_train_with(world: World, ops: Client, queued):
    run = searching(world)
    page = ops.post(f"/ops/jobs/{run.pk}/train-found/", follow=True).content.decode()
    assert "is no finished search" in page
    assert TrainingRun.objects.count() == 1


def test_without_trials_the_page_says_what_will_be_there(world: World, ops: Client):
    page = page_of(ops, searching(world, ()))
    assert "waiting for the first trial" in page
    assert "None has ended yet; the first one tries the defaults." in page
    assert "Setting by setting" not in page


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_search_that_ended_early_keeps_its_trials_and_has_no_finding(
    world: World, ops: Client, state: str
):
    page = page_of(ops, searching(world, state=state, error="It <b>broke</b>." * (state[0] == "f")))
    assert "It ended before its report" in page
    assert "Trial 2 is the best so far" in page
    assert "Train with these settings" not in page
    assert "<b>broke" not in page


def test_the_table_of_trials_is_a_fragment(world: World, ops: Client):
    answer = ops.get(f"/ops/jobs/{searching(world).pk}/trials/").content.decode()
    assert answer.count("<tr") == 4
    assert "<html" not in answer


def test_a_trials_error_is_escaped(world: World, ops: Client):
    run = searching(world)
    Trial.objects.filter(number=3).update(outcome="failed", value=None, error="<script>x</script>")
    page = page_of(ops, run)
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page


def test_the_csv_has_a_row_a_trial_and_a_column_a_setting(world: World, ops: Client):
    run = searching(world, (0.2, None))
    answer = ops.get(f"/ops/jobs/{run.pk}/trials.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(answer.content.decode().splitlines()))
    assert rows[0] == ["trial", "outcome", "ndcg@10", "last", "seconds", "half_life_scale"]
    assert rows[1:] == [
        ["1", "finished", "0.2", "0.2", "1.5", "1.0"],
        ["2", "pruned", "", "0.1", "1.5", "0.11"],
    ]


@pytest.mark.parametrize("address", ["trials/", "trials.csv"])
def test_a_training_has_no_trials(world: World, ops: Client, address: str):
    run = make_run(world.catalog, state="ready")
    assert ops.get(f"/ops/jobs/{run.pk}/{address}").status_code == 404
    with pytest.raises(Missing, match="is a training, not a search"):
        queries_search.search_card(run)


def test_the_list_of_jobs_counts_trials(world: World, ops: Client):
    done(world)
    page = ops.get("/ops/jobs/").content.decode()
    assert "3 trials" in page
    assert "search for settings" in page


def test_the_pictures_draw_every_trial_and_mark_the_best(world: World):
    card = queries_search.search_card(searching(world, (0.2, 0.3, None)))
    by_name = {t["meta"]: t for t in charts_search.trials(card, "x.csv").figure["data"]}
    assert by_name["best_so_far"]["y"] == [0.2, 0.3, 0.3]
    assert by_name["validation"]["y"] == [0.2, 0.3, None]
    assert by_name["pruned"]["y"] == [None, None, 0.1]
    assert (by_name["best"]["x"], by_name["best"]["y"]) == ([2], [0.3])


def test_settings_are_drawn_on_their_own_scale_once_three_trials_ended(world: World):
    assert charts_search.knobs(queries_search.search_card(searching(world, (0.2, 0.3)))) == []
    TrainingRun.objects.update(state="cancelled")
    [chart] = charts_search.knobs(queries_search.search_card(searching(world)))
    assert chart.figure["layout"]["xaxis"]["type"] == "log"
    assert chart.title == "half_life_scale: best at 0.11"
    assert [row[0] for row in chart.rows] == ["0.11", "1.0", "4.0"]
    assert json.dumps(chart.figure)


def test_the_best_of_equal_trials_is_the_first(world: World):
    card = queries_search.search_card(searching(world, (0.2, 0.3, 0.3)))
    assert card.best and card.best.number == 2
    assert card.best == card.search.trials.best()


def test_a_search_over_its_budget_shows_the_budget(world: World):
    run = searching(world)
    Search.objects.update(spent_s=320.0)
    run.refresh_from_db()
    assert search_words.budget_text(queries_search.search_card(run)) == "5:00 of 5:00"
