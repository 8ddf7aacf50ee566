"""Train and export any model of the form user vector · item vector + item bias."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recommender.ml.artifact import WEIGHTS, Array, pack_weights
from recommender.ml.cold import COLD_BIAS, COLD_ITEMS, COLD_VECTORS, hold_out, without_items
from recommender.ml.export import export_tower
from recommender.ml.interactions import FloatArray, IntArray, Interactions
from recommender.ml.manifest import TOWER
from recommender.ml.models.base import (
    EpochRecord,
    Export,
    FitOptions,
    Recommender,
    WarmStart,
    open_start,
)
from recommender.ml.models.events import TowerModule
from recommender.ml.models.objective import Aims, Objective
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
from recommender.ml.teaching import Teacher, ask
from recommender.ml.trainer import (
    Lesson,
    Schedule,
    limited_threads,
    run_epochs,
    run_settling,
)
from recommender.ml.validation import judge, watch

PER_EVENT = ("vectors", "weights", "gaps", "kinds", "values")  # inputs (B, L, …)
WARM_RATE_SHARE = 0.3  # a warm start refines: full steps would undo what it starts from


class TowerRecommender(Recommender):
    """Learn by sampled softmax over every event, given the events before it."""

    module: TowerModule
    teacher: Teacher | None = None

    def learn_from(self, teacher: Teacher) -> None:
        """Let training match a teacher's softmax besides the events (Hinton et al. 2015)."""
        self.teacher = teacher

    @abstractmethod
    def _build(self, data: Interactions, generator: torch.Generator) -> TowerModule:
        """Return the untrained module."""

    def _epochs(self, data: Interactions, options: FitOptions) -> Iterator[EpochRecord]:
        with limited_threads(self.threads):
            generator = torch.Generator().manual_seed(options.seed)
            rng = np.random.default_rng(options.seed)
            held = self._held_out(data)
            known = without_items(data, held) if len(held) else data
            self.module = self._build(known, generator).to(self.device)
            self._cold: dict[str, Array] = {}
            sequences = Sequences.of(known)
            if options.start is not None:
                self._begin_from(options.start, known)
            elif self.config.ppmi_window > 0:
                self._begin_from_cooccurrence(known, sequences, rng)
            watched = watch(data, options.validation, options.seed)
            aims = self._aims()
            if self.teacher is not None:
                asked = np.random.default_rng(options.seed)
                lessons = ask(self.teacher, known, asked, options.should_stop)
                aims = replace(aims, lessons=lessons)
            lesson = Lesson(
                batches=self._batches(sequences, rng),
                loss=Objective(self.module, known, sequences, aims, rng),
                judge=lambda: judge(self._score, watched),
            )
            schedule = self._schedule(is_warm=options.start is not None)
            yield from run_epochs(self.module, lesson, schedule, options.should_stop)
            if len(held):
                self._settle(data, held, rng, options)

    def _aims(self) -> Aims:
        return Aims(self.config.n_negatives)

    def _held_out(self, data: Interactions) -> IntArray:
        """Return the items kept out until the end; none where little else would remain."""
        held = hold_out(data, self.config.hold_out_share)
        remaining = without_items(data, held)
        return held if (remaining.weight > 0).any() else held[:0]

    def _begin_from_cooccurrence(
        self, data: Interactions, sequences: Sequences, rng: np.random.Generator
    ) -> None:
        counts = cooccurrence(sequences, data.n_items, self.config.ppmi_window)
        self.module.table.start_from(ppmi_vectors(counts, self.config.embedding_size, rng))

    def _batches(
        self, sequences: Sequences, rng: np.random.Generator
    ) -> Callable[[], Sequence[Batch]]:
        config = self.config
        cutting = Cutting(config.history_length + 1, config.batch_size, config.horizon)
        return lambda: list(batches(sequences, cutting, rng))

    def _settle(
        self, data: Interactions, held: IntArray, rng: np.random.Generator, options: FitOptions
    ) -> None:
        """Keep the held-out items' rows as they are, then learn these items alone."""
        self.module.eval()
        with torch.no_grad():
            vectors, biases = self._item_side()
        self._cold = {
            COLD_ITEMS: held,
            COLD_VECTORS: vectors[held].cpu().numpy(),
            COLD_BIAS: biases[held].cpu().numpy(),
        }
        sequences = Sequences.of(data)
        objective = Objective(self.module, data, sequences, self._aims(), rng)
        rows = torch.from_numpy(held).to(self.device)
        learned = self.module.table.settling(rows, is_fresh=options.start is None)
        lesson = Lesson(self._batches(sequences, rng), objective, lambda: (None, None))
        run_settling(learned, lesson, rows, options.should_stop)

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
        rows = torch.from_numpy(weights.rows_for(start.item_ids)).to(self.device)
        is_known = rows > 0
        manifest = weights.manifest
        changed = set()
        if manifest.item_feature_names != data.item_feature_names:
            changed.add("table.feature_map")
        if manifest.user_feature_names != data.user_feature_names:
            changed.add("feature_map")
        with torch.no_grad():
            for name, parameter in self.module.named_parameters():
                old = torch.from_numpy(np.array(weights.arrays.get(name, np.zeros(0)))).to(
                    self.device
                )
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
            scores: FloatArray = (self.module.match(users, vectors) + biases).cpu().numpy()
        return scores

    def _item_side(self) -> tuple[Tensor, Tensor]:
        numbers = torch.arange(len(self.module.table.ids), device=self.module.device)
        return self.module.items(numbers), self.module.table.biases()

    def _tensors(self, histories: Sequence[History], vectors: Tensor) -> list[Tensor]:
        default = np.asarray(self._fitted().user_features[0], np.float32)
        packed = pack(histories, self.config.history_length, default)
        device = self.module.device
        tensors = {name: torch.from_numpy(array).to(device) for name, array in packed.items()}
        tensors["vectors"] = vectors[tensors["items"]]
        own = self.module.own(tensors["users"])
        if own is not None:
            tensors["user"] = own
        return [tensors[name] for name in self.module.inputs]

    def _export(self, data: Interactions) -> Export:
        self.module.eval().cpu()
        with limited_threads(self.threads), torch.no_grad():
            vectors, biases = self._item_side()
            graph = export_tower(
                self.module,
                self._tensors(_example_histories(data), vectors),
                self.module.inputs,
                [name for name in PER_EVENT if name in self.module.inputs],
            )
            arrays: dict[str, Array] = {
                "item_vectors": vectors.numpy(),
                "item_bias": biases.numpy(),
                "default_features": np.asarray(data.user_features[0], np.float32),
                **self._cold,
            }
            own = self.module.own(torch.arange(data.n_users + 1))
            if own is not None:
                arrays["own_vectors"] = own.numpy()
            for name, part in self._components().items():
                arrays[f"{COMPONENT}{name}"] = part.numpy()
            raw = {TOWER: graph, WEIGHTS: pack_weights(self._finite_arrays())}
        self.module.to(self.device)
        return Export("tower", {"history_length": self.config.history_length}, arrays, raw)

    def _components(self) -> dict[str, Tensor]:
        """Return parts that sum to the item vectors; none when they are not a plain sum."""
        return {}

    def _finite_arrays(self) -> dict[str, Array]:
        return {name: p.detach().cpu().numpy() for name, p in self.module.named_parameters()}


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
