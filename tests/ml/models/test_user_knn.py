import json

import numpy as np
from scipy import sparse

from recommender.ml.models.user_knn import UserKNNConfig, kept_people
from recommender.ml.topk import mask_seen, top_k
from tests.ml.planted import planted, world
from tests.ml.scorers.given import history
from tests.ml.small import context_for, trained

MATRIX = sparse.csr_matrix(
    [[0, 0, 0, 0], [0, 1, 3, 2], [0, 1, 0, 0], [0, 0, 0, 0], [0, 5, 0, 5]], dtype=float
)


def test_the_most_active_people_are_kept_with_their_strongest_items():
    kept = kept_people(MATRIX, UserKNNConfig(max_users=2, row_length=2)).toarray()
    assert kept.tolist() == [[0, 0, 3, 2], [0, 5, 0, 5]]


def test_everybody_who_did_something_is_kept_where_there_is_room():
    kept = kept_people(MATRIX, UserKNNConfig()).toarray()
    assert kept.tolist() == [[0, 1, 3, 2], [0, 1, 0, 0], [0, 5, 0, 5]]


def test_what_two_kinds_of_people_like_is_not_mixed():
    """Odd users take items 1 to 4, even ones 5 to 8; everybody misses one."""
    events = [
        (user, item, user + item)
        for user in range(1, 21)
        for item in (range(1, 5) if user % 2 else range(5, 9))
        if item % 4 != user % 4
    ]
    scorer = trained("user_knn", world(events, 20, 8)).scorer()
    pasts = [[1, 2], [5, 6]]
    scores = scorer.score([history(past) for past in pasts])
    lists = top_k(mask_seen(scores, [np.array(past) for past in pasts]), 2)
    assert [sorted(row) for row in lists.tolist()] == [[3, 4], [7, 8]]


def test_one_new_event_moves_the_list_without_retraining():
    scorer = trained("user_knn", planted(rated=False)).scorer()
    before, after = scorer.score([history([3, 6]), history([3, 6, 1, 4])])
    of_one, of_zero = np.arange(7, 31, 3), np.arange(9, 31, 3)
    assert (after[of_one] - before[of_one]).mean() > (after[of_zero] - before[of_zero]).mean()


def test_the_artifact_names_nobody_whose_history_it_holds(tmp_path):
    data = planted(n_users=12)
    trained("user_knn", data, max_users=5).export(tmp_path / "v1", context_for(data))
    assert len(np.load(tmp_path / "v1" / "people_starts.npy")) == 6
    numbers = json.loads((tmp_path / "v1" / "manifest.json").read_bytes())["scoring"]
    assert set(numbers) == {"n_neighbors", "shrinkage", "half_life_days", "history_length"}
