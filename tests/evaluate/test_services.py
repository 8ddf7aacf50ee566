"""Measuring versions with known lists: figures, baselines, pairs, segments, refusals."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from recommender.errors import NotReady
from recommender.evaluate import services
from recommender.evaluate.contender import features_for
from recommender.evaluate.services import measure
from recommender.ml.artifact import ArtifactError, load_model
from recommender.ml.features import FeatureSpec
from recommender.prepare.services import freeze, open_snapshot
from tests.evaluate.world import UNTIL, days, make_world, publish
from tests.factories import make_catalog, make_event, make_item, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    catalog, users, items = make_world()
    return freeze(catalog=catalog, until=UNTIL, test_share=1 / 6), users, items


def scored(items, best):
    """Score the given items first, in their order, then the rest."""
    rest = [item for item in items if item not in best]
    return {item.pk: -float(place) for place, item in enumerate([*best, *rest])}


@pytest.fixture
def good(world, tmp_path):
    snapshot, _users, items = world
    return publish(tmp_path / "good", snapshot, scored(items, items[10:15]))


@pytest.fixture
def poor(world, tmp_path):
    snapshot, _users, items = world
    return publish(tmp_path / "poor", snapshot, scored(items, items[20:30]))


def test_a_known_list_gets_known_figures(world, good):
    snapshot, _users, _items = world
    row = measure(version=good, champion=None, snapshot=snapshot)
    assert (row.n_users, row.n_events, row.model_version) == (20, 20, good)
    assert row.metrics["hit_rate@10"]["value"] == 1.0
    assert row.metrics["precision@10"]["value"] == pytest.approx(1 / 10)
    # Each of the places 1–5 is right for a fifth of the users.
    assert row.metrics["mrr"]["value"] == pytest.approx(np.mean([1 / n for n in range(1, 6)]))
    assert row.metrics["coverage@10"]["value"] == pytest.approx(10 / 30)
    assert row.metrics["finite_scores"]["value"] == 1.0
    assert row.window_from == snapshot.split_at
    assert row.window_to == days(100 + 19 / 20).replace(microsecond=0)


def test_seen_items_are_not_listed(world, tmp_path):
    snapshot, _users, items = world
    version = publish(tmp_path / "v", snapshot, scored(items, [*items[:5], *items[10:15]]))
    row = measure(version=version, champion=None, snapshot=snapshot)
    assert row.metrics["mrr"]["value"] == pytest.approx(np.mean([1 / n for n in range(1, 6)]))


def test_random_and_popularity_stand_beside(world, good):
    row = measure(version=good, champion=None, snapshot=world[0])
    assert set(row.baselines) == {"random", "popularity"}
    assert set(row.baselines["random"]) == set(row.metrics) - {"finite_scores"}
    # What is popular has been seen by all, so popularity ranks the rest by number: 5–14.
    assert row.baselines["popularity"]["mrr"]["value"] == pytest.approx(
        np.mean([1 / n for n in range(6, 11)])
    )
    random = row.baselines["random"]["hit_rate@10"]
    assert random["low"] <= 10 / 25 <= random["high"]


def test_the_pair_is_compared_on_the_same_users(world, good, poor):
    row = measure(version=good, champion=poor, snapshot=world[0])
    assert row.paired["hit_rate@10"] == {
        **{"value": 1.0, "low": 1.0, "high": 1.0, "n": 20},
        **{"against": poor.pk, "leak": False},
    }
    assert row.paired["ndcg@10"]["low"] > 0
    assert row.paired["ndcg@10:popularity"]["value"] == pytest.approx(
        row.metrics["ndcg@10"]["value"] - row.baselines["popularity"]["ndcg@10"]["value"]
    )
    assert row.baselines["champion"]["hit_rate@10"]["value"] == 0.0


def test_a_version_does_not_beat_itself(world, good):
    row = measure(version=good, champion=good, snapshot=world[0])
    assert row.paired["ndcg@10"]["low"] == row.paired["ndcg@10"]["high"] == 0.0


def test_a_champion_that_has_seen_the_window_is_marked(world, good, poor):
    snapshot, _users, _items = world
    poor.trained_to = snapshot.split_at + timedelta(seconds=1)
    row = measure(version=good, champion=poor, snapshot=snapshot)
    assert row.paired["champion"] == {"against": poor.pk, "leak": True}
    assert row.paired["ndcg@10"]["leak"] is True


def test_without_a_champion_only_popularity_is_compared(world, good):
    row = measure(version=good, champion=None, snapshot=world[0])
    assert "ndcg@10" not in row.paired
    assert "ndcg@10:popularity" in row.paired


def test_an_older_champion_is_mapped_by_database_keys(world, good, tmp_path):
    snapshot, _users, items = world
    # It knows only half of the items, under other numbers, and one that is gone.
    known = scored(items[::2], [items[14], items[12], items[10]])
    champion = publish(tmp_path / "old", snapshot, known | {10**9: 50.0})
    row = measure(version=good, champion=champion, snapshot=snapshot)
    ranks = {10: 3, 12: 2, 14: 1}  # what it does not know comes after 2 + 10 it knows, by number
    hits = sum(1 / ranks[10 + n % 5] for n in range(20) if 10 + n % 5 in ranks)
    unknown = {11: 12 + 4, 13: 12 + 5}  # 5, 7, 9, 11, 13: items 1 and 3 are seen
    hits += sum(1 / unknown[10 + n % 5] for n in range(20) if 10 + n % 5 in unknown)
    assert row.baselines["champion"]["mrr"]["value"] == pytest.approx(hits / 20)


def test_segments_are_told_apart_by_history(tmp_path):
    catalog, _users, items = make_world()
    newcomer = make_user(catalog)
    make_event(newcomer, items[10], at=days(105))
    snapshot = freeze(catalog=catalog, until=UNTIL, test_share=1 / 6)
    version = publish(tmp_path / "v", snapshot, scored(items, items[10:15]))
    segments = measure(version=version, champion=None, snapshot=snapshot).segments
    assert {name: part["n"] for name, part in segments.items()} == {
        "new": 1,
        "light": 20,
        "heavy": 0,
    }
    assert segments["new"]["mrr"]["value"] == 1.0
    assert segments["heavy"] == {"n": 0}


def test_curves_rise_with_k_for_recall(world, good):
    curves = measure(version=good, champion=None, snapshot=world[0]).by_k
    assert [len(curves[name]) for name in ("precision", "recall", "ndcg")] == [20, 20, 20]
    assert curves["recall"][:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_measuring_twice_gives_the_same_row(world, good, poor):
    one, two = (measure(version=good, champion=poor, snapshot=world[0]) for _ in range(2))
    for name in ("metrics", "baselines", "segments", "paired", "by_k", "cold"):
        assert getattr(one, name) == getattr(two, name)


def test_a_window_without_anything_new_is_not_ready(tmp_path):
    catalog = make_catalog()
    user, item = make_user(catalog), make_item(catalog)
    for day in (1, 2, 3):
        make_event(user, item, at=days(day))
    snapshot = freeze(catalog=catalog, until=UNTIL, test_share=0.4)
    version = publish(tmp_path / "v", snapshot, {item.pk: 1.0})
    with pytest.raises(NotReady, match="nobody took anything new"):
        measure(version=version, champion=None, snapshot=snapshot)


def test_a_broken_artifact_is_not_measured(world, good):
    file = Path(good.path) / "popularity.npy"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match=r"popularity\.npy"):
        measure(version=good, champion=None, snapshot=world[0])


def test_another_artifact_in_the_folder_is_not_measured(world, good):
    good.manifest_sha256 = "1" * 64
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        measure(version=good, champion=None, snapshot=world[0])


def test_models_read_no_more_history_than_serving_keeps(world, good, monkeypatch):
    read = []

    def spy(scorer, histories, numbers):
        read.extend(len(history.items) for history in histories)
        return scores_of(scorer, histories, numbers)

    scores_of = services.ml.scores_of
    monkeypatch.setattr(services.ml, "scores_of", spy)
    monkeypatch.setattr(services, "HISTORY_LENGTH", 3)
    measure(version=good, champion=None, snapshot=world[0])
    assert read == [3] * 20


def test_a_model_reads_features_in_its_own_scales(world, tmp_path):
    snapshot, _users, items = world
    opened = open_snapshot(snapshot)
    plain = opened.features.as_dict()
    plain["scales"] = dict(plain["scales"]) | {"log_rating_count": (0.0, 1.0)}
    version = publish(
        tmp_path / "v",
        snapshot,
        scored(items, []),
        extra={"feature_spec": plain},
        names=opened.features.user_names,
    )
    rows = features_for(load_model(Path(version.path)), opened)
    names = FeatureSpec.from_dict(plain).user_names
    np.testing.assert_allclose(rows[1:, names.index("log_rating_count")], np.log1p(5), atol=1e-5)


def test_a_model_without_a_spec_gets_no_features(world, good):
    opened = open_snapshot(world[0])
    assert features_for(load_model(Path(good.path)), opened).shape == (21, 0)
