import pytest
from celery.exceptions import SoftTimeLimitExceeded

from recommender import loop, tasks
from recommender.catalog.models import ItemVector
from recommender.errors import NotReady
from recommender.jobs.models import Job
from recommender.train import lease as leases
from tests.factories import make_catalog, make_item, make_run

pytestmark = pytest.mark.django_db


def test_embedding_reads_every_catalog_or_the_named_one(settings):
    settings.ENCODER_TEXT = "hashing"
    mine, other = make_catalog(), make_catalog()
    make_item(mine)
    make_item(other)
    tasks.embed_items(catalog_id=mine.pk)
    assert set(ItemVector.objects.values_list("item__catalog", flat=True)) == {mine.pk}
    tasks.embed_items()
    assert ItemVector.objects.count() == 2


def test_an_encoder_that_fails_keeps_no_other_and_no_other_catalog_from_reading(
    settings, monkeypatch
):
    settings.ENCODER_TEXT = "hashing"
    settings.ENCODER_PICTURE = "folder:/gone"
    broken, whole = make_catalog(slug="broken"), make_catalog(slug="whole")
    make_item(broken, picture="a.png", picture_hash="1")
    make_item(whole)
    with pytest.raises(NotReady, match=r"^broken, picture encoder: .*/gone") as failure:
        tasks.embed_items()
    assert "\n" not in str(failure.value)
    assert ItemVector.objects.filter(modality="text").count() == 2

    def breaks_off(**_):
        raise NotReady("The endpoint is down.")

    monkeypatch.setattr("recommender.catalog.embed.embed_items", breaks_off)
    with pytest.raises(NotReady) as failure:
        tasks.embed_items()
    named = [line.split(": ")[0] for line in str(failure.value).splitlines()]
    assert named == ["broken, picture encoder", "broken, text encoder", "whole, text encoder"]


def test_simulating_plays_the_asked_number_of_visits(monkeypatch):
    played = []
    monkeypatch.setattr("recommender.simulate.services.simulate", lambda **how: played.append(how))
    catalog = make_catalog()
    tasks.simulate_visits(catalog_id=catalog.pk, n=7)
    assert (played[0]["catalog"], played[0]["stretch"].visits) == (catalog, 7)


def test_a_run_is_queued_once_however_often_it_is_asked_for():
    run = make_run(make_catalog())
    tasks.queue_run(run)
    tasks.queue_run(run)
    assert Job.objects.get().dedup_key == f"run:{run.pk}"


def test_a_run_that_meets_its_time_limit_has_failed_and_says_so(monkeypatch):
    def slow(*_):
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(loop, "close_loop", slow)
    done = tasks.run_now(make_run(make_catalog()).pk)
    assert (done.state, done.error) == (
        "failed",
        "It ran into its time limit; train on less, or raise it.",
    )


def test_a_run_that_ended_in_silence_is_picked_up_by_the_reaper():
    run = make_run(make_catalog())
    leases.claim(run_id=run.pk, owner="job 1")
    type(run).objects.update(heartbeat_at="2020-01-01T00:00:00+00:00")
    tasks.reap()
    run.refresh_from_db()
    assert run.state == "lost"
    assert Job.objects.get().kwargs == {"run_id": run.pk}
