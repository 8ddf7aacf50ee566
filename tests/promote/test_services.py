from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from recommender import clock
from recommender.errors import NotReady, Refused
from recommender.ml.stats import Interval
from recommender.promote import services
from recommender.promote.models import ModelVersion, Promotion
from recommender.train import lease as leases
from tests.factories import START, make_catalog, make_evaluation, make_run, make_snapshot
from tests.promote.artifacts import whole_version, write_artifact
from tests.promote.test_gates import CHALLENGER, LOSS, replace

pytestmark = pytest.mark.django_db


@pytest.fixture
def catalog():
    return make_catalog()


@pytest.fixture
def version(catalog, tmp_path):
    """Return a function that makes a version with a real artifact."""

    def make(**fields):
        folder = tmp_path / f"a{ModelVersion.objects.count()}"
        return whole_version(catalog, folder, **fields)

    return make


def damage(version: ModelVersion) -> None:
    from pathlib import Path

    file = Path(version.path) / "popularity.npy"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)


def promote(version: ModelVersion, **options) -> Promotion:
    return services.promote(version=version, actor="ann", reason="looks good", **options)


def roll_back(catalog, **options) -> Promotion:
    return services.roll_back(catalog=catalog, actor="ann", reason="worse", **options)


def live(catalog) -> ModelVersion | None:
    return services.live_version(catalog)


def test_promoting_switches_both_versions_and_is_logged(catalog, version):
    old, new = version(state="live"), version()
    decision = promote(new)
    old.refresh_from_db()
    assert live(catalog) == new
    assert (old.state, decision.previous, decision.actor) == ("retired", old, "ann")
    assert new.state == "live"
    assert decision.reversible_until is not None


def test_a_live_version_is_not_promoted_again(version):
    with pytest.raises(Refused, match="is live already"):
        promote(version(state="live"))


def test_a_damaged_artifact_is_refused_noted_and_the_live_one_stays(catalog, version):
    old, new = version(state="live"), version()
    damage(new)
    with pytest.raises(Refused, match=r"is broken: popularity\.npy"):
        promote(new, force=True)
    new.refresh_from_db()
    assert "popularity.npy" in new.broken_reason
    assert live(catalog) == old
    assert not Promotion.objects.exists()


def test_an_artifact_that_is_gone_is_refused(catalog, version):
    new = version(path="/nowhere/at/all")
    with pytest.raises(Refused, match="is broken"):
        promote(new)


def test_two_promoters_at_once_one_wins_and_the_other_is_told(catalog, version, monkeypatch):
    old, mine, theirs = version(state="live"), version(), version()
    seen = services.live_version(catalog)
    promote(theirs)
    monkeypatch.setattr(services, "live_version", lambda catalog: seen)  # looked a moment ago
    with pytest.raises(Refused, match="Somebody else switched versions"):
        promote(mine)
    assert ModelVersion.objects.live().get() == theirs
    mine.refresh_from_db()
    assert mine.state == "candidate"
    assert old.promotions.count() == 0


def test_two_first_promotions_at_once_leave_one_live(catalog, version, monkeypatch):
    mine, theirs = version(), version()
    promote(theirs)
    monkeypatch.setattr(services, "live_version", lambda catalog: None)
    with pytest.raises(Refused, match="Somebody else switched versions"):
        promote(mine)
    assert ModelVersion.objects.live().count() == 1


def test_the_database_itself_keeps_a_second_live_version_out(catalog, version):
    version(state="live")
    with pytest.raises(IntegrityError), transaction.atomic():
        version(state="live")


def test_what_the_gate_kept_back_needs_force(catalog, version):
    new = version()
    Promotion.objects.create(
        catalog=catalog,
        action="refuse",
        version=new,
        actor="gate",
        reason="NDCG@10 fell.",
        created_at=START,
    )
    with pytest.raises(
        Refused, match=r"The gate did not let v\d+ go live\. NDCG@10 fell\. Pass force"
    ):
        promote(new)
    assert promote(new, force=True).evidence == {"forced": True}


def test_rolling_back_returns_to_the_version_before_and_again_to_the_one_before_that(
    catalog, version
):
    versions = [version() for _ in range(3)]
    for n, each in enumerate(versions):
        with clock.at(START + timedelta(days=n)):
            promote(each)
    assert roll_back(catalog).version == versions[1]
    assert roll_back(catalog).version == versions[0]
    assert live(catalog) == versions[0]
    with pytest.raises(Refused, match="has no earlier version that can serve"):
        roll_back(catalog)


def test_an_old_version_promoted_by_hand_can_be_rolled_back_like_any_other(catalog, version):
    old, new = version(), version()
    for each in (old, new, old):
        promote(each)
    assert roll_back(catalog).version == new


