"""Name every row of the tables: which model, in which environment, with which settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.settings import (
    BUDGET_S,
    ONLY_UNDER,
    READS_FEATURES,
    READS_TEXT,
    SMALL_EPOCHS,
    VARIANTS,
    Variant,
    changes,
)
from recommender.ml.recipes import RECIPES

Side = Literal["reference", "ours", "peer"]
SMALL_BUDGET_S = 5.0
# Under NCF's negatives a model competes with published figures; peers' transformers stay out.
NOT_AMONG_NEGATIVES = frozenset({"ml-1m-a"})


@dataclass(frozen=True)
class Entry:
    """Name one row."""

    name: str
    label: str
    side: Side
    reads: str  # what the model reads at the moment of asking
    options: Mapping[str, Any]
    tuning: str = ""
    skips: frozenset[str] = field(default_factory=frozenset)  # tasks that have no such row


@dataclass(frozen=True)
class Run:
    """Say for which task rows are asked, and how."""

    task: str
    dataset: str
    seed: int
    is_small: bool  # prove that it runs; the figures mean nothing


def entries(run: Run) -> list[Entry]:
    """Return the rows of one task, in the order in which they have to run."""
    rows = [*_references(run.seed), *_ours(run)]
    if run.task.endswith("-cold"):
        return [*rows, _filled(run)]
    rows += _classical(run.seed, is_small=run.is_small)
    rows += _sequential(run.dataset, run.seed, is_small=run.is_small)
    return [row for row in rows if run.task not in row.skips]


def _references(seed: int) -> list[Entry]:
    given = {"seed": seed, "reads_text": False}
    return [
        Entry("random", "Random", "reference", "nothing", {**given, "model": "random"}),
        Entry(
            "popularity_of_all_time",
            "Popularity of all time",
            "reference",
            "nothing",
            {**given, "model": "popularity_of_all_time"},
        ),
    ]


def _ours(run: Run) -> list[Entry]:
    kind = run.task.rsplit("-", 1)[1]
    rows = [
        _own(run, name, Variant(recipe.label, name))
        for name, recipe in RECIPES.items()
        if run.dataset != "ml-1m" or kind in ONLY_UNDER.get(name, {kind})
    ]
    if kind == "b":
        known = {name: own for name, own in VARIANTS.items() if own.model in RECIPES}
        rows += [_own(run, name, variant) for name, variant in known.items()]
    return rows


def _own(run: Run, name: str, variant: Variant) -> Entry:
    model = variant.model
    config: dict[str, Any] = changes(run.dataset, model)
    if run.is_small and "epochs" in RECIPES[model].defaults:
        config["epochs"] = SMALL_EPOCHS
    reads_text = model in READS_TEXT or run.task.endswith("-cold")
    options = {
        "model": model,
        "config": config,
        "epochs_share": variant.epochs_share,
        "reads_text": reads_text,
        "seed": run.seed,
    }
    return Entry(
        name,
        variant.label,
        "ours",
        _reads(model, reads_text=reads_text),
        options,
        tuning="early stop and blend on validation" if not RECIPES[model].is_fast else "none",
    )


def _reads(model: str, *, reads_text: bool) -> str:
    if model == "popularity":
        return "nothing"
    if model not in READS_FEATURES:
        return "the newest events"
    return "the newest events, features, texts" if reads_text else "the newest events, features"


def _filled(run: Run) -> Entry:
    """Return the reference of the cold test: a model that content neighbors stand in for."""
    model = "ease" if "ease" in RECIPES else "item_knn"
    label = f"{RECIPES[model].label}, cold items filled from 10 content neighbors"
    row = _own(run, f"{model}-filled", Variant(label, model))
    given = {**row.options, "fill_cold": True}
    return Entry(row.name, row.label, "reference", "the newest events, texts", given)


def _classical(seed: int, *, is_small: bool) -> list[Entry]:
    labels = {
        "implicit_als": ("implicit ALS", "the newest events (fold-in)"),
        "implicit_bpr": ("implicit BPR", "nothing new: its user vectors are those of training"),
        "implicit_cosine": ("implicit ItemKNN, cosine", "the newest events"),
        "implicit_bm25": ("implicit ItemKNN, BM25", "the newest events"),
        "rectools_ease": ("RecTools EASE", "the newest events"),
        "lenskit_item_knn": ("LensKit ItemKNN", "the newest events"),
        "lenskit_als": ("LensKit implicit MF (ALS)", "the newest events (fold-in)"),
        "lenskit_ease": ("LensKit EASE", "the newest events"),
    }
    return [
        Entry(
            name,
            label,
            "peer",
            reads,
            {"model": name, "seed": seed, "is_small": is_small},
            tuning="grid on validation NDCG@10",
        )
        for name, (label, reads) in labels.items()
    ]


def _sequential(dataset: str, seed: int, *, is_small: bool) -> list[Entry]:
    """Return RecTools' transformers: as shipped, and in our size with the CPU time we may take."""
    ours = {**RECIPES["transformer"].defaults, **changes(dataset, "transformer")}
    size: dict[str, Any] = {
        "n_factors": ours["embedding_size"],
        "n_blocks": ours["n_blocks"],
        "n_heads": ours["n_heads"],
        "session_max_len": max(100, int(ours["history_length"])),  # less only hurts it
        "dropout_rate": ours["dropout"],
        "lr": 0.002,
        "batch_size": 32,  # about as many positions as our batches
    }
    sampled = {"loss": "sampled_softmax", "n_negatives": 256}
    rows = []
    for kind, name in (("sasrec", "SASRec"), ("bert4rec", "BERT4Rec")):
        given = {"kind": kind, "seed": seed, "budget_s": None}
        shipped = {**given, "model": f"rectools_{kind}_shipped", "config": {}}
        shipped["max_epochs"] = 1 if is_small else 3  # 3 is what RecTools ships
        rows.append(
            Entry(
                str(shipped["model"]),
                f"RecTools {name}, as shipped",
                "peer",
                "the newest events",
                shipped,
                tuning="the library's defaults",
                skips=NOT_AMONG_NEGATIVES,
            )
        )
        for factor in (1, 4) if kind == "sasrec" and dataset == "ml-100k" else (1,):
            budget_s = SMALL_BUDGET_S if is_small else BUDGET_S[dataset] * factor
            config = {**size, **sampled} if kind == "sasrec" else size
            model = f"rectools_{kind}_x{factor}"
            rows.append(
                Entry(
                    model,
                    f"RecTools {name}, our size, {budget_s:.0f} CPU s",
                    "peer",
                    "the newest events",
                    {
                        **given,
                        "model": model,
                        "config": config,
                        "max_epochs": 0,
                        "budget_s": budget_s,
                    },
                    tuning="epoch of best validation NDCG@10 of up to 6 looks",
                    skips=NOT_AMONG_NEGATIVES | ({"ml-100k-c"} if factor > 1 else set()),
                )
            )
    return rows
