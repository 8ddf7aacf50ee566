"""The frozen arrays: what they refuse, how they are cut, that they come back as they were."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from recommender.ml.interactions import Interactions, Modality
from tests.ml.worlds import make_interactions

ROWS = [(1, 2, 10, 1.0), (2, 1, 10, 0.5), (1, 3, 20, 0.0, 2.0), (2, 2, 30, 1.0)]


@pytest.fixture
def data():
    return make_interactions(ROWS)


def test_positives_leave_out_what_is_known_and_not_liked(data):
    assert data.positives().item.tolist() == [2, 1, 2]


def test_before_and_since_share_every_event_out(data):
    assert data.before(20).time.tolist() == [10, 10]
    assert data.since(20).time.tolist() == [20, 30]


def test_cutting_keeps_users_items_and_tables(data):
    cut = data.before(0)
    assert (len(cut), cut.n_users, cut.n_items) == (0, 2, 3)
    assert cut.user_features.shape == (3, 1)


def test_events_are_grouped_by_user_oldest_first(data):
    order, starts = data.by_user()
    assert data.item[order[starts[1] : starts[2]]].tolist() == [2, 3]
    assert data.item[order[starts[2] : starts[3]]].tolist() == [1, 2]
    assert starts[0] == starts[1] == 0


def test_a_folder_gives_back_what_was_saved(data, tmp_path):
    data.save(tmp_path)
    back = Interactions.load(tmp_path)
    for field in fields(data):
        before, after = getattr(data, field.name), getattr(back, field.name)
        if isinstance(before, np.ndarray):
            np.testing.assert_array_equal(before, after)
            assert before.dtype == after.dtype
        else:
            assert before == after


def test_a_folder_keeps_the_rating_scale_and_an_older_one_means_five_stars(data, tmp_path):
    replace(data, rating_scale=(0.0, 100.0)).save(tmp_path)
    assert Interactions.load(tmp_path).rating_scale == (0.0, 100.0)
    meta = json.loads((tmp_path / "meta.json").read_text())
    del meta["rating_scale"]
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    assert Interactions.load(tmp_path).rating_scale == (1.0, 5.0)


@pytest.mark.parametrize("scale", [(5.0, 1.0), (1.0, 1.0), (float("nan"), 5.0)])
def test_a_scale_that_does_not_rise_is_refused(data, scale):
    with pytest.raises(ValueError, match="expected the lower end first"):
        replace(data, rating_scale=scale)


def test_saving_twice_writes_the_same_bytes(data, tmp_path):
    data.save(tmp_path / "a")
    data.save(tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_pickled_array_is_refused(data, tmp_path):
    data.save(tmp_path)
    np.save(tmp_path / "value.npy", np.array([object()] * 4), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        Interactions.load(tmp_path)


def test_a_column_of_another_length_is_refused(data):
    with pytest.raises(ValueError, match=r"value has shape \(3,\); expected \(4,\)"):
        replace(data, value=data.value[:3])


def test_an_item_beyond_the_last_is_refused(data):
    with pytest.raises(ValueError, match="item runs from 1 to 3; expected 1 to 2"):
        replace(data, n_items=2)


def test_the_padding_user_has_no_events(data):
    with pytest.raises(ValueError, match="user runs from 0 to 2"):
        replace(data, user=np.array([0, 2, 1, 2]))


def test_time_must_not_fall(data):
    with pytest.raises(ValueError, match="time falls"):
        replace(data, time=data.time[::-1])


def test_feature_tables_need_a_row_for_the_unknown_one(data):
    with pytest.raises(ValueError, match="user_features has 2 rows; expected 3"):
        replace(data, user_features=data.user_features[1:])


MODALITIES = (Modality("text", 2, "use@1"), Modality("picture", 1, "efficientnet@1"))


def test_modalities_come_back_with_their_encoders(data, tmp_path):
    both = replace(data, content=np.ones((4, 3), np.float32), modalities=MODALITIES)
    both.save(tmp_path)
    back = Interactions.load(tmp_path)
    assert back.modalities == MODALITIES
    assert back.content_columns() == [(MODALITIES[0], slice(0, 2)), (MODALITIES[1], slice(2, 3))]


def test_a_snapshot_that_names_no_modalities_holds_text(data, tmp_path):
    replace(data, content=np.ones((4, 3), np.float32)).save(tmp_path)
    meta = json.loads((tmp_path / "meta.json").read_text())
    del meta["modalities"]  # as written before there were any
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    assert Interactions.load(tmp_path).content_columns() == [(Modality("text", 3), slice(0, 3))]
    assert data.content_columns() == []


def test_modalities_that_do_not_fill_the_columns_are_refused(data):
    message = r"content has 4 columns; its modalities have \[2, 1\]"
    with pytest.raises(ValueError, match=message):
        replace(data, content=np.ones((4, 4), np.float32), modalities=MODALITIES)
