"""The window: what counts as taken, who is judged, in which space lists are compared."""

from datetime import timedelta

import numpy as np
import pytest

from recommender.catalog.rules import rules_of
from recommender.evaluate import window
from recommender.evaluate.window import common_space, is_taken, open_window
from recommender.prepare.services import freeze, open_snapshot
from tests.evaluate.world import UNTIL, days, make_world
from tests.factories import make_catalog, make_event
from tests.ml.worlds import make_interactions

KINDS = ("click", "dismiss", "like", "purchase", "rating")
CLICK, DISMISS, LIKE, PURCHASE, RATING = range(5)


def taken(*rows):
    """Tell which (kind, item, value) events of one user count."""
    catalog = make_catalog()
    data = make_interactions(
        [(1, item, n, 1.0, value, kind) for n, (kind, item, value) in enumerate(rows)],
        kinds=KINDS,
    )
    return is_taken(data, catalog, rules_of(catalog)).tolist()


@pytest.mark.django_db
def test_events_of_full_weight_count():
    rows = [(CLICK, 1, np.nan), (LIKE, 2, np.nan), (PURCHASE, 3, 9.0), (RATING, 4, 4.0)]
    assert taken(*rows) == [True] * 4


@pytest.mark.django_db
def test_a_middling_or_low_rating_or_a_dismissal_does_not_count():
    rows = [(RATING, 1, 3.5), (RATING, 2, 1.0), (DISMISS, 3, np.nan)]
    assert taken(*rows) == [False] * 3


@pytest.mark.django_db
def test_a_click_that_ends_in_a_low_rating_was_no_success():
    assert taken((CLICK, 1, np.nan), (RATING, 1, 1.0)) == [False, False]
    assert taken((CLICK, 1, np.nan), (DISMISS, 1, np.nan)) == [False, False]


@pytest.mark.django_db
def test_who_comes_round_to_an_item_has_taken_it():
    assert taken((DISMISS, 1, np.nan), (LIKE, 1, np.nan)) == [False, True]
    assert taken((RATING, 1, 1.0), (LIKE, 2, np.nan)) == [False, True]  # another item


@pytest.mark.django_db
def test_a_type_that_the_catalog_no_longer_knows_is_left_out():
    catalog = make_catalog()
    data = make_interactions([(1, 1, 0, 1.0, 1.0, 0)], kinds=("poke",))
    assert is_taken(data, catalog, rules_of(catalog)).tolist() == [False]


@pytest.mark.django_db
def test_only_what_hides_an_item_in_serving_masks_it():
    catalog, users, items = make_world()
    make_event(users[0], items[10], type="click", value=None, at=days(50))  # clicked, then liked
    make_event(users[1], items[11], type="dismiss", value=None, at=days(50))  # came round to it
    opened = open_snapshot(freeze(catalog=catalog, until=UNTIL, test_share=1 / 6))
    judged = open_window(opened, catalog).cases
    users_judged = opened.user_ids[judged.users].tolist()
    assert users[0].pk in users_judged
    assert users[1].pk not in users_judged


@pytest.mark.django_db
def test_a_sample_of_many_users_is_the_same_each_time(monkeypatch):
    monkeypatch.setattr(window, "MOST_USERS", 7)
    catalog, _users, _items = make_world()
    opened = open_snapshot(freeze(catalog=catalog, until=UNTIL, test_share=1 / 6))
    one, two = (open_window(opened, catalog).cases for _ in range(2))
    assert len(one) == len(one.relevant) == len(one.history_length) == 7
    assert one.users.tolist() == two.users.tolist() == sorted(one.users.tolist())


@pytest.mark.django_db
def test_shuffling_later_events_leaves_the_training_side_as_it_is():  # T-LEAK
    catalog, users, items = make_world()
    before = open_snapshot(freeze(catalog=catalog, until=UNTIL, test_share=1 / 6))
    split = days(0) + timedelta(seconds=before.split_at - int(days(0).timestamp()))
    for number, row in enumerate(catalog.events.filter(occurred_at__gte=split).order_by("pk")):
        catalog.events.filter(pk=row.pk).update(user=users[-1 - number], item=items[29 - number])
    after = open_snapshot(freeze(catalog=catalog, until=UNTIL, test_share=1 / 6))
    one, two = (open_window(opened, catalog) for opened in (before, after))
    for name in ("user", "item", "kind", "value", "weight", "time"):
        np.testing.assert_array_equal(getattr(one.train, name), getattr(two.train, name))
    np.testing.assert_array_equal(one.setting.share, two.setting.share)


def test_diversity_is_measured_in_text_vectors_where_there_are_any():
    content = np.array([[0, 0], [1, 0]], dtype=np.float32)
    data = make_interactions([(1, 1, 0, 1.0)], content=content)
    assert common_space(data) is content


def test_diversity_falls_back_to_categories():
    names = ("log_price", "category=A", "category=B")
    rows = np.array([[0, 0, 0], [9, 1, 1], [5, 0, 1]], dtype=np.float32)
    data = make_interactions(
        [(1, 1, 0, 1.0)], n_items=2, item_features=rows, item_feature_names=names
    )
    half = np.sqrt(0.5)
    np.testing.assert_allclose(common_space(data), [[0, 0], [half, half], [0, 1]], atol=1e-6)
