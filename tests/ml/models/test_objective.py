"""What a tower learns beside the next event: to be cut, and to agree with a teacher."""

import numpy as np
import pytest

from recommender.ml.artifact import load_model
from recommender.ml.compress import compress, overlap
from recommender.ml.evaluation import histories_of
from recommender.ml.metrics import ndcg_at_k
from recommender.ml.recipes import RECIPES
from recommender.ml.teaching import Teacher
from recommender.ml.topk import mask_seen, top_k
from tests.ml.planted import DAY, world
from tests.ml.small import NAMES, context_for, small, trained

N_RINGS, SIZE, N_USERS = 16, 6, 120
NARROW = {
    "embedding_size": 8,
    "epochs": 40,
    "learning_rate": 0.01,
    "hold_out_share": 0.0,
    "ppmi_window": 0,
}


def rings():
    """Build a world where everybody takes the six items of one of 16 rings, one a day.

    Eight numbers hold 16 tastes well enough; four, cut from them afterwards, do not.
    """
    rng = np.random.default_rng(1)
    events = []
    for user in range(1, N_USERS + 1):
        first = int(rng.integers(N_RINGS)) * SIZE + 1
        own = first + rng.permutation(SIZE)
        events += [(user, int(item), day * DAY + user) for day, item in enumerate(own)]
    return world(events, N_USERS, N_RINGS * SIZE)


DATA = rings()
PAST, LATER = DATA.before(4 * DAY), DATA.since(4 * DAY)
USERS = np.arange(1, N_USERS + 1)
PEOPLE = histories_of(PAST, USERS)


def ranked(scorer, k=2):
    return top_k(mask_seen(scorer.score(PEOPLE), [person.items for person in PEOPLE]), k)


def worth(scorer):
    """Return NDCG@2: the two items of a user's ring that are left."""
    wanted = [LATER.item[LATER.user == user] for user in USERS]
    found = zip(ranked(scorer), wanted, strict=True)
    return np.mean([ndcg_at_k(row, relevant, 2) for row, relevant in found])


def kept(folder, **changes):
    """Return the share of NDCG that vectors of half the length keep."""
    trained("transformer", PAST, seed=2, **NARROW, **changes).export(
        folder / "whole", context_for(PAST)
    )
    compress(folder / "whole", folder / "short", "short", people=PEOPLE)
    return worth(load_model(folder / "short").scorer) / worth(load_model(folder / "whole").scorer)


def test_vectors_that_learned_to_be_cut_keep_more_of_their_worth(tmp_path):
    plain, nested = kept(tmp_path / "plain"), kept(tmp_path / "nested", matryoshka=1.0)
    assert plain < 0.85
    assert nested > 0.9


def taught_by(scorer, name="transformer", **changes):
    model = small(name, **changes)
    model.learn_from(Teacher(scorer, np.arange(PAST.n_items + 1), PAST.user_features))
    list(model.fit(PAST))
    return model.scorer()


class Stubborn:
    """Rank items by their number, whoever asks: what no event says."""

    def score(self, histories):
        row = np.append(-np.inf, np.arange(PAST.n_items) * 0.2)
        return np.tile(row.astype(np.float32), (len(histories), 1))


@pytest.mark.parametrize("n_negatives", [256, 8])  # all items are met, or some of them
def test_a_student_takes_over_what_only_its_teacher_says(n_negatives):
    changes = NARROW | {"epochs": 15, "n_negatives": n_negatives}
    alone = trained("transformer", PAST, **changes).scorer()
    student = taught_by(Stubborn(), **changes)
    wanted = ranked(Stubborn(), 10)
    agrees, agreed = (overlap(ranked(one, 10), wanted).mean() for one in (student, alone))
    assert agreed < 0.2
    assert agrees > 0.5


@pytest.mark.parametrize("name", [name for name in NAMES if RECIPES[name].is_teachable])
def test_every_teachable_model_learns_something_else_with_a_teacher(name):
    changes = {"epochs": 2, "embedding_size": 8}
    alone, student = trained(name, PAST, **changes).scorer(), taught_by(Stubborn(), name, **changes)
    assert not np.allclose(alone.score(PEOPLE)[:, 1:], student.score(PEOPLE)[:, 1:], atol=1e-3)
