"""Run the epochs of a torch model: one-cycle rate, clipping, early stop, stop on request."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from recommender.ml.progress import EpochRecord, TrainingError
from recommender.ml.sequences import Batch

START_DIVISOR = 25.0  # one-cycle: the first rate is this much below the highest
END_SHARE = 1e-3  # and the last is this share of it
SETTLING_RATE = 1e-2
SETTLING_EPOCHS = 3  # at least; a small catalog needs more of them
SETTLING_STEPS = 60
TOLERANCE = 0.01  # share of the validation loss that is noise, not overfitting


@dataclass(frozen=True)
class Schedule:
    """Set how long and how fast to learn."""

    epochs: int
    learning_rate: float  # the highest
    weight_decay: float
    warmup_share: float = 0.1
    clip: float = 1.0
    patience: int = 6  # epochs without a better validation before stopping


@dataclass(frozen=True)
class Lesson:
    """Hold what one training needs: where batches come from, their loss, and how it is judged."""

    batches: Callable[[], Sequence[Batch]]  # one epoch, drawn anew each time
    loss: Callable[[Batch], Tensor]
    judge: Callable[[], tuple[float | None, float | None]]  # (validation loss, NDCG@10)


def run_epochs(
    module: nn.Module, lesson: Lesson, schedule: Schedule, should_stop: Callable[[], bool]
) -> Iterator[EpochRecord]:
    """Train `module` in place and yield after each epoch; at the end it holds the best epoch.

    The best epoch is the last whose validation loss lies within 1 % of the lowest; without
    validation, the last. The loss, not NDCG: over a hundred users NDCG@10 is ±.03 of noise. The
    last, not the lowest: the rate falls to the end, so unless a model plainly overfits its later
    epochs are better, and over few users the lowest loss falls on epochs long before by chance.
    A stop request is seen before the next batch; the unfinished epoch is then dropped if a better
    one is known.
    """
    optimizer = _optimizer(module, schedule)
    lowest, best_epoch = math.inf, 0
    best: dict[str, Tensor] | None = None
    try:
        for epoch in range(1, schedule.epochs + 1):
            began = time.perf_counter()
            done = _one_epoch(module, optimizer, lesson, (epoch, schedule), should_stop)
            if done is None:
                break
            loss, n_targets = done
            spent = time.perf_counter() - began
            module.eval()
            validation_loss, ndcg = lesson.judge()
            if validation_loss is not None and validation_loss <= lowest * (1 + TOLERANCE):
                best, best_epoch = _copy(module), epoch
                lowest = min(lowest, validation_loss)
            yield EpochRecord(
                epoch, schedule.epochs, loss, validation_loss, ndcg, n_targets / max(spent, 1e-9)
            )
            if best is not None and epoch - best_epoch >= schedule.patience:
                break
    finally:
        module.eval()
        if best is not None:
            module.load_state_dict(best)


def run_settling(
    learned: Sequence[nn.Parameter], lesson: Lesson, rows: Tensor, should_stop: Callable[[], bool]
) -> None:
    """Learn only these rows of the parameters; everything else stays to the last bit.

    The module is in evaluation mode: nothing is dropped, and what it reads is not changed.
    """
    optimizer = torch.optim.Adam(learned, lr=SETTLING_RATE, betas=(0.9, 0.98))
    others = torch.ones(len(learned[0]), dtype=torch.bool, device=rows.device)
    others[rows] = False
    drawn = lesson.batches()
    n_epochs = max(SETTLING_EPOCHS, math.ceil(SETTLING_STEPS / max(len(drawn), 1)))
    for epoch in range(n_epochs):
        drawn = lesson.batches() if epoch else drawn
        for place, batch in enumerate(drawn):
            if should_stop():
                return
            progress = (epoch + place / len(drawn)) / n_epochs
            for group in optimizer.param_groups:
                group["lr"] = SETTLING_RATE * one_cycle(progress, 0.1)
            loss = lesson.loss(batch)
            for parameter, gradient in zip(
                learned, torch.autograd.grad(loss, learned), strict=True
            ):
                parameter.grad = gradient.masked_fill(
                    others.view(-1, *[1] * (gradient.ndim - 1)), 0.0
                )
            optimizer.step()
    for parameter in learned:
        parameter.grad = None


def one_cycle(progress: float, warmup_share: float) -> float:
    """Return the share of the highest rate at `progress` in [0, 1]: cosine up, then cosine down.

    Source: Smith & Topin 2017 (arXiv 1708.07120), as torch's OneCycleLR anneals.

    >>> round(one_cycle(0.0, 0.1), 3), one_cycle(0.1, 0.1), round(one_cycle(1.0, 0.1), 3)
    (0.04, 1.0, 0.001)
    """
    if progress < warmup_share:
        low, way = 1 / START_DIVISOR, 1 - progress / warmup_share
    else:
        low, way = END_SHARE, (progress - warmup_share) / max(1 - warmup_share, 1e-9)
    return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(way, 1.0)))


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Let torch use this many threads inside the block.

    One thread, or OMP_WAIT_POLICY=passive in the environment of the process: spinning threads
    cost three times the CPU on a busy machine.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _one_epoch(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    lesson: Lesson,
    at: tuple[int, Schedule],
    should_stop: Callable[[], bool],
) -> tuple[float, int] | None:
    """Return (mean loss, positions learned from), or None when asked to stop."""
    epoch, schedule = at
    module.train()
    total, n_targets = 0.0, 0
    drawn = lesson.batches()
    for place, batch in enumerate(drawn):
        if should_stop():
            return None
        progress = (epoch - 1 + place / len(drawn)) / schedule.epochs
        for group in optimizer.param_groups:
            group["lr"] = schedule.learning_rate * one_cycle(progress, schedule.warmup_share)
        optimizer.zero_grad(set_to_none=True)
        loss = lesson.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(module.parameters(), schedule.clip)
        optimizer.step()
        total += float(loss.detach()) * batch.n_targets
        n_targets += batch.n_targets
    mean = total / max(n_targets, 1)
    if not math.isfinite(mean):
        reason = "lower learning_rate, or look for absurd values in the features"
        raise TrainingError(f"the loss of epoch {epoch} is {mean}; {reason}")
    return mean, n_targets


def _optimizer(module: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """Return AdamW; vectors and biases (one-dimensional) are not decayed."""
    matrices = [p for p in module.parameters() if p.requires_grad and p.ndim > 1]
    rest = [p for p in module.parameters() if p.requires_grad and p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": schedule.weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=(0.9, 0.98), fused=True)


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
