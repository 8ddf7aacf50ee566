"""Say which of our settings differ from the models' defaults, per data set."""

from collections.abc import Mapping
from dataclasses import dataclass

Number = int | float


@dataclass(frozen=True)
class Variant:
    """Name one row of our own: a model, and what is changed in its config."""

    label: str
    model: str
    epochs_share: float = 1.0


CHAMPION = "hybrid"  # the row that peers are compared with

# CPU seconds that a training of ours may take at most; the peers' transformers get all of them.
BUDGET_S: Mapping[str, float] = {"ml-100k": 180.0, "ml-1m": 1200.0}

# Rows beyond one for each model: the default with less training, for the picture.
VARIANTS: Mapping[str, Variant] = {
    "hybrid-half": Variant("Hybrid, half the epochs", "hybrid", 0.5),
    "hybrid-quarter": Variant("Hybrid, a quarter of the epochs", "hybrid", 0.25),
}

_WIDE: Mapping[str, Number] = {
    "embedding_size": 128,
    "n_heads": 4,
    "history_length": 128,
    "dropout": 0.25,
    "learning_rate": 0.002,
    "batch_size": 4096,
    "epochs": 20,
    "n_negatives": 480,
    "horizon": 1,
}
# Changes to a model's defaults on one data set; chosen on validation, never on a test.
SETTINGS: Mapping[str, Mapping[str, Mapping[str, Number]]] = {
    "ml-100k": {},
    "ml-1m": {
        "transformer": _WIDE,
        "hybrid": _WIDE,
        "caser": {"batch_size": 4096, "n_negatives": 480, "horizon": 1, "epochs": 12},
        "two_tower": {"batch_size": 4096, "n_negatives": 480, "epochs": 12},
        "neumf": {"batch_size": 4096, "epochs": 12},
    },
}

# Models that read the items' texts (content vectors) in every protocol; the cold-item test gives
# them to all. The others read ids and features (genres, age, gender, occupation), since peers read
# ids alone.
READS_TEXT = frozenset({"content"})

# Five to ten CPU minutes each on ML-1M: there they run under these protocols only.
ONLY_UNDER: Mapping[str, frozenset[str]] = {
    "caser": frozenset({"b"}),
    "two_tower": frozenset({"b"}),
    "transformer": frozenset({"b"}),
    "neumf": frozenset({"a", "b"}),
}

# Models that read who somebody is and what an item is besides who took what.
READS_FEATURES = frozenset({"content", "two_tower", "caser", "transformer", "hybrid"})

# What a quick run changes: it proves that everything runs, its figures mean nothing.
SMALL_EPOCHS = 1


def changes(dataset: str, model: str) -> dict[str, Number]:
    """Return what differs from the model's defaults on this data set."""
    return dict(SETTINGS.get(dataset, {}).get(model, {}))
