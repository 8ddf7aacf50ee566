"""New items and newcomers in an evaluation: known lists get known figures."""

import numpy as np
import pytest

from recommender.evaluate import cold as subject
from recommender.evaluate.services import measure
from recommender.ml.cold import COLD_ARRAYS
from recommender.prepare.services import freeze
from tests.evaluate.world import UNTIL, days, make_world, publish
from tests.factories import make_event, make_user

pytestmark = pytest.mark.django_db
SPLIT = 30.5 / 131  # the 31 events from day 100 on


@pytest.fixture(autouse=True)
def held_out(monkeypatch):
    """Hold out items 10 and 11 of `make_world`, numbers 11 and 12, whoever took them."""
    monkeypatch.setattr(subject, "hold_out", lambda data: np.array([11, 12]))


@pytest.fixture
def world():
    """Let three more people begin in the window: one event, then four more or none."""
    catalog, users, items = make_world()
    newcomers = [make_user(catalog) for _ in range(3)]
    for number, user in enumerate(newcomers):
        for place in range(5 if number < 2 else 1):
            make_event(user, items[15 + place], at=days(101 + place + number / 10))
    return freeze(catalog=catalog, until=UNTIL, test_share=SPLIT), users, items


def scored(items, best):
    rest = [item for item in items if item not in best]
    return {item.pk: -float(place) for place, item in enumerate([*best, *rest])}


def cold_of(snapshot, version, champion=None):
    return measure(version=version, champion=champion, snapshot=snapshot).cold


def test_newcomers_are_judged_after_exactly_one_three_and_five_events(world, tmp_path):
    snapshot, _users, items = world
    version = publish(tmp_path / "v", snapshot, scored(items, items[15:20]))
    users = cold_of(snapshot, version)["users"]
    # After the first event four remain to be found, after three two, after five nothing; but the
    # twenty others had five events before the window, and one in it.
    assert {n: report["n_users"] for n, report in users.items()} == {"1": 2, "3": 2, "5": 20}
    assert users["1"]["metrics"]["ndcg@10"]["value"] == pytest.approx(1.0)
    assert users["3"]["metrics"]["hit_rate@10"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 2}
    assert users["5"]["metrics"]["hit_rate@10"]["value"] == 0.0  # theirs stand at 11 to 15


def test_without_newcomers_nothing_is_claimed(tmp_path):
    catalog, _users, items = make_world()
    snapshot = freeze(catalog=catalog, until=UNTIL, test_share=1 / 6)
    report = cold_of(snapshot, publish(tmp_path / "v", snapshot, scored(items, [])))["users"]["3"]
    assert report["n_users"] == 0
    assert report["metrics"]["ndcg@10"] == {"value": None, "low": None, "high": None, "n": 0}
    assert report["paired"]["ndcg@10:popularity"]["value"] is None


def test_baselines_and_the_champion_stand_beside_on_the_same_newcomers(world, tmp_path):
    snapshot, _users, items = world
    good = publish(tmp_path / "good", snapshot, scored(items, items[15:20]))
    poor = publish(tmp_path / "poor", snapshot, scored(items, items[20:30]))
    report = cold_of(snapshot, good, poor)["users"]["3"]
    assert set(report["baselines"]) == {"champion", "random", "popularity"}
    assert report["baselines"]["champion"]["hit_rate@10"]["value"] == 0.0
    assert report["paired"]["hit_rate@10"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 2}
    assert report["paired"]["ndcg@10:popularity"]["value"] == pytest.approx(
        1 - report["baselines"]["popularity"]["ndcg@10"]["value"]
    )
    alone = cold_of(snapshot, good)["users"]["3"]
    assert set(alone["paired"]) == {"ndcg@10:popularity", "hit_rate@10:popularity"}


def test_a_history_is_exactly_the_first_events(world, tmp_path, monkeypatch):
    snapshot, _users, items = world
    read = []

    def spy(scorer, histories, numbers):
        read.append([history.items.tolist() for history in histories])
        return scores_of(scorer, histories, numbers)

    scores_of = subject.scores_of
    monkeypatch.setattr(subject, "scores_of", spy)
    cold_of(snapshot, publish(tmp_path / "v", snapshot, scored(items, [])))
    assert read[1:] == [[[16]] * 2, [[16, 17, 18]] * 2, [[1, 2, 3, 4, 5]] * 20]


def test_a_popularity_that_nobody_touched_cannot_tell_new_items_apart(world, tmp_path):
    snapshot, _users, items = world
    report = cold_of(snapshot, publish(tmp_path / "v", snapshot, scored(items, items[10:12])))[
        "items"
    ]
    # Users n with n % 5 in (0, 1) took one of the two; the other is what it is compared with.
    assert (report["n_users"], report["n_items"], report["n_pairs"]) == (8, 2, 8)
    assert report["metrics"]["auc"] == {"value": 0.5, "low": 0.5, "high": 0.5, "n": 8}
    assert report["baselines"]["popularity"]["auc"]["value"] == 0.5
    assert report["paired"]["auc:popularity"]["value"] == 0.0
    assert report["metrics"]["hit@10"]["n"] == 0  # fewer than 99 known items


