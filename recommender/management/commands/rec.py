"""One command for operators: `manage.py rec doctor`, `rec import`, `rec train`, `rec promote` …

Results go to stdout (with `--json`, one JSON document), progress to stderr. Exit codes: 0 done,
1 refused or unhealthy, 2 wrong use.
"""

import dataclasses
import json
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from recommender.catalog.formats import FORMATS
from recommender.errors import RecommenderError
from recommender.management import operations

Handler = Callable[[dict[str, Any]], Any]


class Command(BaseCommand):
    """Dispatch to `recommender.management.operations`."""

    help = "Operate RecLoop from the shell."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare one sub-command per operation."""
        parser.add_argument("--catalog", default="", help="slug; the default catalog when left out")
        parser.add_argument("--json", action="store_true", help="print one JSON document")
        commands = parser.add_subparsers(dest="operation", required=True)
        commands.add_parser("doctor", help="check database, workers, model, disk, clock, encoder")
        create = commands.add_parser("create-catalog", help="make a catalog for your own data")
        create.add_argument("slug")
        create.add_argument("--name", default="")
        create.add_argument("--scenario", choices=["films", "shop", "news", "social"])
        create.add_argument("--default", action="store_true", help="serve it at /")
        load = commands.add_parser("import", help="load items, users or events from a file")
        load.add_argument("kind", choices=["items", "users", "events", "all"])
        load.add_argument("format", choices=sorted(FORMATS))
        load.add_argument("path")
        commands.add_parser("embed", help="let the text encoder read new and changed items")
        train = commands.add_parser("train", help="queue a training run")
        train.add_argument("--model", default=None)
        train.add_argument("--mode", choices=["full", "incremental"], default="full")
        train.add_argument("--search", action="store_true", help="search for better settings")
        train.add_argument("--minutes", type=int, help="of a search")
        train.add_argument("--max-trials", type=int, help="of a search: end after so many")
        train.add_argument("--seed", type=int, default=1)
        train.add_argument("--teacher", help="version whose lists to learn from as well: v3")
        train.add_argument("--set", action="append", default=[], metavar="OPTION=NUMBER")
        train.add_argument("--follow", action="store_true", help="run it here and show progress")
        promote = commands.add_parser("promote", help="make a version live")
        promote.add_argument("version", help="such as v12")
        promote.add_argument("--force", action="store_true", help="against the gate's verdict")
        promote.add_argument("--reason", default="from the shell")
        back = commands.add_parser("rollback", help="make the version before live again")
        back.add_argument("--reason", default="from the shell")
        commands.add_parser("versions", help="list versions and their figures")
        commands.add_parser("jobs", help="list open and dead jobs")
        for name in ("recommend", "explain", "whynot"):
            one = commands.add_parser(name, help=f"{name} for a user, without logging")
            one.add_argument("--user", required=True)
            if name != "recommend":
                one.add_argument("--item", required=True)
        visits = commands.add_parser("simulate", help="play made-up visits, labeled as demo data")
        visits.add_argument("--visits", type=int, default=100)
        visits.add_argument("--days", type=float, default=1.0)
        key = commands.add_parser("key", help="make an API key; it is shown once")
        key.add_argument("name")
        key.add_argument("--scope", action="append", default=[], dest="scopes")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the operation and print what came out."""
        run: Handler = getattr(
            operations, options["operation"].replace("-", "_").replace("import", "import_file")
        )
        try:
            result = run(options)
        except RecommenderError as error:
            raise CommandError(str(error), returncode=1) from error
        if options["json"]:
            self.stdout.write(json.dumps(plain(result), ensure_ascii=False, default=str))
        else:
            self.stdout.write(readable(plain(result)))
        if isinstance(result, operations.Health) and not result.is_healthy:
            raise SystemExit(1)


def plain(value: Any) -> Any:
    """Turn dataclasses, also inside lists, into dicts."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value


def readable(value: Any) -> str:
    """Write one line per entry, `name value` pairs for dicts."""
    if isinstance(value, list):
        return "\n".join(readable(entry) for entry in value) or "nothing"
    if isinstance(value, dict):
        if isinstance(value.get("lines"), list):
            return "\n".join(
                f"{'✓' if line['is_good'] else '✗'} {line['name']}: {line['text']}"
                for line in value["lines"]
            )
        return "  ".join(f"{name} {entry}" for name, entry in value.items())
    return str(value)
