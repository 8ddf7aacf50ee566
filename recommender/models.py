"""The table of contents: every room's rows. Rooms import each other's models from the room."""

from recommender.accounts.models import Account, ApiKey, IdempotentReply, RateWindow
from recommender.catalog.models import Catalog, ImportRun, Item, ItemVector
from recommender.clock import ClockOffset
from recommender.collect.models import (
    Event,
    FeatureSnapshot,
    Impression,
    RejectedEvent,
    Slate,
    User,
    UserState,
)
from recommender.estimate.models import Estimate
from recommender.evaluate.models import Evaluation
from recommender.jobs.models import Job, Worker
from recommender.prepare.models import Snapshot
from recommender.promote.models import ModelVersion, Promotion, Variant
from recommender.serve.models import Narration
from recommender.train.models import Search, SettingsChange, TrainingRun, Trial

__all__ = [
    "Account",
    "ApiKey",
    "Catalog",
    "ClockOffset",
    "Estimate",
    "Evaluation",
    "Event",
    "FeatureSnapshot",
    "IdempotentReply",
    "ImportRun",
    "Impression",
    "Item",
    "ItemVector",
    "Job",
    "ModelVersion",
    "Narration",
    "Promotion",
    "RateWindow",
    "RejectedEvent",
    "Search",
    "SettingsChange",
    "Slate",
    "Snapshot",
    "TrainingRun",
    "Trial",
    "User",
    "UserState",
    "Variant",
    "Worker",
]