def tower(folder, snapshot, items, monkeypatch, held=(11, 12), better=11):
    """Publish a model of which only the rows before learning place item number `better` first."""
    version = publish(folder, snapshot, scored(items, []))

    class Placed:
        held_out = np.array(held)
        n_items = len(items)

        def score(self, histories):
            return np.zeros((len(histories), len(items) + 1))

        def cold(self, chosen):
            row = np.zeros(len(items) + 1)
            row[better] = 1.0
            asked.append(chosen.tolist())
            return type("Cold", (), {"score": lambda _, hs: np.tile(row, (len(hs), 1))})()

    asked = []
    scorers[str(folder)] = Placed()
    return version, asked


scorers = {}


@pytest.fixture
def loaded(monkeypatch):
    """Let towers stand in for the published lists."""
    from dataclasses import replace

    from recommender.evaluate import contender

    load = contender.load_model

    def load_model(path, **hashes):
        model = load(path, **hashes)
        return replace(model, scorer=scorers.get(str(path), model.scorer))

    scorers.clear()
    monkeypatch.setattr(contender, "load_model", load_model)


def test_a_tower_is_judged_on_what_it_held_out_with_the_rows_from_before(
    world, tmp_path, monkeypatch, loaded
):
    snapshot, _users, items = world
    version, asked = tower(tmp_path / "t", snapshot, items, monkeypatch)
    report = cold_of(snapshot, version)["items"]
    assert asked == [[11, 12]]
    # The four users who took item 11 find it first, the four who took item 12 find it last.
    assert report["metrics"]["auc"]["value"] == 0.5
    assert report["metrics"]["auc"]["n"] == 8


def test_a_tower_that_held_out_other_items_is_not_judged(world, tmp_path, monkeypatch, loaded):
    snapshot, _users, items = world
    version, asked = tower(tmp_path / "t", snapshot, items, monkeypatch, held=(3,))
    report = cold_of(snapshot, version)["items"]
    assert (report["n_users"], report["n_items"], asked) == (0, 0, [[]])
    assert report["metrics"]["auc"]["value"] is None


def test_challenger_and_champion_meet_on_what_both_held_out(world, tmp_path, monkeypatch, loaded):
    snapshot, _users, items = world
    monkeypatch.setattr(subject, "hold_out", lambda data: np.array([11, 12, 13]))
    ours, asked = tower(tmp_path / "a", snapshot, items, monkeypatch, held=(11, 12, 13))
    theirs, also = tower(tmp_path / "b", snapshot, items, monkeypatch, held=(12, 13), better=12)
    report = cold_of(snapshot, ours, theirs)["items"]
    assert asked == also == [[12, 13]]
    assert report["n_items"] == 2
    # Item 11 is not among them, so ours knows nothing: .5; theirs is right for half: .5 too.
    assert report["paired"]["auc"]["n"] == 8


def test_a_champion_without_such_items_leaves_the_challenger_judged_alone(
    world, tmp_path, monkeypatch, loaded
):
    snapshot, _users, items = world
    ours, _asked = tower(tmp_path / "a", snapshot, items, monkeypatch)
    theirs, _also = tower(tmp_path / "b", snapshot, items, monkeypatch, held=())
    report = cold_of(snapshot, ours, theirs)["items"]
    assert report["n_users"] == 8
    assert "champion" not in report["baselines"]
    assert "auc" not in report["paired"]


def test_new_items_are_hidden_from_the_histories_too(world, tmp_path, monkeypatch):
    snapshot, _users, items = world
    read = []

    def spy(scorer, histories, numbers):
        read.append({item for history in histories for item in history.items.tolist()})
        return scores_of(scorer, histories, numbers)

    scores_of = subject.scores_of
    monkeypatch.setattr(subject, "scores_of", spy)
    monkeypatch.setattr(subject, "hold_out", lambda data: np.array([1, 11, 12]))
    cold_of(snapshot, publish(tmp_path / "v", snapshot, scored(items, [])))
    assert read[0] == {2, 3, 4, 5}  # everybody had item 1 as well


def test_an_item_that_the_model_never_heard_of_is_not_judged(world, tmp_path):
    snapshot, _users, items = world
    known = [item for item in items if item != items[10]]
    report = cold_of(snapshot, publish(tmp_path / "v", snapshot, scored(known, [])))["items"]
    assert report["n_items"] == 1


def test_the_names_of_the_stored_rows_are_what_training_writes():
    assert COLD_ARRAYS == ("cold_items", "cold_vectors", "cold_bias")


def test_a_tenth_of_the_visits_is_judged_at_most(world, tmp_path, monkeypatch):
    snapshot, _users, items = world
    monkeypatch.setattr(subject, "ALWAYS_JUDGED", 1)
    monkeypatch.setattr(subject, "SHARE_OF_VISITS", 0.05)
    cold = cold_of(snapshot, publish(tmp_path / "v", snapshot, scored(items, [])))
    assert cold["items"]["n_users"] == 1
    assert cold["users"]["1"]["n_users"] == 1
