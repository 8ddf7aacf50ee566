"""The loss of one batch: every position is to pick its next event among the negatives."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from recommender.ml.axes import KEPT_SHARE, user_basis
from recommender.ml.interactions import Interactions
from recommender.ml.losses import NEVER, full_softmax, sampled_softmax, taught_softmax
from recommender.ml.models.events import Events, TowerModule
from recommender.ml.sampling import NegativeSampler
from recommender.ml.sequences import Batch, Sequences
from recommender.ml.teaching import Lessons

# Up to this many times as many items as negatives, all of them are worth their price: on
# MovieLens-100K (1,682 items, 256 negatives) 1.4 times the CPU; NDCG@10 .1136 → .1137 and, with
# held-out items, .1099 → .1153, one seed each.
FULL_BELOW = 7
TAUGHT_SHARE = 0.5  # of the loss, where there is a teacher; the labels have the rest


@dataclass(frozen=True)
class Aims:
    """Set what besides the next event is learned, and among how many others it is picked."""

    n_negatives: int
    matryoshka: float = 0.0  # weight of the same loss with vectors half as long
    lessons: Lessons | None = None


@dataclass(frozen=True)
class Taught:
    """Hold what a teacher says of p of a batch's positions."""

    rows: Tensor  # (p,) which of the P positions
    items: Tensor  # (p, T) places among the items asked about
    shares: Tensor  # (p, T)


@dataclass(frozen=True)
class Choice:
    """Hold what P positions choose from, what is right, and what a teacher says."""

    module: TowerModule
    vectors: Tensor  # (A, D) of all items asked about; what follows are places among them
    bias: Tensor  # (A,)
    aims: Tensor  # (P,)
    others: Tensor  # (K,) rising
    log_q: Tensor | None  # (K,) None: the others are all items there are
    weights: Tensor  # (P,)
    taught: Taught | None

    def loss(self, users: Tensor, basis: Tensor | None = None) -> Tensor:
        """Return the loss of user vectors (P, D); with a basis (D, k), of what it keeps of both."""
        users = users if basis is None else users @ basis
        vectors = self.vectors if basis is None else self.vectors @ basis
        logits = self.module.match(users, vectors[self.others]) + self.bias[self.others]  # (P, K)
        if self.log_q is None:
            aims = torch.searchsorted(self.others, self.aims)
            loss = full_softmax(logits, aims, self.weights)
        else:
            positive = self.module.match_own(users, vectors[self.aims]) + self.bias[self.aims]
            is_hit = self.aims.unsqueeze(1) == self.others.unsqueeze(0)
            loss = sampled_softmax(positive, logits, self.log_q, is_hit, self.weights)
        if self.taught is None:
            return loss
        taught = self._taught_loss(self.taught, users, vectors, logits)
        return (1 - TAUGHT_SHARE) * loss + TAUGHT_SHARE * taught

    def _taught_loss(
        self, taught: Taught, users: Tensor, vectors: Tensor, logits: Tensor
    ) -> Tensor:
        users, others = users[taught.rows], logits[taught.rows]
        each = users.repeat_interleave(taught.items.shape[1], dim=0)
        own = self.module.match_own(each, vectors[taught.items.flatten()])
        own = own.view(taught.items.shape) + self.bias[taught.items]
        is_listed = torch.zeros(len(users), len(vectors), dtype=torch.bool, device=own.device)
        is_listed = is_listed.scatter_(1, taught.items, True)[:, self.others]
        others = others if self.log_q is None else others - self.log_q
        rest = torch.logsumexp(others.masked_fill(is_listed, NEVER), dim=1)
        return taught_softmax(own, rest, taught.shares, self.weights[taught.rows])


