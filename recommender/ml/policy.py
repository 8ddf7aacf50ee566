"""Draw a list, and say exactly how likely each of its places was.

`deterministic_draw` serves the best list, always. `draw` is the Plackett–Luce mixture: one
contender is chosen with its weight α, then the list is drawn from its logits place by place. The
probabilities are those of the whole mixture, not of the contender that happened to be chosen, so
one log serves the estimate of every contender.

C candidates, m contenders, k places. A candidate is named by its place in the logged arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.ml.interactions import BoolArray, FloatArray, IntArray
from recommender.ml.topk import top_k

# Given the places drawn so far, mark the candidates that may not come next.
Rule = Callable[[IntArray], BoolArray]
Masks = Sequence[IntArray]


@dataclass(frozen=True)
class Mixture:
    """What a list is drawn from; exactly what the slate logs, so a replay can be bit-exact."""

    logits: FloatArray  # (m, C) float32, each z = score / (τ · sd of the scores)
    alphas: FloatArray  # (m,) weights that sum to 1

    def __post_init__(self) -> None:
        """Refuse weights that are no distribution, and logits that are not finite."""
        if self.logits.ndim != 2 or len(self.logits) != len(self.alphas):
            shape = self.logits.shape
            raise ValueError(f"logits of shape {shape} for {len(self.alphas)} weights; need (m, C)")
        if np.any(self.alphas < 0) or abs(float(np.sum(self.alphas)) - 1) > 1e-9:
            raise ValueError(f"the weights {list(self.alphas)} do not sum to 1")
        if self.logits.dtype != np.float32 or not np.all(np.isfinite(self.logits)):
            raise ValueError("logits must be finite float32, since that is what the log keeps")

    @property
    def n_candidates(self) -> int:
        """Return C."""
        return int(self.logits.shape[1])


@dataclass(frozen=True)
class Draw:
    """A drawn list with the chance of each place, given the higher places and all together."""

    order: IntArray  # (k,) places in the candidate array, best first
    p_cond: FloatArray  # (k,) P(this item | the items above it)
    log_p_prefix: FloatArray  # (k,) log P(the list down to here)
    component: int  # which contender was drawn: for audit, never for training
    masks: tuple[IntArray, ...]  # per step, the candidates that a rule took out


def contender_logits(scores: FloatArray, tau: float) -> FloatArray:
    """Return z = s / (τ · sd(s)) as float32; equal scores give zeros, the uniform contender.

    Raises: ValueError unless τ > 0.
    """
    if tau <= 0:
        raise ValueError(f"tau is {tau}; expected a temperature above 0")
    deviation = float(np.std(scores))
    if deviation <= 0:
        return np.zeros(len(scores), dtype=np.float32)
    centered = (scores - np.mean(scores)) / (tau * deviation)
    return np.asarray(centered, dtype=np.float32)


def deterministic_draw(scores: FloatArray, k: int) -> Draw:
    """Return the k best candidates, with probability 1 at each place; no randomness is spent."""
    padded = np.concatenate([[-np.inf], scores])
    numbers = top_k(padded, k)
    order = numbers[numbers > 0] - 1
    return Draw(order, np.ones(len(order)), np.zeros(len(order)), component=0, masks=())


def draw(mixture: Mixture, k: int, seed: int, rule: Rule | None = None) -> Draw:
    """Draw k places: by Gumbel-top-k (Kool et al. 2019), or step by step where a rule masks.

    A rule may let a candidate back in, so each of its steps takes argmax of z + fresh Gumbel noise
    over what is left: an exact softmax draw whatever the rule did before. Without a rule one noise
    vector has the same law, and a longer draw of the same seed begins with the shorter one.

    Args:
        seed: ≥ 0; the same seed, logits, weights and rule give the same bits.
        rule: takes candidates out depending on the places already drawn (category caps). When
            nothing is left the list ends early.
    """
    component, noise = _randomness(mixture, 1 if rule is None else k, seed)
    z = mixture.logits[component].astype(np.float64)
    if rule is None:
        best_first = np.argsort(-(z + noise[0]), kind="stable")[:k]
        return _described(mixture, best_first, component, ())
    taken = np.zeros(mixture.n_candidates, dtype=np.bool_)
    order: list[int] = []
    masks: list[IntArray] = []
    for step in range(min(k, mixture.n_candidates)):
        out = rule(np.array(order, dtype=np.int64))
        masks.append(np.flatnonzero(out & ~taken))
        if np.all(out | taken):
            break
        best = int(np.argmax(np.where(out | taken, -np.inf, z + noise[step])))
        order.append(best)
        taken[best] = True
    places = np.array(order, dtype=np.int64)
    return _described(mixture, places, component, tuple(masks[: len(order)]))


def replay(mixture: Mixture, k: int, seed: int, masks: Masks) -> Draw:
    """Draw again from what the slate logged: its masks stand in for the rule."""
    if not len(masks):
        return draw(mixture, k, seed)

    def logged(order: IntArray) -> BoolArray:
        out = np.zeros(mixture.n_candidates, dtype=np.bool_)
        if len(order) < len(masks):
            out[masks[len(order)]] = True
        else:
            out[:] = True  # the logged list ended here
        return out

    return draw(mixture, k, seed, logged)


def prefix_probabilities(mixture: Mixture, order: IntArray, masks: Masks = ()) -> FloatArray:
    """Return (k,) log P(a_1..a_j) of any list under the mixture, by the closed formula.

    P(a_1..a_k) = Σ_m α_m ∏_{j≤k} e^{z^m(a_j)} / Σ_{i left at j} e^{z^m(i)}.
    """
    z = mixture.logits.astype(np.float64)  # (m, C)
    logs = z[:, order] - _log_open(z, order, masks)  # (m, k) log chance of each step
    with np.errstate(divide="ignore"):
        weights = np.log(mixture.alphas)
    return _log_sum((np.cumsum(logs, axis=1) + weights[:, None]).T)


def _log_open(z: FloatArray, order: IntArray, masks: Masks) -> FloatArray:
    """Return (m, k) log Σ e^z over what each step could still choose from."""
    left = np.ones(z.shape[1], dtype=np.bool_)
    if not len(masks):
        left[order] = False
        backwards = np.concatenate([z[:, left], z[:, order[::-1]]], axis=1)
        summed = np.logaddexp.accumulate(backwards, axis=1)[:, ::-1]
        return np.asarray(summed[:, : len(order)])
    sums = np.empty((len(z), len(order)))
    for step, place in enumerate(order):
        open_now = left.copy()
        if step < len(masks):
            open_now[masks[step]] = False
        sums[:, step] = _log_sum(z[:, open_now])
        left[place] = False
    return sums


def _described(
    mixture: Mixture, places: IntArray, component: int, masks: tuple[IntArray, ...]
) -> Draw:
    prefix = prefix_probabilities(mixture, places, masks)
    conditional = np.exp(np.diff(prefix, prepend=0.0))
    return Draw(places, np.minimum(conditional, 1.0), prefix, component, masks)


def _randomness(mixture: Mixture, k: int, seed: int) -> tuple[int, FloatArray]:
    """Return the contender drawn and (k, C) Gumbel noise, from plain uniforms of one generator."""
    rng = np.random.default_rng(seed)
    edges = np.cumsum(mixture.alphas)
    drawn = int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))
    component = min(drawn, len(edges) - 1)
    uniform = np.maximum(rng.random((k, mixture.n_candidates)), 1e-300)
    return component, -np.log(-np.log(uniform))


def _log_sum(rows: FloatArray) -> FloatArray:
    """Return log Σ exp over the last axis."""
    highest = rows.max(axis=-1, keepdims=True)
    summed = np.log(np.exp(rows - highest).sum(axis=-1))
    return np.asarray(summed + highest[..., 0])
