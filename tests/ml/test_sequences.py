import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recommender.ml.sequences import (
    Cutting,
    Sequences,
    batches,
    cooccurrence,
    cut_chunks,
    ppmi_vectors,
)
from tests.ml.planted import world


def sequences_of(*lengths):
    """Build one user after the other; items count up through all of them."""
    starts = np.cumsum([0, 0, *lengths])
    n = int(starts[-1])
    numbers = np.arange(1, n + 1)
    return Sequences(
        items=numbers,
        weights=numbers.astype(np.float32),
        gaps=numbers % 5,
        kinds=numbers % 3,
        values=numbers.astype(np.float32),
        starts=starts,
    )


def test_sequences_are_positives_in_order_of_time():
    events = [(2, 3, 5), (1, 1, 9), (1, 2, 4), (1, 3, 1, 0.0)]
    sequences = Sequences.of(world(events, n_users=2, n_items=3))
    assert sequences.items.tolist() == [2, 1, 3]
    assert sequences.starts.tolist() == [0, 0, 2, 3]


def test_a_repeated_item_stands_once_as_serving_reads_it():
    events = [(1, 1, 1, 2.0), (1, 2, 2), (1, 1, 3, 1.0)]
    sequences = Sequences.of(world(events, n_users=1, n_items=2))
    assert sequences.items.tolist() == [2, 1]
    assert sequences.weights.tolist() == [1.0, 2.0]


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(1, 12), st.integers(0, 99))
def test_chunks_hold_every_event_once_and_stay_short(lengths, length, seed):
    sequences = sequences_of(*lengths)
    chunks = cut_chunks(sequences, length, np.random.default_rng(seed))
    covered = [place for _, start, end in chunks.tolist() for place in range(start, end)]
    assert covered == list(range(sum(lengths)))
    assert all(1 <= end - start <= length for _, start, end in chunks.tolist())


def test_cuts_move_from_epoch_to_epoch():
    rng = np.random.default_rng(1)
    cuts = {tuple(cut_chunks(sequences_of(30), 10, rng)[:, 1]) for _ in range(20)}
    assert len(cuts) > 5


@given(st.lists(st.integers(0, 30), max_size=8), st.integers(1, 60), st.integers(0, 99))
def test_an_epoch_has_every_event_as_target_once(lengths, batch_size, seed):
    sequences = sequences_of(*lengths)
    epoch = list(batches(sequences, Cutting(7, batch_size), np.random.default_rng(seed)))
    targets = np.concatenate([[], *(batch.targets[batch.targets > 0] for batch in epoch)])
    assert sorted(targets) == sequences.items.tolist()
    assert sum(batch.n_targets for batch in epoch) == sum(lengths)
    assert all(batch.targets.size <= max(batch_size, 7) for batch in epoch)


def test_inputs_are_the_targets_shifted_behind_the_start():
    (batch,) = batches(sequences_of(3, 1), Cutting(5, 100), np.random.default_rng(1))
    row = batch.users.tolist().index(1)
    assert batch.targets[row].tolist() == [1, 2, 3]
    assert batch.inputs[row].tolist() == [0, 1, 2]
    assert batch.input_weights[row].tolist() == [0, 1, 2]
    assert batch.weights[row].tolist() == [1, 2, 3]
    assert batch.targets[1 - row].tolist() == [4, 0, 0]


def test_a_horizon_draws_targets_from_the_next_events_only():
    seen = {place: set() for place in range(4)}
    for seed in range(60):
        (batch,) = batches(sequences_of(4), Cutting(5, 100, horizon=2), np.random.default_rng(seed))
        assert batch.inputs[0].tolist() == [0, 1, 2, 3]
        assert batch.weights[0].tolist() == batch.targets[0].tolist()  # the target's own weight
        for place, target in enumerate(batch.targets[0].tolist()):
            seen[place].add(target)
    assert seen == {0: {1, 2}, 1: {2, 3}, 2: {3, 4}, 3: {4}}


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(2, 9), st.integers(0, 99))
def test_a_horizon_never_leaves_the_users_own_events(lengths, horizon, seed):
    cutting = Cutting(6, 30, horizon)
    for batch in batches(sequences_of(*lengths), cutting, np.random.default_rng(seed)):
        edges = np.cumsum([0, 0, *lengths])
        for row, user in enumerate(batch.users.tolist()):
            real = batch.targets[row][batch.targets[row] > 0]
            assert ((real > edges[user]) & (real <= edges[user + 1])).all()


def test_cooccurrence_counts_both_ways_inside_the_window_and_the_user():
    events = [(1, 1, 0), (1, 2, 1), (1, 3, 2), (2, 1, 3), (2, 2, 4)]
    counts = cooccurrence(Sequences.of(world(events, 2, 3)), 3, window=1).toarray()
    assert counts.tolist() == [[0, 0, 0, 0], [0, 0, 2, 0], [0, 2, 0, 1], [0, 0, 1, 0]]


def ppmi_by_hand(counts):
    total, level = counts.sum(), counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.log(counts * total / np.outer(level, level))
    return np.where(counts > 0, np.maximum(information, 0), 0)


def test_vectors_of_full_rank_rebuild_the_information_between_items():
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 5, (7, 7)).astype(float)
    counts = counts + counts.T
    counts[0], counts[:, 0] = 0, 0
    vectors = ppmi_vectors(sparse.csr_matrix(counts), 6, rng)
    left, strength, _ = np.linalg.svd(ppmi_by_hand(counts))
    expected = (left[:, :6] * strength[:6]) @ left[:, :6].T
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-4)
    assert not vectors[0].any()


def test_a_large_matrix_takes_the_sparse_way_to_the_same_vectors():
    rng = np.random.default_rng(1)
    counts = sparse.random(450, 450, 0.05, format="csr", random_state=1)
    counts = counts + counts.T
    vectors = ppmi_vectors(counts, 4, rng)
    left, strength, _ = np.linalg.svd(ppmi_by_hand(counts.toarray()))
    expected = left[:, :4] * np.sqrt(strength[:4])
    np.testing.assert_allclose(np.abs(vectors), np.abs(expected), atol=1e-3)
    again = ppmi_vectors(counts, 4, np.random.default_rng(1))
    np.testing.assert_allclose(vectors, again, atol=1e-5)


def test_nothing_together_gives_zero_vectors():
    assert not ppmi_vectors(sparse.csr_matrix((5, 5)), 3, np.random.default_rng(1)).any()
