"""The one Django app. System checks stand in `recommender.checks`."""

from django.apps import AppConfig


class RecommenderConfig(AppConfig):
    """RecLoop."""

    name = "recommender"
    verbose_name = "RecLoop"

    def ready(self) -> None:
        """Register system checks."""
        from recommender import checks  # noqa: F401 - importing registers them