class Objective:
    """Compute the softmax over shared negatives; over all items when they are few enough."""

    def __init__(
        self,
        module: TowerModule,
        data: Interactions,
        sequences: Sequences,
        aims: Aims,
        rng: np.random.Generator,
    ) -> None:
        """Take the module that learns, what it learns from and what it is to learn."""
        self.module = module
        self.device = module.device
        self.user_features = self._tensor(np.array(data.user_features, np.float32))
        counts = np.bincount(sequences.items, minlength=data.n_items + 1)
        self.sampler = NegativeSampler(counts)
        self.everything = self._tensor(np.flatnonzero(counts))
        self.aims = aims
        self.rng = rng

    def __call__(self, batch: Batch) -> Tensor:
        """Return the mean loss over the batch's targets; half precision on a GPU."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            return self._loss(batch)

    def _loss(self, batch: Batch) -> Tensor:
        is_full = len(self.everything) <= FULL_BELOW * self.aims.n_negatives
        others, log_q = self._others(is_full=is_full)
        items = self._tensor(batch.inputs[:, 1:])  # (B, L-1)
        targets = self._tensor(batch.targets)  # (B, L)
        is_real = targets > 0
        taught = self._taught(batch)
        listed = others[:0] if taught is None else taught.items.flatten()
        sought = [items.flatten(), targets.flatten(), others, listed]
        asked, place = torch.unique(torch.cat(sought), return_inverse=True)
        vectors = self.module.items(asked)
        at_item, at_target, at_other, at_listed = place.split([len(part) for part in sought])
        choice = Choice(
            module=self.module,
            vectors=vectors,
            bias=self.module.table.bias[asked],
            aims=at_target[is_real.flatten()],
            others=at_other,
            log_q=None if is_full else log_q,
            weights=self._tensor(batch.weights)[is_real],
            taught=taught and replace(taught, items=at_listed.view(taught.items.shape)),
        )
        events = self._events(batch, vectors[at_item].view(*items.shape, vectors.shape[-1]))
        users = self.module.encode(events)[is_real]  # (P, D)
        loss = choice.loss(users)
        if not self.aims.matryoshka:
            return loss
        basis = self._basis(choice.vectors, users)
        short = replace(events, vectors=events.vectors @ (basis @ basis.T))
        shortened = choice.loss(self.module.encode(short)[is_real], basis)
        return loss + self.aims.matryoshka * shortened

    def _basis(self, vectors: Tensor, users: Tensor) -> Tensor:
        """Return (D, D / 2) axes as compression would keep them now; no gradient."""
        k = int(vectors.shape[1] * KEPT_SHARE)
        rows, people = (part.detach().float().cpu().numpy() for part in (vectors, users))
        return self._tensor(user_basis(rows, people, k).astype(np.float32))

    def _events(self, batch: Batch, vectors: Tensor) -> Events:
        users = self._tensor(batch.users)
        return Events(
            vectors=vectors,
            weights=self._tensor(batch.input_weights[:, 1:]),
            gaps=self._tensor(batch.input_gaps[:, 1:]),
            kinds=self._tensor(batch.input_kinds[:, 1:]),
            values=self._tensor(batch.input_values[:, 1:]),
            features=self.user_features[users],
            own=self.module.own(users),
        )

    def _taught(self, batch: Batch) -> Taught | None:
        """Return what the teacher says of this batch, items by number; None when nothing."""
        lessons = self.aims.lessons
        if lessons is None:
            return None
        rows = lessons.row_at[batch.places][batch.targets > 0]  # (P,)
        at = np.flatnonzero(rows >= 0)
        if not len(at):
            return None
        items, shares = lessons.items[rows[at]], lessons.shares[rows[at]]
        return Taught(self._tensor(at), self._tensor(items), self._tensor(shares))

    def _others(self, *, is_full: bool) -> tuple[Tensor, Tensor]:
        if is_full:
            return self.everything, torch.zeros(len(self.everything), device=self.device)
        items, log_q = self.sampler.draw(self.aims.n_negatives, self.rng)
        return self._tensor(items), self._tensor(log_q.astype(np.float32))

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
