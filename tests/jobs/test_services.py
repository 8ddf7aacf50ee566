from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from recommender.errors import Refused
from recommender.jobs import services
from recommender.jobs.models import Job, Worker

pytestmark = pytest.mark.django_db


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def enqueue(task: str = "t", **options):
    job = services.enqueue(task, **options)
    assert job is not None
    return job


def begin(job: Job, owner: str = "w") -> services.Ticket:
    ticket = services.begin(job_id=job.pk, attempts=job.attempts, owner=owner)
    assert ticket is not None
    return ticket


def test_a_job_is_a_row_with_its_arguments():
    job = enqueue("recommender.embed_items", catalog_id=7)
    assert (job.state, job.queue, job.kwargs) == ("due", "default", {"catalog_id": 7})


def test_training_goes_to_the_learning_queue_whoever_enqueues_it():
    assert enqueue("recommender.train", run_id=1).queue == "learning"


def test_an_open_job_with_the_same_key_keeps_a_second_one_out():
    first = enqueue(dedup_key="run:1")
    assert services.enqueue("t", dedup_key="run:1") is None
    services.finish(ticket=begin(first))
    assert services.enqueue("t", dedup_key="run:1") is not None


def test_a_refused_job_does_not_spoil_the_callers_transaction():
    enqueue(dedup_key="k")
    with transaction.atomic():
        assert services.enqueue("t", dedup_key="k") is None
        enqueue("other")
    assert Job.objects.filter(task="other").exists()


def test_a_job_vanishes_with_the_transaction_that_wrote_it():
    with transaction.atomic():
        enqueue()
        transaction.set_rollback(True)
    assert not Job.objects.exists()


def test_a_delayed_job_is_not_claimed_before_its_time():
    enqueue(delay_s=60)
    assert services.claim_due(queue="default", owner="w") == []


def test_two_workers_never_claim_the_same_job():
    jobs = [enqueue() for _ in range(3)]
    mine = services.claim_due(queue="default", owner="a", n=2)
    theirs = services.claim_due(queue="default", owner="b", n=2)
    assert [job.pk for job in mine] == [jobs[0].pk, jobs[1].pk]
    assert [job.pk for job in theirs] == [jobs[2].pk]


def test_a_worker_claims_only_its_own_queue():
    enqueue("recommender.train", run_id=1)
    assert services.claim_due(queue="default", owner="w") == []
    assert len(services.claim_due(queue="learning", owner="w")) == 1


def test_a_second_message_for_the_same_try_finds_the_job_taken():
    job = enqueue()
    begin(job)
    assert services.begin(job_id=job.pk, attempts=0, owner="w") is None
    assert services.begin(job_id=job.pk, attempts=0, owner="other") is None


def test_a_finished_job_is_not_begun_again():
    job = enqueue()
    assert services.finish(ticket=begin(job))
    assert services.begin(job_id=job.pk, attempts=1, owner="w") is None


def test_a_failed_try_waits_longer_each_time_and_then_the_job_is_dead():
    job = enqueue(max_attempts=3)
    pauses = []
    for _ in range(3):
        job = services.fail(ticket=begin(job), error="ValueError: no")
        assert job is not None
        pauses.append(round((job.due_at - datetime.now(UTC)).total_seconds()))
    assert pauses[0] == 5
    assert pauses[1] == 30
    job.refresh_from_db()
    assert (job.state, job.attempts, job.error) == ("dead", 3, "ValueError: no")


def test_a_worker_that_lost_its_lease_cannot_write_how_the_job_ended():
    job = enqueue()
    stale = begin(job, "stopped")
    services.reap(at=later(services.LEASE_S + 1))
    Job.objects.update(due_at=later(-1))
    job.refresh_from_db()
    fresh = begin(job, "other")
    assert not services.finish(ticket=stale)
    assert services.fail(ticket=stale, error="late") is None
    assert services.finish(ticket=fresh)


def test_a_silent_workers_job_is_due_again_and_a_renewed_one_is_not():
    silent, alive = enqueue(), enqueue()
    begin(silent, "silent")
    begin(alive, "alive")
    Job.objects.filter(pk=silent.pk).update(lease_expires_at=later(-1))
    services.renew(owner="alive")
    assert [job.pk for job in services.reap()] == [silent.pk]
    silent.refresh_from_db()
    assert silent.state == "due"
    assert silent.error == "Worker silent fell silent for 30 s."


