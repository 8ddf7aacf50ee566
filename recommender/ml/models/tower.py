"""Train and export any model of the form user vector · item vector + item bias."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from recommender.ml.artifact import WEIGHTS, Array, pack_weights
from recommender.ml.export import export_tower
from recommender.ml.interactions import FloatArray, Interactions
from recommender.ml.losses import full_softmax, sampled_softmax
from recommender.ml.manifest import TOWER
from recommender.ml.models.base import (
    EpochRecord,
    Export,
    FitOptions,
    Recommender,
    WarmStart,
    open_start,
)
from recommender.ml.models.item_table import ItemTable
from recommender.ml.sampling import NegativeSampler
from recommender.ml.scorers.tower import COMPONENT
from recommender.ml.scoring import History, pack
from recommender.ml.sequences import (
    Batch,
    Cutting,
    Sequences,
    batches,
    cooccurrence,
    ppmi_vectors,
)
from recommender.ml.trainer import Lesson, Schedule, limited_threads, run_epochs
from recommender.ml.validation import judge, watch

WARM_RATE_SHARE = 0.3  # a warm start refines: full steps would undo what it starts from


class TowerModule(nn.Module):
    """Hold an item table and a user encoder; a subclass gives `encode`."""

    inputs: ClassVar[tuple[str, ...]]  # what the exported tower reads, in the order of `forward`

    def __init__(self, table: ItemTable) -> None:
        """Take the item table."""
        super().__init__()
        self.table = table

    def items(self, numbers: Tensor) -> Tensor:
        """Return (n, D) item vectors, the ones that are read and the ones that are ranked."""
        vectors: Tensor = self.table(numbers)
        return vectors

    def own(self, users: Tensor) -> Tensor | None:
        """Return (B, D) vectors of users known by number; None: this model knows nobody."""
        del users
        return None

    @abstractmethod
    def encode(
        self, vectors: Tensor, weights: Tensor, features: Tensor, own: Tensor | None
    ) -> Tensor:
        """Return (B, L+1, D): the user's vector after 0..L events.

        Args:
            vectors: item vectors of the events, padded right, shape (B, L, D).
            weights: strengths of the events, 0 where padded, shape (B, L).
            features: what is known of the user, shape (B, F_u).
            own: the user's own vector, shape (B, D), or None.
        """

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return (B, D), the vector after each user's last event: the graph that is exported."""
        given = dict(zip(self.inputs, tensors, strict=True))
        vectors, lengths = given["vectors"], given["lengths"]
        weights = given.get("weights", vectors[..., 0])
        features = given.get("features", vectors[:, 0])
        users = self.encode(vectors, weights, features, given.get("user"))
        last = lengths.view(-1, 1, 1).expand(-1, 1, users.shape[-1])
        return users.gather(1, last).squeeze(1)


class TowerRecommender(Recommender):
    """Learn by sampled softmax over every event, given the events before it."""

    module: TowerModule

    @abstractmethod
    def _build(self, data: Interactions, generator: torch.Generator) -> TowerModule:
        """Return the untrained module."""

    def _epochs(self, data: Interactions, options: FitOptions) -> Iterator[EpochRecord]:
        config = self.config
        with limited_threads(self.threads):
            generator = torch.Generator().manual_seed(options.seed)
            rng = np.random.default_rng(options.seed)
            sequences = Sequences.of(data)
            self.module = self._build(data, generator)
            if options.start is not None:
                self._begin_from(options.start, data)
            elif config.ppmi_window > 0:
                counts = cooccurrence(sequences, data.n_items, config.ppmi_window)
                self.module.table.start_from(ppmi_vectors(counts, config.embedding_size, rng))
            watched = watch(data, options.validation, options.seed)
            objective = _Objective(self.module, data, sequences, config.n_negatives, rng)
            cutting = Cutting(config.history_length + 1, config.batch_size, config.horizon)
            lesson = Lesson(
                batches=lambda: list(batches(sequences, cutting, rng)),
                loss=objective,
                judge=lambda: judge(self._score, watched),
            )
            schedule = self._schedule(is_warm=options.start is not None)
            yield from run_epochs(self.module, lesson, schedule, options.should_stop)

    def _schedule(self, *, is_warm: bool) -> Schedule:
        config = self.config
        return Schedule(
            epochs=config.warm_epochs if is_warm else config.epochs,
            learning_rate=config.learning_rate * (WARM_RATE_SHARE if is_warm else 1.0),
            weight_decay=config.reg,
            patience=config.patience,
        )

    def _begin_from(self, start: WarmStart, data: Interactions) -> None:
        """Take over what fits: rows of the same item, and maps of the same columns."""
        weights = open_start(start, self.name)
        rows = torch.from_numpy(weights.rows_for(start.item_ids))
        is_known = rows > 0
        manifest = weights.manifest
        changed = set()
        if manifest.item_feature_names != data.item_feature_names:
            changed.add("table.feature_map")
        if manifest.user_feature_names != data.user_feature_names:
            changed.add("feature_map")
        with torch.no_grad():
            for name, parameter in self.module.named_parameters():
                old = torch.from_numpy(np.array(weights.arrays.get(name, np.zeros(0))))
                if name in ("table.ids", "table.bias") and old.shape[1:] == parameter.shape[1:]:
                    parameter[is_known] = old[rows[is_known]]
                elif name not in changed | {"users"} and old.shape == parameter.shape:
                    parameter.copy_(old)

    def _score(self, histories: Sequence[History]) -> FloatArray:
        """Score with torch, between epochs: no export needed."""
        self.module.eval()
        with torch.no_grad():
            vectors, biases = self._item_side()
            users = self.module(*self._tensors(histories, vectors))
            scores: FloatArray = (users @ vectors.T + biases).numpy()
        return scores

    def _item_side(self) -> tuple[Tensor, Tensor]:
        numbers = torch.arange(len(self.module.table.ids))
        return self.module.items(numbers), self.module.table.biases()

    def _tensors(self, histories: Sequence[History], vectors: Tensor) -> list[Tensor]:
        default = np.asarray(self._fitted().user_features[0], np.float32)
        packed = pack(histories, self.config.history_length, default)
        tensors = {name: torch.from_numpy(array) for name, array in packed.items()}
        tensors["vectors"] = vectors[tensors["items"]]
        own = self.module.own(tensors["users"])
        if own is not None:
            tensors["user"] = own
        return [tensors[name] for name in self.module.inputs]

    def _export(self, data: Interactions) -> Export:
        self.module.eval()
        with limited_threads(self.threads), torch.no_grad():
            vectors, biases = self._item_side()
            example = _example_histories(data)
            graph = export_tower(
                self.module,
                self._tensors(example, vectors),
                self.module.inputs,
                [name for name in ("vectors", "weights") if name in self.module.inputs],
            )
            arrays: dict[str, Array] = {
                "item_vectors": vectors.numpy(),
                "item_bias": biases.numpy(),
                "default_features": np.asarray(data.user_features[0], np.float32),
            }
            own = self.module.own(torch.arange(data.n_users + 1))
            if own is not None:
                arrays["own_vectors"] = own.numpy()
            for name, part in self._components().items():
                arrays[f"{COMPONENT}{name}"] = part.numpy()
        raw = {TOWER: graph, WEIGHTS: pack_weights(self._finite_arrays())}
        return Export("tower", {"history_length": self.config.history_length}, arrays, raw)

    def _components(self) -> dict[str, Tensor]:
        """Return parts that sum to the item vectors; none when they are not a plain sum."""
        return {}

    def _finite_arrays(self) -> dict[str, Array]:
        return {name: p.detach().numpy() for name, p in self.module.named_parameters()}


