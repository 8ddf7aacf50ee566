"""Addresses of the API: one line each, all behind the same door."""

from django.urls import path

from recommender.api import docs
from recommender.api.adopted import AdoptSettings, TrainingSettings, UndoSettings
from recommender.api.docs import OpenApi
from recommender.api.door import door
from recommender.api.estimates import MakeEstimate, VersionEstimate
from recommender.api.events import Events
from recommender.api.items import ItemsBatch, OneItem
from recommender.api.metrics import Metrics
from recommender.api.ratings import Rating, RatingsBatch
from recommender.api.recommendations import Pipeline, Rank, Recommendations, Search, Similar
from recommender.api.slates import OneSlate
from recommender.api.system import Clock, Live, Loop, Ready
from recommender.api.training import CancelRun, OneRun, TrainingRuns
from recommender.api.users import OneUser, Preferences, UserExport, UsersBatch
from recommender.api.variants import MeasureVariants, ServeVariant, Variants
from recommender.api.versions import Models, Promote, RollBack

urlpatterns = [
    path("v1/recommendations", door(Recommendations)),
    path("v1/events", door(Events)),
    path("v1/rank", door(Rank)),
    path("v1/search", door(Search)),
    path("v1/pipeline", door(Pipeline)),
    path("v1/items:batch", door(ItemsBatch)),
    path("v1/items/<str:item>", door(OneItem)),
    path("v1/items/<str:item>/similar", door(Similar)),
    path("v1/users:batch", door(UsersBatch)),
    path("v1/users/<str:user>", door(OneUser)),
    path("v1/users/<str:user>/export", door(UserExport)),
    path("v1/users/<str:user>/preferences", door(Preferences)),
    path("v1/users/<str:user>/ratings/<str:item>", door(Rating)),
    path("v1/ratings:batch", door(RatingsBatch)),
    path("v1/training-runs", door(TrainingRuns)),
    path("v1/training-runs/<str:run>:cancel", door(CancelRun)),
    path("v1/training-runs/<str:run>:adopt", door(AdoptSettings)),
    path("v1/training-runs/<str:run>", door(OneRun)),
    path("v1/training-settings", door(TrainingSettings)),
    path("v1/training-settings/<str:model>:undo", door(UndoSettings)),
    path("v1/models", door(Models)),
    path("v1/models:rollback", door(RollBack)),
    path("v1/models/<str:version>:promote", door(Promote)),
    path("v1/models/<str:version>/estimate", door(VersionEstimate)),
    path("v1/models/<str:version>:estimate", door(MakeEstimate)),
    path("v1/models/<str:version>/variants", door(Variants)),
    path("v1/models/<str:version>/variants:measure", door(MeasureVariants)),
    path("v1/models/<str:version>/variants/<str:variant>:serve", door(ServeVariant)),
    path("v1/slates/<str:slate>", door(OneSlate)),
    path("v1/loop", door(Loop)),
    path("v1/clock", door(Clock)),
    path("v1/metrics", door(Metrics)),
    path("v1/health/live", door(Live)),
    path("v1/health/ready", door(Ready)),
    path("v1/openapi.json", door(OpenApi)),
    path("docs/", docs.docs_page, name="api_docs"),
    path("problems/<slug:code>/", docs.problem_page, name="api_problem"),
]