def test_a_killed_childs_job_is_due_at_once():
    job = enqueue()
    begin(job)
    services.settle(job_id=job.pk, attempts=0, owner="w", error="WorkerLostError")
    assert [j.pk for j in services.claim_due(queue="default", owner="w")] == [job.pk]


def test_a_job_that_kills_its_process_each_time_dies_after_its_tries():
    job = enqueue(max_attempts=2)
    for attempts in (0, 1):
        services.begin(job_id=job.pk, attempts=attempts, owner="w")
        services.settle(job_id=job.pk, attempts=attempts, owner="w", error="WorkerLostError")
    job.refresh_from_db()
    assert (job.state, job.error) == ("dead", "WorkerLostError")


def test_settling_a_finished_job_changes_nothing():
    job = enqueue()
    services.finish(ticket=begin(job))
    assert services.settle(job_id=job.pk, attempts=0, owner="w", error="late") is None
    job.refresh_from_db()
    assert job.state == "done"


def test_a_worker_that_stops_puts_its_jobs_back_without_costing_a_try():
    job = enqueue(max_attempts=1)
    begin(job)
    assert [j.pk for j in services.release(owner="w")] == [job.pk]
    job.refresh_from_db()
    assert (job.state, job.attempts, job.max_attempts) == ("due", 1, 2)


def test_a_dead_job_can_be_revived_and_others_cannot():
    job = enqueue(max_attempts=1)
    with pytest.raises(Refused, match=f"Job {job.pk} is due; only dead jobs can be tried again"):
        services.revive(job=job)
    services.fail(ticket=begin(job), error="no")
    assert services.revive(job=job).state == "due"
    assert begin(job).attempt == 2


def test_reviving_beside_an_open_successor_is_refused():
    job = enqueue(dedup_key="k", max_attempts=1)
    services.fail(ticket=begin(job), error="no")
    enqueue(dedup_key="k")
    with pytest.raises(Refused, match="has a successor that is already open"):
        services.revive(job=job)


def test_two_beats_make_one_job_of_a_tick_even_after_it_was_done():
    first = services.enqueue_tick("recommender.cleanup", tick=5)
    assert first is not None
    assert services.enqueue_tick("recommender.cleanup", tick=5) is None
    services.finish(ticket=begin(first))
    assert services.enqueue_tick("recommender.cleanup", tick=5) is None
    assert services.enqueue_tick("recommender.cleanup", tick=6) is not None
    assert Job.objects.count() == 2


def test_done_jobs_are_forgotten_and_dead_ones_stay_unless_a_beat_wrote_them():
    done, tick, dead = enqueue(), enqueue(dedup_key="t@1"), enqueue(max_attempts=1)
    dead_tick = enqueue(dedup_key="t@2", max_attempts=1)
    services.finish(ticket=begin(done))
    services.finish(ticket=begin(tick))
    services.fail(ticket=begin(dead), error="no")
    services.fail(ticket=begin(dead_tick), error="no")
    assert services.forget(done_before=later(-60), ticks_before=later(-60)) == 0
    assert services.forget(done_before=later(-60), ticks_before=later(60)) == 2
    assert set(Job.objects.values_list("pk", flat=True)) == {done.pk, dead.pk}
    assert services.forget(done_before=later(60), ticks_before=later(60)) == 1


def test_only_workers_that_reported_lately_are_alive():
    services.report_worker(name="a", queue="default", pid=1)
    services.report_worker(name="b", queue="learning", pid=2)
    Worker.objects.filter(name="b").update(seen_at=later(-16))
    assert [worker.name for worker in services.workers_alive()] == ["a"]
    assert services.are_alive(["default"])
    assert not services.are_alive(["default", "learning"])
    services.retire_worker(name="a")
    assert services.workers_alive() == []


def test_a_worker_keeps_its_start_when_it_reports_again():
    first = services.report_worker(name="a", queue="default", pid=1)
    again = services.report_worker(name="a", queue="default", pid=1)
    assert again.started_at == first.started_at
    assert again.seen_at > first.seen_at
