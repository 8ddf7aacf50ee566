"""Start everything under one command."""

import socket
import urllib.request
from typing import Any
from urllib.error import URLError

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from recommender.management.supervisor import Child, Supervisor

READY_WITHIN_S = 60.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to look, not where to bind


class Command(BaseCommand):
    """Run the web server, both workers and the scheduler until Ctrl-C."""

    help = "Start web server, workers and scheduler; restart what dies; Ctrl-C stops all."

    def handle(self, *args: Any, **options: Any) -> None:
        """Start, wait until the site answers, say where it is, and watch."""
        require_free_port(settings.BIND_HOST, settings.BIND_PORT)
        supervisor = Supervisor(
            [
                Child("web server", ["web"]),
                Child("worker (default)", ["worker", "--queue", "default"]),
                Child("worker (learning)", ["worker", "--queue", "learning"]),
                Child("scheduler", ["scheduler"]),
            ],
            tell=self.stderr.write,
        )
        supervisor.start()
        address = f"http://{_for_url(settings.BIND_HOST)}:{settings.BIND_PORT}/"
        if supervisor.wait_for(lambda: answers(address), within_s=READY_WITHIN_S):
            self.stdout.write(f"RecLoop is at {address}  Ctrl-C stops it.")
            self.stdout.flush()
        elif not supervisor.is_stopping:
            supervisor.stop()
            raise CommandError(
                f"{address} did not answer within {READY_WITHIN_S:g} s; "
                "the lines above say what the web server complained about."
            )
        supervisor.run()
        self.stdout.write("Stopped.")


def require_free_port(host: str, port: int) -> None:
    """Raise CommandError with the remedy when somebody listens on the port already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} on {host} cannot be used ({error.strerror}). Stop what listens "
                f"there, or choose another: BIND_PORT={port + 1}."
            ) from None


def answers(address: str) -> bool:
    """Say whether the web server answers at its live probe."""
    try:
        with urllib.request.urlopen(f"{address}api/v1/health/live", timeout=2) as reply:  # noqa: S310
            return bool(reply.status == 200)
    except (URLError, OSError):
        return False


def _for_url(host: str) -> str:
    host = EVERYWHERE.get(host, host)
    return f"[{host}]" if ":" in host else host
