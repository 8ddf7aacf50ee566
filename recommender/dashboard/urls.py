"""Addresses of the operator panel, under /ops/."""

from django.urls import path

from recommender.dashboard import (
    estimates,
    variants,
    views_data,
    views_jobs,
    views_models,
    views_overview,
    views_pipeline,
    views_search,
)

app_name = "dashboard"
urlpatterns = [
    path("", views_overview.index, name="overview"),
    path("ctr.csv", views_overview.ctr_csv, name="ctr_csv"),
    path("models/", views_models.index, name="models"),
    path("models/compare/", views_models.compare, name="compare"),
    path("models/roll-back/", views_models.roll_back, name="roll_back"),
    path("models/<int:number>/", views_models.detail, name="model"),
    path("models/<int:number>/promote/", views_models.promote, name="promote"),
    path("models/<int:number>/discard/", views_models.discard, name="discard"),
    path("models/<int:number>/estimate/", estimates.make, name="estimate"),
    path("models/<int:number>/variants/measure/", variants.measure, name="measure_variants"),
    path("models/<int:number>/variants/serve/", variants.serve, name="serve_variant"),
    path("jobs/", views_jobs.index, name="jobs"),
    path("jobs/new/", views_jobs.start, name="start"),
    path("jobs/search/", views_search.start, name="search"),
    path("jobs/<int:run_id>/trials/", views_search.trials, name="trials"),
    path("jobs/<int:run_id>/trials.csv", views_search.trials_csv, name="trials_csv"),
    path("jobs/<int:run_id>/train-found/", views_search.train_found, name="train_found"),
    path("jobs/<int:run_id>/adopt/", views_search.adopt, name="adopt"),
    path("jobs/<int:run_id>/", views_jobs.run, name="run"),
    path("jobs/<int:run_id>/status/", views_jobs.status, name="run_status"),
    path("jobs/<int:run_id>/cancel/", views_jobs.cancel, name="cancel"),
    path("jobs/<int:run_id>/retry/", views_jobs.retry, name="retry"),
    path("pipeline/", views_pipeline.pipeline, name="pipeline"),
    path("pipeline/exploration/", views_pipeline.explore, name="explore"),
    path("inspect/", views_data.inspect, name="inspect"),
    path("data/", views_data.data, name="data"),
    path("data/events/", views_data.events, name="events"),
    path("audit/", views_data.audit, name="audit"),
    path("settings/<slug:model>/undo/", views_search.undo_settings, name="undo_settings"),
    path("keys/", views_data.keys, name="keys"),
    path("keys/<int:key_id>/revoke/", views_data.revoke, name="revoke"),
]
