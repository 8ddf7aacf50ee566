"""Turn events into what models learn from: chunks of a sequence, co-occurrence vectors."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from recommender.ml.evaluation import histories_of
from recommender.ml.interactions import FloatArray, IntArray, Interactions
from recommender.ml.tokens import gap_buckets

DENSE_LIMIT = 400  # below this many rows a full decomposition is faster and always converges


@dataclass(frozen=True)
class Sequences:
    """Hold every user's positive events, oldest first, one user after the other; an item once."""

    items: IntArray  # (N,)
    weights: FloatArray  # (N,)
    gaps: IntArray  # (N,) bucket of the pause before the event
    kinds: IntArray  # (N,) slot of the event's type
    values: FloatArray  # (N,) rating, NaN when none
    starts: IntArray  # (U+2,) user u owns starts[u] : starts[u+1]

    @classmethod
    def of(cls, data: Interactions) -> "Sequences":
        """Group the positives of `data` by user, exactly as a scorer will read them."""
        histories = histories_of(data, np.arange(data.n_users + 1))
        kinds = [h.kinds for h in histories if h.kinds is not None]
        return cls(
            items=np.concatenate([h.items for h in histories]).astype(np.int64),
            weights=np.concatenate([h.weights for h in histories]).astype(np.float32),
            gaps=np.concatenate([gap_buckets(h.times) for h in histories]),
            kinds=np.concatenate(kinds),
            values=np.concatenate([h.values for h in histories]).astype(np.float32),
            starts=np.cumsum([0, *(len(h.items) for h in histories)]),
        )


@dataclass(frozen=True)
class Batch:
    """Hold chunks of sequences, padded right: position p of `inputs` is to predict targets[p].

    The first input is 0, the start of a history; so even an empty history has a position. What
    describes an input is 0 (a value NaN) where there is no event.
    """

    users: IntArray  # (B,)
    inputs: IntArray  # (B, L) item numbers, 0 at the start and behind the end
    input_weights: FloatArray  # (B, L)
    input_gaps: IntArray  # (B, L)
    input_kinds: IntArray  # (B, L)
    input_values: FloatArray  # (B, L)
    targets: IntArray  # (B, L) 0 behind the end
    weights: FloatArray  # (B, L) strength of the target, 0 behind the end
    places: IntArray  # (B, L) where in `Sequences` the event after the inputs stands

    @property
    def n_targets(self) -> int:
        """Count the positions that have something to predict."""
        return int((self.targets > 0).sum())


def cut_chunks(sequences: Sequences, length: int, rng: np.random.Generator) -> IntArray:
    """Cut every sequence into chunks of at most `length`, the first cut at a random place.

    Returns: (chunks, 3) user, start, end; together they hold every event exactly once, so each
        event is a target once an epoch, behind a different length of context each time.
    """
    users, starts, ends = [], [], []
    for user in np.flatnonzero(np.diff(sequences.starts)):
        low, high = int(sequences.starts[user]), int(sequences.starts[user + 1])
        first = high if high - low <= length else low + int(rng.integers(1, length + 1))
        edges = [low, *range(first, high, length), high]
        users += [int(user)] * (len(edges) - 1)
        starts += edges[:-1]
        ends += edges[1:]
    return np.array([users, starts, ends], np.int64).reshape(3, -1).T


@dataclass(frozen=True)
class Cutting:
    """Set how an epoch's batches are cut."""

    length: int  # most events in a chunk
    batch_size: int  # positions in a batch, padding counted
    horizon: int = 1  # a target is drawn from this many next events; 1 = always the next


def batches(sequences: Sequences, cutting: Cutting, rng: np.random.Generator) -> Iterator[Batch]:
    """Yield one epoch: chunks of like length together, targets up to `horizon` events ahead."""
    chunks = cut_chunks(sequences, cutting.length, rng)
    sizes = chunks[:, 2] - chunks[:, 1]
    order = np.lexsort((rng.random(len(chunks)), sizes))  # like length, chance inside
    groups: list[list[int]] = []
    group: list[int] = []
    widest = 0
    for place in order:
        widest = max(widest, int(sizes[place]))
        if group and widest * (len(group) + 1) > cutting.batch_size:
            groups.append(group)
            group, widest = [], int(sizes[place])
        group.append(int(place))
    groups += [group] if group else []
    for chosen in rng.permutation(len(groups)):
        yield _ahead(_padded(sequences, chunks[groups[chosen]]), cutting.horizon, rng)


