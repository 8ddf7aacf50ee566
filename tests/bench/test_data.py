import numpy as np
import pytest

from bench.data import load_1m, load_100k, missing_places
from tests.bench.world import write_1m, write_100k


def test_movielens_100k_is_read_in_order_of_time_with_genres_and_accents(tmp_path):
    write_100k(tmp_path / "d")
    made = load_100k(tmp_path / "d")
    assert made.data.time.tolist() == [10, 20, 30]
    assert made.data.user.tolist() == [2, 1, 1]
    assert made.data.value.tolist() == [3.0, 5.0, 4.0]
    assert made.texts == ("Toy (1995). Comedy", "Café (1990). Drama, Comedy")
    comedy = made.data.item_feature_names.index("category=Comedy")
    drama = made.data.item_feature_names.index("category=Drama")
    assert made.data.item_features[:, [comedy, drama]].tolist() == [[0, 0], [1, 0], [1, 1]]
    assert (made.data.weight > 0).all()


def test_the_row_that_ncf_took_out_goes_back_to_its_place(tmp_path):
    write_1m(tmp_path / "d")
    made = load_1m(tmp_path / "d")
    own = [made.data.item[made.data.user == user].tolist() for user in (1, 2)]
    assert own == [[1, 2, 3], [1, 3]]  # user 2's test row stood first
    assert made.ncf.is_last.tolist() == [True, False]
    assert made.data.item[made.ncf.rows].tolist() == [1, 3]
    assert made.ncf.items.tolist() == [3, 1]


def test_ml_1m_seconds_end_at_each_users_published_last_one(tmp_path):
    write_1m(tmp_path / "d")
    data = load_1m(tmp_path / "d").data
    assert data.time[data.user == 1].tolist() == [999_880, 999_940, 1_000_000]
    assert data.time[data.user == 2].tolist() == [499_940, 500_000]


def test_titles_follow_the_published_item_map_not_the_file(tmp_path):
    write_1m(tmp_path / "d")
    texts = load_1m(tmp_path / "d").texts
    assert texts == ("A (1989). Drama", "B (1990). Comedy", "C (1991). Drama, Comedy")


@pytest.mark.parametrize("gap", [0, 1, 2, 3])
def test_a_missing_place_is_found_anywhere(gap):
    positions = np.array([place for place in range(4) if place != gap])
    assert missing_places(np.zeros(3, np.int64), positions, 1).tolist() == [gap]
