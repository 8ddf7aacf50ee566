"""Items held out of training: nothing else may know of them, and in the end they are served."""

from dataclasses import replace

import numpy as np
import pytest

from recommender.ml.cold import hold_out, without_items
from recommender.ml.evaluation import histories_of
from tests.ml.planted import planted
from tests.ml.small import trained

DATA = planted()
SHARE = 0.2
HELD = hold_out(DATA, SHARE)
TOWERS = ("two_tower", "caser", "transformer")


def other_fate(data):
    """Give the held-out items' events to other users, at the same times."""
    user = data.user.copy()
    rows = np.isin(data.item, HELD)
    user[rows] = user[rows][::-1]
    return replace(data, user=user)


@pytest.mark.parametrize("name", TOWERS)
def test_what_happened_to_held_out_items_changes_only_their_own_rows(name):
    scorers = [
        trained(name, data, hold_out_share=SHARE, epochs=3).scorer()
        for data in (DATA, other_fate(DATA))
    ]
    one, other = scorers
    rest = np.setdiff1d(np.arange(DATA.n_items + 1), HELD)
    np.testing.assert_array_equal(one.item_vectors[rest], other.item_vectors[rest])
    np.testing.assert_array_equal(one.item_bias[rest], other.item_bias[rest])
    np.testing.assert_array_equal(one.cold_rows.vectors, other.cold_rows.vectors)
    assert not np.array_equal(one.item_vectors[HELD], other.item_vectors[HELD])


@pytest.mark.parametrize("name", TOWERS)
def test_a_held_out_item_is_learned_in_the_end(name):
    scorer = trained(name, DATA, hold_out_share=SHARE).scorer()
    blind = trained(name, without_items(DATA, HELD), hold_out_share=0.0).scorer()
    users = np.unique(DATA.user[np.isin(DATA.item, HELD)])
    took = [np.intersect1d(DATA.item[DATA.user == user], HELD) for user in users]

    def place(made):
        """Return how far up their own held-out items stand, 1 = first, mean over users."""
        scores = made.score(histories_of(without_items(DATA, HELD), users))[:, 1:]
        ranks = scores.argsort(axis=1).argsort(axis=1) / (DATA.n_items - 1)
        return np.mean([ranks[row, items - 1].mean() for row, items in enumerate(took)])

    assert place(scorer) > place(blind) + 0.05


def test_without_a_share_nothing_is_held_out():
    scorer = trained("transformer", DATA, hold_out_share=0.0, epochs=2).scorer()
    assert scorer.cold_rows is None