def _ahead(batch: Batch, horizon: int, rng: np.random.Generator) -> Batch:
    """Let each position aim at one of its next `horizon` events (Pancha et al. 2022, dense loss).

    What a person takes within a visit is wanted, in whatever order it comes.
    """
    if horizon <= 1:
        return batch
    left = (batch.targets > 0).sum(axis=1, keepdims=True) - np.arange(batch.targets.shape[1])
    steps = np.floor(rng.random(batch.targets.shape) * np.clip(left, 1, horizon)).astype(np.int64)
    aims = np.arange(batch.targets.shape[1]) + steps
    return replace(
        batch,
        targets=np.take_along_axis(batch.targets, aims, axis=1),
        weights=np.take_along_axis(batch.weights, aims, axis=1),
    )


def _padded(sequences: Sequences, chunks: IntArray) -> Batch:
    width = int((chunks[:, 2] - chunks[:, 1]).max())
    places = chunks[:, 1:2] + np.arange(width)  # (B, L)
    is_target = places < chunks[:, 2:]
    places = np.where(is_target, places, 0)
    is_input = np.zeros_like(is_target)
    is_input[:, 1:] = is_target[:, 1:]
    before = np.where(is_input, places - 1, 0)
    return Batch(
        users=chunks[:, 0],
        inputs=np.where(is_input, sequences.items[before], 0),
        input_weights=np.where(is_input, sequences.weights[before], np.float32(0)),
        input_gaps=np.where(is_input, sequences.gaps[before], 0),
        input_kinds=np.where(is_input, sequences.kinds[before], 0),
        input_values=np.where(is_input, sequences.values[before], np.float32(np.nan)),
        targets=np.where(is_target, sequences.items[places], 0),
        weights=np.where(is_target, sequences.weights[places], np.float32(0)),
        places=places,
    )


def cooccurrence(sequences: Sequences, n_items: int, window: int) -> sparse.csr_matrix:
    """Count how often two items lie within `window` events of one user; (M+1, M+1), symmetric."""
    user = np.repeat(np.arange(len(sequences.starts) - 1), np.diff(sequences.starts))
    shape = (n_items + 1, n_items + 1)
    counts = sparse.csr_matrix(shape, dtype=np.float64)
    for distance in range(1, window + 1):
        if distance >= len(sequences.items):
            break
        together = user[distance:] == user[:-distance]
        left = sequences.items[:-distance][together]
        right = sequences.items[distance:][together]
        pairs = sparse.coo_matrix((np.ones(len(left)), (left, right)), shape=shape).tocsr()
        counts = counts + pairs + pairs.T
    counts.setdiag(0)
    counts.eliminate_zeros()
    return counts


def ppmi_vectors(counts: sparse.csr_matrix, dimension: int, rng: np.random.Generator) -> FloatArray:
    """Factor positive pointwise mutual information: rows whose products approximate it.

    Levy & Goldberg 2014: word2vec's negative sampling factors the same matrix. Rows of items that
    never occur are zero; columns beyond the rank are zero.

    Returns: (M+1, dimension) float32.
    """
    total = counts.sum()
    vectors = np.zeros((counts.shape[0], dimension), np.float32)
    if total == 0:
        return vectors
    pairs = counts.tocoo()
    level = np.asarray(counts.sum(axis=1)).ravel()
    information = np.log(pairs.data * total / (level[pairs.row] * level[pairs.col]))
    kept = information > 0
    ppmi = sparse.csr_matrix(
        (information[kept], (pairs.row[kept], pairs.col[kept])), shape=counts.shape
    )
    rank = min(dimension, counts.shape[0] - 1)
    if counts.shape[0] <= max(DENSE_LIMIT, 2 * dimension):
        left, strength, _ = np.linalg.svd(ppmi.toarray())
        left, strength = left[:, :rank], strength[:rank]
    else:
        left, strength, _ = svds(ppmi, k=rank, v0=rng.standard_normal(counts.shape[0]))
    order = np.argsort(-strength)
    vectors[:, :rank] = left[:, order] * np.sqrt(strength[order])
    # A singular vector's sign is arbitrary: fix it, so that two runs give the same numbers.
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(dimension)])
    return vectors * np.where(signs == 0, 1, signs).astype(np.float32)
