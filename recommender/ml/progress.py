"""What training reports while it runs, and how it fails."""

from dataclasses import dataclass


class TrainingError(Exception):
    """Say that training cannot go on, and what to change."""


@dataclass(frozen=True)
class EpochRecord:
    """Report one finished epoch."""

    epoch: int  # 1..epochs
    epochs: int  # planned; early stopping may end sooner
    loss: float | None  # None: this model minimizes none
    validation_loss: float | None  # mean −log share of the later items, over all items
    validation: float | None  # NDCG@10 on the later window
    examples_per_s: float
