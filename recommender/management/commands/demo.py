"""Start the demo: data, models, traffic, every server; or run a command against it and stop."""

import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from recommender.errors import RecommenderError
from recommender.management import demo

START_LIMIT_S = 60
STOP_LIMIT_S = 20


class Command(BaseCommand):
    """Bring the demo up."""

    help = "Load the demo's data, train the fast models and start everything."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the data's name and what to run against the demo."""
        parser.add_argument("--data", choices=["films", "generated"], default="films")
        parser.add_argument(
            "--then", default="", help="a command to run against the demo, which then stops"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, print where to go, and serve until Ctrl-C."""
        started = time.monotonic()
        call_command("migrate", interactive=False, verbosity=0)
        try:
            found = demo.prepare(self.available(options["data"]))
        except RecommenderError as error:
            raise CommandError(str(error)) from error
        self.announce(found, time.monotonic() - started)
        if options["then"]:
            sys.exit(self.run_against(options["then"]))
        self.stdout.flush()
        # A fresh process: this one has torch in memory, which the supervisor never needs.
        os.execv(sys.executable, [sys.executable, "manage.py", "up"])  # noqa: S606 - our own

    def available(self, data: str) -> str:
        """Fall back to generated data, and say so, where the packages are missing."""
        from recommender.catalog import films

        missing = films.missing_packages()
        if data == "films" and missing:
            self.stdout.write(
                f"Not installed: {', '.join(missing)}. The demo goes on with generated data."
            )
            return "generated"
        if data == "films":
            self.stdout.write(films.NOTICE)
        return data

    def announce(self, found: demo.Credentials, spent_s: float) -> None:
        """Print the address, the accounts, the key and how to stop."""
        address = f"http://{settings.BIND_HOST}:{settings.BIND_PORT}"
        lines = [
            "",
            f"  RecLoop is ready after {spent_s:.0f} s: {address}/",
            f"  visitor with history    {found.visitor:<10} {found.visitor_password}",
            f"  new visitor             {found.newcomer:<10} {found.newcomer_password}",
            f"  operator, {address}/ops/    {found.operator:<10} {found.operator_password}",
            f"  API key (demo data)     {found.api_key}",
            "",
            f'  curl -H "Authorization: Bearer {found.api_key}" \\',
            f'    "{address}/api/v1/recommendations?user=1&limit=5"',
            "",
            *([f"  A model is being trained: {address}/ops/jobs/"] if demo.is_training() else []),
            "  Press Ctrl-C to stop. `make demo` starts again where you left off.",
            "",
        ]
        self.stdout.write("\n".join(lines))

    def run_against(self, command: str) -> int:
        """Start the servers, run the command, stop the servers; return the command's exit code."""
        servers = subprocess.Popen([sys.executable, "manage.py", "up"])
        try:
            self.wait_until_alive(servers)
            environment = os.environ | {
                "RECLOOP_URL": f"http://{settings.BIND_HOST}:{settings.BIND_PORT}",
                "RECLOOP_ACCOUNTS": str(demo.credentials_path()),
            }
            code = subprocess.call(shlex.split(command), env=environment)  # noqa: S603 - the caller's
        finally:
            stopped_at = time.monotonic()
            servers.send_signal(signal.SIGINT)
            stop_code = servers.wait(timeout=STOP_LIMIT_S)
        spent = time.monotonic() - stopped_at
        self.stdout.write(f"All servers stopped in {spent:.1f} s with exit code {stop_code}.")
        return code or stop_code

    def wait_until_alive(self, servers: "subprocess.Popen[bytes]") -> None:
        """Wait for the live probe."""
        url = f"http://{settings.BIND_HOST}:{settings.BIND_PORT}/api/v1/health/live"
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            if servers.poll() is not None:
                raise CommandError(f"The servers ended with exit code {servers.returncode}.")
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.2)
        raise CommandError(f"{url} did not answer within {START_LIMIT_S} s.")
