from dataclasses import replace

import numpy as np
import pytest

from recommender.ml.cold import without_items
from recommender.ml.evaluation import histories_of
from recommender.ml.progress import TrainingError
from recommender.ml.sequences import Sequences
from recommender.ml.teaching import Teacher, ask
from tests.ml.planted import planted
from tests.ml.small import small, trained

DATA = planted(n_users=20, n_items=12, n_events=6)
EVERY = np.arange(DATA.n_items + 1)


def never():
    return False


def lessons(scorer, *, numbers=EVERY, data=DATA, should_stop=never):
    teacher = Teacher(scorer, numbers, data.user_features)
    return ask(teacher, data, np.random.default_rng(1), should_stop)


@pytest.fixture(scope="module")
def scorer():
    return trained("item_knn", DATA).scorer()


def test_each_moment_is_answered_by_what_the_teacher_ranks_of_what_is_new(scorer):
    found, sequences = lessons(scorer), Sequences.of(DATA)
    (history,) = histories_of(DATA, np.array([7]))
    place = int(sequences.starts[7]) + 3
    past = history.first(3)
    scores = scorer.score([past])[0].astype(np.float64)
    scores[past.items] = -np.inf
    row = found.row_at[place]
    listed = found.items[row]
    taught = listed[found.shares[row] > 0]
    assert taught.tolist() == np.argsort(-scores, kind="stable")[: len(taught)].tolist()
    expected = np.exp(scores) / np.exp(scores[1:]).sum()
    np.testing.assert_allclose(found.shares[row][: len(taught)], expected[taught], 1e-5)
    assert not np.isin(taught, past.items).any()


def test_every_moment_has_its_own_row_and_a_softmax(scorer, monkeypatch):
    found = lessons(scorer)
    assert sorted(found.row_at) == list(range(len(Sequences.of(DATA).items)))
    np.testing.assert_allclose(found.shares.sum(axis=1), 1, rtol=1e-5)  # all twelve are listed
    monkeypatch.setattr("recommender.ml.teaching.LISTED", 3)
    short = lessons(scorer)
    np.testing.assert_array_equal(short.shares, found.shares[:, :3])  # what is left out is not lost


def test_a_teacher_that_numbers_items_otherwise_says_the_same(scorer):
    class Renumbered:
        def score(self, histories):
            turned = [replace(history, items=13 - history.items) for history in histories]
            scores = scorer.score(turned)
            scores[:, 1:] = scores[:, :0:-1]
            return scores

    first, second = lessons(scorer), lessons(Renumbered(), numbers=(13 - EVERY) * (EVERY > 0))
    np.testing.assert_array_equal(first.items, second.items)


def test_what_the_teacher_or_the_data_do_not_know_is_never_an_answer(scorer):
    numbers = np.where(np.isin(EVERY, [2, 5]), 0, EVERY)
    found = lessons(scorer, numbers=numbers)
    assert not np.isin(found.items[found.shares > 0], [2, 5]).any()
    held = lessons(scorer, data=without_items(DATA, np.array([3])))
    assert not (held.items[held.shares > 0] == 3).any()


def test_a_teacher_that_knows_nothing_teaches_nothing(scorer):
    assert (lessons(scorer, numbers=EVERY * 0).row_at == -1).all()


def test_asking_ends_when_told_to(scorer):
    assert (lessons(scorer, should_stop=lambda: True).row_at == -1).all()


def test_models_that_do_not_learn_by_softmax_refuse_a_teacher(scorer):
    with pytest.raises(TrainingError, match="ease cannot learn from a teacher"):
        small("ease").learn_from(Teacher(scorer, EVERY, DATA.user_features))
