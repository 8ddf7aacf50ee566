"""Run what runs by the clock."""

from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Run Celery's beat on our job rows; several may run, each tick still makes one job."""

    help = "Write the jobs that run by the clock, and pick up runs whose worker died."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until told to stop."""
        from recommender import tasks
        from recommender.jobs import schedule

        schedule.run(chore=tasks.reap)
