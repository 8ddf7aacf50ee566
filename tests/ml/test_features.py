"""Features: missing values, odd input, and the same columns in training and serving."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.features import (
    FeatureSpec,
    HistoryFacts,
    ItemFacts,
    age_of,
    as_of_now,
    fit_spec,
    item_matrix,
    translate_users,
    user_matrix,
    user_vector,
)

PEOPLE = [
    {"age": 20, "gender": "F", "occupation": "Engineer"},
    {"age": "40", "gender": "male"},
    {},
]
FACTS = HistoryFacts(
    rating_count=np.array([1.0, 3.0, 0.0]),
    rating_mean=np.array([5.0, 3.0, np.nan]),
    positive_count=np.array([1.0, 0.0, 0.0]),
    days_since=np.array([0.0, 9.0, np.nan]),
)
ITEMS = ItemFacts(
    price=np.array([0.0, np.e - 1, np.nan]),
    sales=np.array([np.nan, np.nan, np.nan]),
    age_days=np.array([-3.0, 10.0, np.nan]),
    categories=[["Drama", "Crime"], ["Drama", "Drama"], []],
)
SPEC = fit_spec(PEOPLE, FACTS, ITEMS)


def column(matrix, names, name):
    return matrix[:, names.index(name)].tolist()


def test_ages_are_scaled_and_a_missing_one_is_the_mean_with_a_flag():
    users = user_matrix(SPEC, PEOPLE, FACTS)
    assert column(users, SPEC.user_names, "age") == [-1, 1, 0]  # 30 ± 10
    assert column(users, SPEC.user_names, "age_missing") == [0, 0, 1]


def test_genders_are_one_word_each_and_unknown():
    users = user_matrix(SPEC, PEOPLE, FACTS)
    assert SPEC.genders == ("F", "M")
    assert column(users, SPEC.user_names, "gender=F") == [1, 0, 0]
    assert column(users, SPEC.user_names, "gender=M") == [0, 1, 0]
    assert column(users, SPEC.user_names, "gender=unknown") == [0, 0, 1]


def test_the_history_counts_in_logarithms():
    users = user_matrix(SPEC, PEOPLE, FACTS)
    logs = np.log1p([1, 3, 0])
    expected = (logs - logs.mean()) / logs.std()
    found = column(users, SPEC.user_names, "log_rating_count")
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert column(users, SPEC.user_names, "rating_mean_missing") == [0, 0, 1]


def test_items_carry_price_age_and_categories():
    items = item_matrix(SPEC, ITEMS)
    assert column(items, SPEC.item_names, "log_price") == [-1, 1, 0]  # log1p: 0 and 1
    assert column(items, SPEC.item_names, "price_missing") == [0, 0, 1]
    assert column(items, SPEC.item_names, "sales_missing") == [1, 1, 1]
    assert column(items, SPEC.item_names, "category=Drama") == [1, 1, 0]
    assert column(items, SPEC.item_names, "category=Crime") == [1, 0, 0]


def test_only_the_64_most_frequent_categories_get_a_column():
    names = [[f"c{n:03}"] for n in range(100)] + [["c099"]]
    none = np.full(101, np.nan)
    spec = fit_spec([], HistoryFacts(*(np.zeros(0),) * 4), ItemFacts(none, none, none, names))
    assert len(spec.categories) == 64
    assert spec.categories[:2] == ("c099", "c000")


def test_serving_computes_the_row_of_training():
    facts = HistoryFacts.of_one(3, 3.0, 0, 9.0)
    row = user_vector(SPEC, PEOPLE[1], facts)
    np.testing.assert_array_equal(row, user_matrix(SPEC, PEOPLE, FACTS)[1])


def test_a_spec_survives_json():
    assert FeatureSpec.from_dict(json.loads(json.dumps(SPEC.as_dict()))) == SPEC


@pytest.mark.parametrize("age", [-1, 0, 121, "old", None, [], math.inf, math.nan])
def test_an_unbelievable_age_is_missing(age):
    assert math.isnan(age_of({"age": age}))


def test_a_word_never_seen_is_unknown():
    row = user_vector(SPEC, {"gender": "x"}, HistoryFacts.of_one(0, math.nan, 0, math.nan))
    assert row[SPEC.user_names.index("gender=unknown")] == 1


@given(
    st.dictionaries(
        st.sampled_from(["age", "gender", "occupation"]),
        st.one_of(st.none(), st.text(max_size=5), st.floats(), st.integers(), st.lists(st.none())),
    ),
    st.floats(0, 1e9),
)
def test_any_attributes_give_finite_numbers_of_the_right_count(attributes, count):
    row = user_vector(SPEC, attributes, HistoryFacts.of_one(count, math.nan, count, count))
    assert row.shape == (len(SPEC.user_names),)
    assert np.isfinite(row).all()
    assert np.abs(row).max() <= 10


def test_an_older_models_columns_are_what_it_would_have_computed():
    other = fit_spec(
        [{"age": 50, "gender": "M"}, {"age": 60, "gender": "nonbinary"}],
        HistoryFacts(*(np.array([1.0, 8.0]),) * 4),
        ITEMS,
    )
    translated = translate_users(user_matrix(SPEC, PEOPLE, FACTS), SPEC, other)
    np.testing.assert_allclose(translated, user_matrix(other, PEOPLE, FACTS), atol=1e-5)


def test_columns_of_the_same_spec_stay_as_they_are():
    rows = user_matrix(SPEC, PEOPLE, FACTS)
    assert translate_users(rows, SPEC, FeatureSpec.from_dict(SPEC.as_dict())) is rows


def test_who_asks_is_active_today():
    now = as_of_now(user_matrix(SPEC, PEOPLE, FACTS), SPEC)
    today = HistoryFacts(
        FACTS.rating_count, FACTS.rating_mean, FACTS.positive_count, np.array([0, 0, np.nan])
    )
    np.testing.assert_allclose(now, user_matrix(SPEC, PEOPLE, today), atol=1e-6)
