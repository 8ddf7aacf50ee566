"""Work on one queue."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    """Run a Celery worker and its keeper."""

    help = "Work on a queue: `default` for short jobs, `learning` for training."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the queue's name."""
        parser.add_argument(
            "--queue", choices=["default", "learning"], default=settings.CELERY_TASK_DEFAULT_QUEUE
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until told to stop."""
        from recommender.jobs import worker  # loads Celery's worker

        sys.exit(worker.run(options["queue"]))
