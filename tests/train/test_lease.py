from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError
from hypothesis import given
from hypothesis import strategies as st

from recommender.train import lease as leases
from recommender.train.lease import Cancelled, Heart, Lease, LeaseLost
from recommender.train.models import TrainingRun
from recommender.train.services import cancel_run
from tests.factories import make_catalog, make_run

pytestmark = pytest.mark.django_db


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def claim(run: TrainingRun, owner: str = "job 1") -> Lease:
    lease = leases.claim(run_id=run.pk, owner=owner)
    assert lease is not None
    run.refresh_from_db()
    return lease


def expire(run: TrainingRun) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(
        lease_expires_at=later(-1), heartbeat_at=later(-31)
    )


@pytest.fixture
def run():
    return make_run(make_catalog())


def test_a_run_is_claimed_once(run):
    claim(run)
    assert leases.claim(run_id=run.pk, owner="job 2") is None
    assert (run.state, run.fence, run.attempts) == ("loading", 1, 1)


def test_a_run_that_does_not_exist_or_is_over_is_not_claimed(run):
    assert leases.claim(run_id=999_999, owner="job 1") is None
    leases.finish(lease=claim(run), state="ready")
    assert leases.claim(run_id=run.pk, owner="job 1") is None


def test_the_second_try_of_the_same_job_takes_its_own_run_back(run):
    first = claim(run)
    second = claim(run)
    assert second.fence == first.fence + 1
    assert "Picked up again by job 1, try 2." in TrainingRun.objects.get(pk=run.pk).log


def test_a_run_whose_lease_lapsed_is_taken_over(run):
    claim(run)
    expire(run)
    assert claim(run, "job 2").fence == 2


def test_a_trainer_that_was_stopped_past_its_lease_is_fenced_off(run):
    stale = claim(run)
    expire(run)  # as SIGSTOP would have it
    fresh = claim(run, "job 2")
    with pytest.raises(LeaseLost, match=r"owned by job 1 \(fence 1\); nothing was written"):
        leases.finish(lease=stale, state="ready")
    with pytest.raises(LeaseLost):
        leases.heartbeat(lease=stale)
    with pytest.raises(LeaseLost):
        leases.add_epoch(lease=stale, record={"epoch": 1, "epochs": 2}, progress=0.5)
    assert leases.finish(lease=fresh, state="rejected").state == "rejected"


def test_what_a_fenced_off_trainer_does_in_a_transaction_is_undone(run):
    stale = claim(run)
    claim(run)
    with pytest.raises(LeaseLost), leases.holding(stale):
        make_catalog(slug="never")
    assert not type(run.catalog).objects.filter(slug="never").exists()


def test_a_heartbeat_extends_the_lease_and_tells_of_a_stop(run):
    lease = claim(run)
    expire(run)
    assert not leases.heartbeat(lease=lease)
    run.refresh_from_db()
    assert run.lease_expires_at > later(25)
    cancel_run(run=run)
    assert leases.heartbeat(lease=lease)


def test_epochs_are_appended_and_a_repeated_one_replaces_its_successors(run):
    lease = claim(run)
    for epoch in (1, 2, 3):
        record = {"epoch": epoch, "epochs": 3, "loss": 1.0 / epoch, "eta_s": 3.0 - epoch}
        leases.add_epoch(lease=lease, record=record, progress=epoch / 3)
    leases.add_epoch(lease=lease, record={"epoch": 2, "epochs": 3, "loss": 0.4}, progress=0.6)
    run.refresh_from_db()
    assert [entry["epoch"] for entry in run.history] == [1, 2]
    assert (run.state, run.epoch, run.epochs, run.progress) == ("training", 2, 3, 1.0)


