"""Freezing: what is kept, what is dropped and why, and that the folder is what it was."""

import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from recommender.catalog.models import ItemVector
from recommender.errors import BadData, NotReady
from recommender.ml.interactions import Modality
from recommender.prepare.services import freeze, open_snapshot
from tests.factories import START, make_catalog, make_event, make_item, make_user

pytestmark = pytest.mark.django_db
UNTIL = START + timedelta(days=100)


def days(n: float):
    return START + timedelta(days=n)


@pytest.fixture
def world():
    """Two users, ten items, ten ratings on ten days: the last one is the test part."""
    catalog = make_catalog()
    users = [make_user(catalog, attributes={"age": 20, "gender": "F"}), make_user(catalog)]
    items = [make_item(catalog, price=10.0) for _ in range(10)]
    for day in range(10):
        make_event(users[day % 2], items[day], at=days(day))
    return catalog, users, items


def test_a_snapshot_counts_users_items_and_events_and_splits_by_time(world):
    catalog, _users, _items = world
    snapshot = freeze(catalog=catalog, until=UNTIL)
    assert (snapshot.n_users, snapshot.n_items, snapshot.n_events) == (2, 10, 10)
    assert snapshot.split_at == days(9)
    assert snapshot.watermark_from == START
    assert snapshot.dropped == {}


def test_numbers_lead_back_to_database_keys(world):
    catalog, users, items = world
    opened = open_snapshot(freeze(catalog=catalog, until=UNTIL))
    data = opened.interactions
    assert opened.item_ids[data.item].tolist() == [items[d].pk for d in range(10)]
    assert opened.user_ids[data.user].tolist() == [users[d % 2].pk for d in range(10)]
    assert data.time.tolist() == [int(days(d).timestamp()) for d in range(10)]


def test_the_same_rows_give_the_same_hash_and_one_more_event_another(world):
    catalog, users, items = world
    first, second = (freeze(catalog=catalog, until=UNTIL) for _ in range(2))
    make_event(users[0], items[1], at=days(3.5))
    assert first.sha256 == second.sha256
    assert first.path != second.path
    assert freeze(catalog=catalog, until=UNTIL).sha256 != first.sha256


def test_a_snapshot_tells_the_catalogs_rating_scale(world):
    catalog = world[0]
    opened = open_snapshot(freeze(catalog=catalog, until=UNTIL))
    assert opened.interactions.rating_scale == (0.5, 5.0)
    catalog.rating_max = 6.0
    catalog.save(update_fields=["rating_max"])
    opened = open_snapshot(freeze(catalog=catalog, until=UNTIL))
    assert opened.interactions.rating_scale == (0.5, 6.0)


def test_a_changed_byte_is_refused(world):
    snapshot = freeze(catalog=world[0], until=UNTIL)
    file = Path(snapshot.path) / "weight.npy"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    with pytest.raises(BadData, match="they were changed"):
        open_snapshot(snapshot)


def test_a_missing_folder_is_refused_by_name(world):
    snapshot = freeze(catalog=world[0], until=UNTIL)
    snapshot.path = snapshot.path + "-lost"
    with pytest.raises(BadData, match="is gone; freeze a new one"):
        open_snapshot(snapshot)


def test_a_folder_of_another_program_is_refused(world, monkeypatch):
    monkeypatch.setattr("recommender.prepare.folder.SCHEMA_VERSION", 0)
    snapshot = freeze(catalog=world[0], until=UNTIL)
    monkeypatch.undo()
    with pytest.raises(BadData, match="cannot be read: its schema version is 0"):
        open_snapshot(snapshot)


def test_an_undone_event_is_gone_and_counted(world):
    catalog, users, items = world
    slip = make_event(users[0], items[1], value=0.5, at=days(2.5))
    make_event(users[0], None, type="undo", target=slip, at=days(9.5))
    snapshot = freeze(catalog=catalog, until=UNTIL)
    assert snapshot.n_events == 10
    assert snapshot.dropped == {"undone": 1}


def test_an_undo_received_later_than_the_watermark_does_not_count_yet(world):
    catalog, users, items = world
    slip = make_event(users[0], items[1], value=5.0, at=days(2.5))
    make_event(users[0], None, type="undo", target=slip, at=days(20))
    assert freeze(catalog=catalog, until=days(10)).n_events == 11
    assert freeze(catalog=catalog, until=days(21)).n_events == 10


def test_events_received_after_the_watermark_stay_out(world):
    catalog, users, items = world
    make_event(users[0], items[1], at=days(4.5), received_at=days(50))
    assert freeze(catalog=catalog, until=days(49)).n_events == 10
    assert freeze(catalog=catalog, until=days(50)).n_events == 11


