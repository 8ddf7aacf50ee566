"""Score how well user vectors pick out the right items: pure functions of tensors."""

import torch
from torch import Tensor
from torch.nn import functional


def sampled_softmax(
    positive: Tensor, negative: Tensor, log_q: Tensor, is_hit: Tensor, weights: Tensor
) -> Tensor:
    """Return the weighted mean of −log softmax over the positive and shared negatives.

    Args:
        positive: logits of the right items, shape (P,).
        negative: logits of the batch's negatives, shape (P, K).
        log_q: log of the expected number of times each negative is drawn, shape (K,): taken off
            its logit, so that popular items, drawn more often, are not pushed down for it.
        is_hit: negatives that are the position's own positive, shape (P, K): left out.
        weights: strength of each positive, shape (P,).
    Source: Bengio & Senécal 2008, sampling with logQ correction; shared negatives as Yi et al.
        2019 (sampling-bias-corrected neural modeling). Differs: the positive is in the sum with
        certainty, so its own logit is not corrected (Klenitskiy & Vasilev 2025, arXiv 2507.09331).
    """
    corrected = (negative - log_q).masked_fill(is_hit, -torch.inf)  # (P, K)
    total = torch.logaddexp(positive, torch.logsumexp(corrected, dim=1))  # (P,)
    return weighted_mean(total - positive, weights)


def taught_softmax(logits: Tensor, total: Tensor, shares: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean cross-entropy from a teacher's softmax to the student's.

    Args:
        logits: the student's logits of the items that the teacher listed, shape (P, T).
        total: log-sum-exp of the student's logits over all items it chooses from, shape (P,).
        shares: the teacher's softmax over its items, shape (P, T).
        weights: strength of each position, shape (P,).
    Source: Hinton et al. 2015 (arXiv 1503.02531), section 2, at temperature 1.
    """
    return weighted_mean((shares * (total.unsqueeze(1) - logits)).sum(dim=1), weights)


def full_softmax(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean cross-entropy over all items; logits (P, M+1), targets (P,)."""
    losses = functional.cross_entropy(logits, targets, reduction="none")
    return weighted_mean(losses, weights)


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Return Σ w·loss / Σ w; an event of weight 0 teaches nothing."""
    return (losses * weights).sum() / weights.sum().clamp_min(1e-9)