@given(shares=st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_progress_never_falls(shares):
    run = make_run(make_catalog())
    lease = claim(run)
    seen = []
    for share in shares:
        leases.advance(lease=lease, state="training", progress=share)
        seen.append(TrainingRun.objects.get(pk=run.pk).progress)
    assert seen == sorted(seen)


def test_the_log_keeps_its_tail(run):
    lease = claim(run)
    TrainingRun.objects.update(log="\n".join(f"line {n}" for n in range(300)))
    leases.add_log(lease=lease, line="the newest")
    lines = TrainingRun.objects.get(pk=run.pk).log.splitlines()
    assert len(lines) == leases.LOG_LINES
    assert lines[0] == "line 101"
    assert lines[-1].endswith("the newest")


def test_a_failed_run_keeps_the_first_line_of_why(run):
    leases.fail(lease=claim(run), error="TrainingError: no positive events")
    run.refresh_from_db()
    assert (run.state, run.error) == ("failed", "TrainingError: no positive events")
    assert run.finished_at is not None


def test_a_fenced_off_failure_is_left_to_the_owner(run):
    stale = claim(run)
    claim(run)
    leases.fail(lease=stale, error="late")
    run.refresh_from_db()
    assert (run.state, run.error) == ("loading", "")


def test_a_silent_run_is_lost_and_then_claimed_again(run):
    claim(run)
    assert leases.reap(at=later(29)) == []
    assert [lost.pk for lost in leases.reap(at=later(31))] == [run.pk]
    run.refresh_from_db()
    assert (run.state, run.lease_owner) == ("lost", "")
    assert claim(run, "job 2").owner == "job 2"


def test_a_lost_runs_old_trainer_is_fenced_off_before_anybody_claims_it(run):
    stale = claim(run)
    leases.reap(at=later(31))
    with pytest.raises(LeaseLost):
        leases.write(lease=stale, progress=0.9)


def test_a_run_that_kills_its_worker_three_times_has_failed(run):
    for attempt in range(3):
        claim(run, f"job {attempt}")
        leases.reap(at=later(31))
    run.refresh_from_db()
    assert run.state == "failed"
    assert run.error == "Its worker died 3 times during loading; not tried again."
    assert leases.claim(run_id=run.pk, owner="job 9") is None


def test_a_run_whose_worker_died_after_a_stop_was_asked_is_cancelled(run):
    claim(run)
    cancel_run(run=run)
    assert leases.reap(at=later(31)) == []
    run.refresh_from_db()
    assert run.state == "cancelled"


def test_a_worker_that_stops_gives_its_run_back_uncounted(run):
    claim(run)
    assert leases.give_back(owner="job 1") == 1
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("queued", 0)
    assert claim(run, "job 2").fence == 3


def test_a_trainer_hears_of_a_stop_within_a_second(run, monkeypatch):
    heart = Heart(claim(run))
    assert not heart.should_stop()
    cancel_run(run=run)
    assert not heart.should_stop()  # read at most once a second
    moment = leases.time.monotonic() + leases.CANCEL_CHECK_S
    monkeypatch.setattr(leases.time, "monotonic", lambda: moment)
    assert heart.should_stop()
    with pytest.raises(Cancelled, match="was stopped by an operator"):
        heart.check()


def test_a_trainer_hears_that_it_lost_its_run(run):
    heart = Heart(claim(run))
    claim(run)
    with pytest.raises(LeaseLost, match="has another owner or is over"):
        heart.check()


def test_the_check_costs_one_query_a_second(run, django_assert_num_queries):
    heart = Heart(claim(run))
    with django_assert_num_queries(1):
        for _ in range(100):
            heart.check()


@pytest.fixture
def fast_heart(run, monkeypatch):
    """Return a function that lets a heart beat three times with the given answers."""

    def beat(*answers):
        beats = iter(answers)
        heart = Heart(claim(run))

        def answer(lease):
            try:
                outcome = next(beats)
            except StopIteration:
                heart._done.set()
                return False
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(leases, "HEARTBEAT_S", 0.001)
        monkeypatch.setattr(leases, "heartbeat", answer)
        with heart:
            heart._done.wait(5)
        return heart

    return beat


def test_a_heart_goes_on_beating_when_the_database_is_away_for_a_moment(fast_heart):
    heart = fast_heart(OperationalError("database is locked"), False)
    assert heart._reason is None


def test_a_heart_that_lost_its_run_stops_and_tells_the_trainer(fast_heart, monkeypatch):
    heart = fast_heart(False)
    monkeypatch.setattr(leases, "heartbeat", lambda lease: (_ for _ in ()).throw(LeaseLost("x")))
    heart._done.clear()
    heart._beat()
    with pytest.raises(LeaseLost):
        heart.check()