class _Objective:
    """Compute one batch's loss: every position is to pick its next event among the negatives."""

    def __init__(
        self,
        module: TowerModule,
        data: Interactions,
        sequences: Sequences,
        n_negatives: int,
        rng: np.random.Generator,
    ) -> None:
        self.module = module
        self.user_features = torch.from_numpy(np.array(data.user_features, np.float32))
        counts = np.bincount(sequences.items, minlength=data.n_items + 1)
        self.sampler = NegativeSampler(counts)
        self.everything = torch.from_numpy(np.flatnonzero(counts))
        self.n_negatives = n_negatives
        self.rng = rng

    def __call__(self, batch: Batch) -> Tensor:
        is_full = len(self.everything) <= self.n_negatives
        others, log_q = self._others(is_full=is_full)
        events = torch.from_numpy(batch.inputs[:, 1:])  # (B, L-1)
        targets = torch.from_numpy(batch.targets)  # (B, L)
        asked, place = torch.unique(
            torch.cat([events.flatten(), targets.flatten(), others]), return_inverse=True
        )
        vectors, bias = self.module.items(asked), self.module.table.bias[asked]
        at_event, at_target, at_other = place.split([events.numel(), targets.numel(), len(others)])
        users = torch.from_numpy(batch.users)
        encoded = self.module.encode(
            vectors[at_event].view(*events.shape, vectors.shape[-1]),
            torch.from_numpy(batch.input_weights[:, 1:]),
            self.user_features[users],
            self.module.own(users),
        )
        is_real = targets > 0
        reached = encoded[is_real]  # (P, D)
        aim = at_target[is_real.flatten()]  # (P,)
        weights = torch.from_numpy(batch.weights)[is_real]
        logits = reached @ vectors[at_other].T + bias[at_other]  # (P, K)
        if is_full:
            return full_softmax(logits, torch.searchsorted(others, targets[is_real]), weights)
        positive = (reached * vectors[aim]).sum(-1) + bias[aim]
        is_hit = aim.unsqueeze(1) == at_other.unsqueeze(0)
        return sampled_softmax(positive, logits, log_q, is_hit, weights)

    def _others(self, *, is_full: bool) -> tuple[Tensor, Tensor]:
        if is_full:  # as cheap as sampling, and exact
            return self.everything, torch.zeros(len(self.everything))
        items, log_q = self.sampler.draw(self.n_negatives, self.rng)
        return torch.from_numpy(items), torch.from_numpy(log_q.astype(np.float32))


def _example_histories(data: Interactions) -> list[History]:
    def one(n: int) -> History:
        plain: Any = np.ones(n)
        return History(
            items=plain.astype(np.int64),
            weights=plain.astype(np.float32),
            values=plain.astype(np.float32),
            times=plain.astype(np.int64),
            features=np.asarray(data.user_features[0], np.float32),
        )

    return [one(3), one(1)]
