"""Average the events before each position: once all alike, once the recent ones more."""

import torch
from torch import Tensor, nn
from torch.nn import functional

START = -1.0  # softplus of it: an event counts exp(−0.31) of the one after it, at first


class Pooling(nn.Module):
    """Weigh events by strength and, in the fading mean, by how many events ago they were."""

    def __init__(self) -> None:
        """Start with a fading that training moves."""
        super().__init__()
        self.fading = nn.Parameter(torch.tensor(START))

    def forward(self, vectors: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return (even, fading) means before each of the L+1 positions, (B, L+1, D) each.

        Args:
            vectors: item vectors of the events, shape (B, L, D).
            weights: their strengths, 0 where padded, shape (B, L).
        """
        place = torch.arange(vectors.shape[1] + 1, device=vectors.device)
        age = (place.unsqueeze(1) - 1 - place[:-1].unsqueeze(0)).float()  # (L+1, L), ≥ 0: before
        is_before = (age >= 0).float()
        fading = torch.exp(-functional.softplus(self.fading) * age.clamp_min(0)) * is_before
        return _means(is_before, weights, vectors), _means(fading, weights, vectors)


def _means(shares: Tensor, weights: Tensor, vectors: Tensor) -> Tensor:
    """Return (B, L+1, D) weighted means; zero before the first event."""
    strengths = shares.unsqueeze(0) * weights.unsqueeze(1)  # (B, L+1, L)
    means: Tensor = (strengths @ vectors) / strengths.sum(-1, keepdim=True).clamp_min(1e-6)
    return means
