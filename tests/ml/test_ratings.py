import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.ratings import RatingModel, Ratings, fit_rating_model, z_scores
from recommender.ml.scoring import History


def model(**changes):
    facts = {
        "item_level": np.array([3.0, 4.0, 2.0]),
        "item_count": np.array([0.0, 9.0, 0.0]),
        "history_level": 4.0,
        "slope": 0.5,
        "intercept": 0.1,
        "variance": (0.25, 2.0, 1.0),
        "low": 1.0,
        "high": 5.0,
    }
    return RatingModel(**(facts | changes))


def test_the_prediction_adds_item_person_slope_and_intercept():
    # person: 3 ratings of 3, level 4: (3 − 4) · 3 / (3 + 5) = −3/8
    mean, sd = model().predict(np.array([3.0, np.nan, 3, 3]), np.array([1]), np.array([1.0]))
    np.testing.assert_allclose(mean, [4 - 3 / 8 + 0.5 + 0.1])
    np.testing.assert_allclose(sd, [np.sqrt(1 / 4 + 2 / 4 + 1 / 10)])


def test_fewer_than_three_ratings_give_no_number():
    assert model().predict(np.array([5.0, 4.0, np.nan]), np.array([1]), np.zeros(1)) is None


def test_predictions_stay_on_the_scale():
    z = np.array([50.0, -50.0])
    mean, _ = model().predict(np.full(3, 4.0), np.array([1, 2]), z)
    assert mean.tolist() == [5.0, 1.0]


def test_z_scores_ignore_what_is_masked():
    z = z_scores(np.array([[-np.inf, 1.0, 3.0, -np.inf], [-np.inf, 7.0, 7.0, 7.0]]))
    assert z.tolist() == [[-np.inf, -1, 1, -np.inf], [-np.inf, 0, 0, 0]]


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20))
def test_z_scores_have_mean_zero_and_deviation_one_or_zero(row):
    z = z_scores(np.array([row]))
    assert abs(z.mean()) < 1e-6
    assert abs(z.std() - 1) < 1e-6 or np.allclose(z, 0, atol=1e-3)


class Truth:
    """Score items by what each user would truly give them, on another scale."""

    def __init__(self, truth):
        self.truth = truth
        self.n_items = truth.shape[1] - 1

    def score(self, histories):
        rows = 7 * self.truth[[history.user for history in histories]] - 40
        rows[:, 0] = -np.inf
        return rows


def survey(seed=1, n_users=200, n_items=40, noise=0.5):
    """Draw ratings = 3 + item + user + taste + noise, two thirds early and a third later."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(0, 0.7, (n_users + 1, n_items + 1))
    level = rng.normal(0, 0.5, n_items + 1) + rng.normal(0, 0.4, (n_users + 1, 1))
    user, item = np.divmod(np.arange(n_users * n_items), n_items)
    user, item = user + 1, item + 1
    value = (3 + level + taste)[user, item] + rng.normal(0, noise, len(user))
    early = rng.random(len(user)) < 0.67
    train = Ratings(user[early], item[early], value[early])
    later = Ratings(user[~early], item[~early], value[~early])
    histories = {
        number: History(
            train.item[train.user == number],
            np.ones((train.user == number).sum()),
            train.value[train.user == number],
            np.arange((train.user == number).sum()),
            np.zeros(0),
            user=number,
        )
        for number in range(1, n_users + 1)
    }
    return train, later, histories, Truth(taste)


def predict_all(fitted, later, histories, scorer):
    rows = []
    for user in np.unique(later.user).tolist():
        items = later.item[later.user == user]
        z = z_scores(scorer.score([histories[user]]))[0, items]
        mean, sd = fitted.predict(histories[user].values, items, z)
        rows.append(np.stack([later.value[later.user == user] - mean, sd]))
    return np.concatenate(rows, axis=1)


def test_a_fitted_model_finds_the_taste_and_its_own_error():
    train, later, histories, scorer = survey()
    fitted = fit_rating_model(train, later, histories, scorer)
    assert 0.55 < fitted.slope < 0.8  # the planted deviation of taste is 0.7
    error, sd = predict_all(fitted, later, histories, scorer)
    assert abs(error.mean()) < 0.03
    assert 0.64 < (np.abs(error) < sd).mean() < 0.73  # one deviation holds 68 %
    assert error.std() < 0.75  # 0.5 of it is noise that nobody can predict


def test_a_ranking_that_misleads_gets_no_say():
    train, later, histories, scorer = survey()
    fitted = fit_rating_model(train, later, histories, Truth(-scorer.truth))
    assert fitted.slope == 0


def test_nobody_to_calibrate_on_gives_no_model():
    train, later, _, scorer = survey(n_users=5)
    assert fit_rating_model(train, later, {}, scorer) is None


def test_rarely_rated_items_are_less_certain():
    _, sd = model().predict(np.full(3, 4.0), np.array([1, 2]), np.zeros(2))
    assert sd[0] < sd[1]


@pytest.mark.parametrize("n", [3, 10, 100])
def test_more_ratings_of_the_person_move_the_level_further(n):
    mean, _ = model(slope=0, intercept=0).predict(np.full(n, 5.0), np.array([2]), np.zeros(1))
    np.testing.assert_allclose(mean, [2 + n / (n + 5)])
