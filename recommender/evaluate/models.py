"""Rows of `evaluate`: one version judged on one later window, beside the baselines."""

from typing import ClassVar

from django.db import models


class Evaluation(models.Model):
    """Ranking metrics with intervals. `metrics`, `baselines` and `paired` hold plain numbers:

    metrics     {"ndcg@10": {"value": .12, "low": .11, "high": .13}, …}
    baselines   {"random": {…as metrics…}, "popularity": {…}}
    segments    {"new": {"n": 40, "ndcg@10": {…}}, "light": …, "heavy": …}
    paired      {"ndcg@10": {"value": .01, "low": .002, "high": .02, "against": 7}}
    by_k        {"precision": [k=1…20], "recall": […], "ndcg": […]}
    cold        {"items": {"n_users": 40, "n_items": 12, "n_pairs": 55, "metrics": {"auc": {…}, …},
                "baselines": {…}, "paired": {…}}, "users": {"1": {"n_users": 9, …}, "3": …, "5": …}}
    """

    catalog = models.ForeignKey("recommender.Catalog", models.CASCADE, related_name="evaluations")
    snapshot = models.ForeignKey("recommender.Snapshot", models.PROTECT)
    model_version = models.ForeignKey(
        "recommender.ModelVersion", models.CASCADE, related_name="evaluations"
    )
    window_from = models.DateTimeField()
    window_to = models.DateTimeField()
    n_users = models.PositiveIntegerField()
    n_events = models.PositiveIntegerField()
    metrics = models.JSONField()
    baselines = models.JSONField()
    segments = models.JSONField(default=dict)
    paired = models.JSONField(default=dict)
    by_k = models.JSONField(default=dict)
    cold = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["model_version", "-id"], name="evaluation_newest")
        ]

    def __str__(self) -> str:
        """Name the evaluation."""
        return f"{self.model_version_id} on {self.n_users} users"