def test_a_live_version_without_a_decision_on_record_returns_to_the_one_retired_last(
    catalog, version
):
    version(state="retired", retired_at=START)
    last = version(state="retired", retired_at=START + timedelta(days=1))
    version(state="live")
    assert roll_back(catalog).version == last


def test_rolling_back_skips_a_version_whose_artifact_broke(catalog, version):
    versions = [version() for _ in range(3)]
    for n, each in enumerate(versions):
        with clock.at(START + timedelta(days=n)):
            promote(each)
    damage(versions[1])
    assert roll_back(catalog).version == versions[0]
    versions[1].refresh_from_db()
    assert "popularity.npy" in versions[1].broken_reason


def test_with_nothing_to_go_back_to_the_live_version_stays(catalog, version):
    only = version()
    promote(only)
    version()  # a candidate never served
    with pytest.raises(Refused, match="has no earlier version that can serve"):
        roll_back(catalog)
    assert live(catalog) == only


def test_rolling_back_to_a_named_version(catalog, version, tmp_path):
    first, second, third = version(), version(), version()
    for each in (first, second, third):
        promote(each)
    assert roll_back(catalog, to=first).version == first
    with pytest.raises(Refused, match="is not an earlier version"):
        roll_back(catalog, to=ModelVersion.objects.get(pk=first.pk))
    foreign = whole_version(make_catalog(), tmp_path / "foreign", state="retired")
    with pytest.raises(Refused, match="is not an earlier version"):
        roll_back(catalog, to=foreign)


def test_a_discarded_version_needs_force_and_a_live_one_is_never_discarded(catalog, version):
    new = version()
    decision = services.discard(version=new, actor="ann", reason="no use")
    assert (decision.action, new.state) == ("discard", "rejected")
    with pytest.raises(Refused, match="was discarded; pass force"):
        promote(new)
    promote(new, force=True)
    with pytest.raises(Refused, match="is live; it cannot be discarded"):
        services.discard(version=new, actor="ann", reason="oops")


def test_registering_numbers_versions_from_one(catalog, tmp_path):
    run = make_run(catalog, snapshot=make_snapshot(catalog), model="popularity")
    manifest = write_artifact(tmp_path / "first")
    first = services.register(run=run, folder=tmp_path / "first", manifest=manifest)
    second = services.register(run=run, folder=tmp_path / "first", manifest=manifest)
    assert (first.label, second.label) == ("v1", "v2")
    assert (first.strategy, first.state) == ("popular", "candidate")
    assert first.manifest_sha256 == manifest.sha256


def test_a_run_without_a_snapshot_is_not_registered(catalog, tmp_path):
    manifest = write_artifact(tmp_path / "first")
    with pytest.raises(NotReady, match="has no snapshot"):
        services.register(run=make_run(catalog), folder=tmp_path, manifest=manifest)


@pytest.fixture
def judged(monkeypatch):
    """Return a function that fixes what the gate sees."""

    def fix(evidence):
        monkeypatch.setattr(services, "collect", lambda **_: evidence)

    return fix


def test_a_better_version_goes_live_by_the_gate(catalog, version, judged):
    old, new = version(state="live"), version()
    judged(CHALLENGER)
    decision = services.consider(version=new, evaluation=make_evaluation(new))
    assert (decision.action, decision.actor, decision.previous) == ("promote", "gate", old)
    assert decision.reason.startswith("It passed the gate and went live.")
    assert live(catalog) == new


def test_a_worse_version_stays_a_candidate_with_the_reason_in_words(catalog, version, judged):
    old, new = version(state="live"), version()
    judged(replace(CHALLENGER, against_champion=LOSS))
    decision = services.consider(version=new, evaluation=make_evaluation(new))
    assert (decision.action, live(catalog)) == ("refuse", old)
    assert "is not shown to be above the live version" in decision.reason
    assert decision.evidence["verdict"]["is_better"] is False
    new.refresh_from_db()
    assert new.state == "candidate"


def test_a_broken_challenger_is_kept_back_and_marked(version, judged):
    new = version()
    judged(replace(CHALLENGER, artifact_fault="x.npy: bad"))
    services.consider(version=new, evaluation=make_evaluation(new))
    new.refresh_from_db()
    assert new.broken_reason == "x.npy: bad"


def test_a_fenced_off_trainer_decides_nothing(catalog, version, judged):
    new, run = version(), make_run(catalog)
    stale = leases.claim(run_id=run.pk, owner="job 1")
    leases.claim(run_id=run.pk, owner="job 1")
    judged(replace(CHALLENGER, champion_model=None, against_popularity=Interval(1, 1, 1, 9)))
    with pytest.raises(leases.LeaseLost):
        services.consider(version=new, evaluation=make_evaluation(new), run=run, lease=stale)
    assert live(catalog) is None
    assert not Promotion.objects.exists()
