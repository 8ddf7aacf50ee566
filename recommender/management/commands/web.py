"""Start the web server alone: granian, WSGI."""

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Replace this process with granian."""

    help = "Start the web server (granian) on BIND_HOST:BIND_PORT with WEB_WORKERS processes."

    def handle(self, *args: Any, **options: Any) -> None:
        """Hand over; the process id stays the same, so that a supervisor's signals arrive."""
        granian = str(Path(sys.executable).with_name("granian"))
        command = [granian, *granian_arguments()]
        os.execv(granian, command)  # noqa: S606 - our own interpreter's script


def granian_arguments() -> list[str]:
    """Return granian's command line for RecLoop's settings."""
    return [
        "--interface",
        "wsgi",
        "--host",
        settings.BIND_HOST,
        "--port",
        str(settings.BIND_PORT),
        "--workers",
        str(settings.WEB_WORKERS),
        "--no-ws",
        "--respawn-failed-workers",
        "--blocking-threads",
        "4",
        "--backpressure",
        "64",
        "--log-level",
        "warning",
        "recsite.wsgi:application",
    ]
