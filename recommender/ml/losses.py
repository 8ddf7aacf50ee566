"""Score how well user vectors pick out the right items: pure functions of tensors."""

import torch
from torch import Tensor
from torch.nn import functional

NEVER = -1e4  # logit of what is not to be chosen; −∞ would make gradients of empty sums NaN


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


def taught_softmax(listed: Tensor, rest: Tensor, shares: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean cross-entropy from a teacher's softmax to the student's.

    Args:
        listed: the student's logits of the items that the teacher listed, shape (P, T).
        rest: log-sum-exp of its logits over all other items it chooses from, shape (P,).
        shares: of the listed items in the teacher's softmax, shape (P, T); 0 where none is listed.
            What is left to 1 belongs to all the others together.
        weights: strength of each position, shape (P,).
    Source: Hinton et al. 2015 (arXiv 1503.02531), section 2, at temperature 1. Differs: beyond the
        first items the teacher's softmax is one sum; to leave it out would teach that nothing
        else is ever taken.
    """
    own = torch.logsumexp(listed.masked_fill(shares == 0, NEVER), dim=1)
    total = torch.logaddexp(own, rest)
    left = (1 - shares.sum(dim=1)).clamp_min(0)
    losses = (shares * (total.unsqueeze(1) - listed)).sum(dim=1) + left * (total - rest)
    return weighted_mean(losses, weights)


def full_softmax(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean cross-entropy over all items; logits (P, M+1), targets (P,)."""
    losses = functional.cross_entropy(logits, targets, reduction="none")
    return weighted_mean(losses, weights)


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Return Σ w·loss / Σ w; an event of weight 0 teaches nothing."""
    return (losses * weights).sum() / weights.sum().clamp_min(1e-9)
