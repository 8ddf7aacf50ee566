import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.losses import full_softmax, sampled_softmax, taught_softmax, weighted_mean


def loss_of(positive, negative, *, log_q=None, hits=None, weights=None):
    positive, negative = torch.tensor(positive), torch.tensor(np.array(negative))
    n, k = negative.shape
    return float(
        sampled_softmax(
            positive,
            negative,
            torch.zeros(k) if log_q is None else torch.tensor(log_q),
            torch.zeros(n, k, dtype=torch.bool) if hits is None else torch.tensor(hits),
            torch.ones(n) if weights is None else torch.tensor(weights),
        )
    )


def test_equal_logits_cost_the_log_of_their_number():
    assert math.isclose(loss_of([0.0], [[0.0, 0.0, 0.0]]), math.log(4), rel_tol=1e-6)


def test_an_accidental_hit_does_not_count_against_itself():
    with_hit = loss_of([0.0], [[0.0, 0.0]], hits=[[True, False]])
    assert math.isclose(with_hit, math.log(2), rel_tol=1e-6)


def test_only_hits_leave_nothing_to_lose():
    assert loss_of([0.0], [[0.0]], hits=[[True]]) == 0


def test_an_often_drawn_negative_counts_less():
    # logit 0 less log 2 counts as 1/2: −log(1 / (1 + 1/2))
    assert math.isclose(loss_of([0.0], [[0.0]], log_q=[math.log(2)]), math.log(1.5), rel_tol=1e-6)


def test_an_event_of_weight_zero_teaches_nothing():
    both = loss_of([0.0, 5.0], [[0.0], [9.0]], weights=[1.0, 0.0])
    assert math.isclose(both, math.log(2), rel_tol=1e-6)


def test_weights_are_a_mean():
    assert weighted_mean(torch.tensor([1.0, 4.0]), torch.tensor([3.0, 1.0])) == 7 / 4


def test_no_weight_at_all_is_zero_not_nan():
    assert weighted_mean(torch.tensor([1.0]), torch.tensor([0.0])) == 0


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8), st.integers(0, 7))
def test_drawing_every_item_once_is_the_full_softmax(logits, place):
    place %= len(logits)
    row = torch.tensor([logits])
    exact = float(full_softmax(row, torch.tensor([place]), torch.ones(1)))
    hits = [[number == place for number in range(len(logits))]]
    assert math.isclose(loss_of([logits[place]], [logits], hits=hits), exact, abs_tol=1e-4)


def test_the_correction_makes_sampling_unbiased():
    rng = np.random.default_rng(1)
    logits, share = np.array([1.0, 0.0, -1.0, 2.0]), np.array([0.0, 0.7, 0.2, 0.1])
    exact = -math.log(math.exp(1) / np.exp(logits).sum())
    drawn = rng.choice(4, (1, 20_000), p=share)[0]
    log_q = np.log(20_000 * share[drawn])
    assert math.isclose(loss_of([1.0], [logits[drawn]], log_q=log_q), exact, abs_tol=0.02)


def taught(logits, shares, rest, weights=(1.0,)):
    return float(taught_softmax(*(torch.tensor(each) for each in (logits, rest, shares, weights))))


def test_a_teachers_softmax_is_met_at_the_cost_of_its_entropy():
    """Worked by hand: the teacher gives 1/2 and 1/4, and 1/4 to all others together."""
    entropy = 0.5 * math.log(2) + 2 * 0.25 * math.log(4)
    logits, rest = [[math.log(2), 0.0]], [0.0]  # of 2 + 1 + 1
    assert math.isclose(taught(logits, [[0.5, 0.25]], rest), entropy, rel_tol=1e-5)
    turned = 0.25 * math.log(2) + 0.5 * math.log(4) + 0.25 * math.log(4)
    assert math.isclose(taught(logits, [[0.25, 0.5]], rest), turned, rel_tol=1e-5)


def test_a_place_in_the_list_without_a_share_is_no_item():
    assert math.isclose(taught([[0.0, 9.0]], [[0.5, 0.0]], [0.0]), math.log(2), rel_tol=1e-5)


def test_positions_without_strength_are_not_taught():
    loss = taught([[0.0], [-9.0]], [[1.0], [1.0]], [0.0, 7.0], (1.0, 0.0))
    assert math.isclose(loss, math.log(2), rel_tol=1e-5)