def test_exposures_are_no_training_rows(world):
    catalog, users, items = world
    make_event(users[0], items[0], type="impression", at=days(4))
    assert freeze(catalog=catalog, until=UNTIL).n_events == 10


def test_another_catalogs_events_stay_out(world):
    other = make_catalog()
    make_event(make_user(other), make_item(other))
    snapshot = freeze(catalog=world[0], until=UNTIL)
    assert (snapshot.n_items, snapshot.n_events, snapshot.dropped) == (10, 10, {})


def test_simulated_events_are_counted_and_can_be_left_out(world):
    catalog, _users, items = world
    robot = make_user(catalog, is_simulated=True)
    make_event(robot, items[0], at=days(4))
    make_event(robot, items[1], at=days(5), source="simulated")
    assert freeze(catalog=catalog, until=UNTIL).n_simulated == 2
    without = freeze(catalog=catalog, until=UNTIL, include_simulated=False)
    assert (without.n_simulated, without.n_events, without.n_users) == (0, 10, 2)


def test_nothing_to_learn_from_is_said_plainly():
    catalog = make_catalog()
    with pytest.raises(NotReady, match="has 0 usable positive events"):
        freeze(catalog=catalog, until=UNTIL)


def test_events_of_one_second_cannot_be_split():
    catalog = make_catalog()
    for _ in range(3):
        make_event(make_user(catalog), make_item(catalog), at=START)
    with pytest.raises(NotReady, match="before and some after"):
        freeze(catalog=catalog, until=UNTIL)


def test_shuffling_later_events_leaves_the_training_part_unchanged(world):  # T-LEAK
    catalog, users, items = world
    for day, item in ((9.1, 0), (9.2, 3), (9.3, 6)):  # rated again: both ratings must stay
        make_event(users[0], items[item], at=days(day))
    one = open_snapshot(freeze(catalog=catalog, until=UNTIL, test_share=0.3))
    later = catalog.events.filter(occurred_at__gte=days(9))
    for row, item in zip(later.order_by("-pk"), (5, 2, 8, 1), strict=True):
        later.filter(pk=row.pk).update(user=users[1], item=items[item])
    two = open_snapshot(freeze(catalog=catalog, until=UNTIL, test_share=0.3))
    assert one.split_at == two.split_at == int(days(9).timestamp())
    past, same = (o.interactions.before(o.split_at) for o in (one, two))
    for name in ("user", "item", "kind", "value", "weight", "time", "user_features"):
        np.testing.assert_array_equal(getattr(past, name), getattr(same, name), err_msg=name)
    assert one.features == two.features


def test_vectors_of_the_catalogs_encoder_come_along_at_unit_length(world):
    catalog, _users, items = world
    vector = np.array([3.0, 4.0], dtype="<f4")
    fields = {"encoder_version": "1", "dimension": 2, "source_hash": "0", "created_at": START}
    ItemVector.objects.create(
        item=items[1], encoder_id="hashing", vector=vector.tobytes(), **fields
    )
    frozen = open_snapshot(freeze(catalog=catalog, until=UNTIL)).interactions
    content = frozen.content
    assert frozen.modalities == (Modality("text", 2, "hashing@1"),)
    np.testing.assert_allclose(content, [[0, 0], [0, 0], [0.6, 0.8], *[[0, 0]] * 8], atol=1e-6)


def test_user_features_know_nothing_of_the_time_after_the_split(world):
    catalog, users, items = world
    for day in (9.1, 9.2, 9.3, 9.4):
        make_event(users[0], items[0], at=days(day), type="purchase")
    opened = open_snapshot(freeze(catalog=catalog, until=UNTIL, test_share=0.4))
    names = opened.features.user_names
    counts = opened.interactions.user_features[1:, names.index("log_positive_count")]
    assert opened.split_at == int(days(8).timestamp())
    assert counts.tolist() == [0.0, 0.0]  # four each before the split: equal, so scaled to 0


def test_freezing_runs_few_queries(world, django_assert_num_queries):
    # events, items, attributes, vectors, undone, known folders, insert
    with django_assert_num_queries(7):
        freeze(catalog=world[0], until=UNTIL)


def test_a_folder_that_never_got_its_row_is_cleared_by_a_later_freeze(world):
    kept = freeze(catalog=world[0], until=UNTIL)
    lost = freeze(catalog=world[0], until=UNTIL)
    lost.delete()
    for path in (kept.path, lost.path):
        os.utime(path, (0, 0))
    freeze(catalog=world[0], until=UNTIL)
    assert Path(kept.path).is_dir()
    assert not Path(lost.path).exists()
