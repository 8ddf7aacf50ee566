"""What `manage.py rec` can do: one function per operation, options in, plain data out."""

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from recommender import clock
from recommender.accounts import keys
from recommender.catalog import imports
from recommender.catalog.embed import (
    embed_items,
    encoder_names,
    encoders_for,
    missing_vectors,
)
from recommender.catalog.models import Catalog
from recommender.catalog.services import create_catalog as make_catalog
from recommender.collect import services as collect
from recommender.errors import BadData, Missing, RecommenderError
from recommender.jobs.models import Job
from recommender.jobs.services import enqueue, workers_alive
from recommender.management.progress import step
from recommender.ml.artifact import ArtifactError, load_model
from recommender.ml.encoders import load_encoder
from recommender.promote import services as promotions
from recommender.promote.models import ModelVersion
from recommender.serve import services as serve
from recommender.serve.answers import ListRequest
from recommender.simulate.services import Stretch
from recommender.simulate.services import simulate as play
from recommender.tasks import run_now
from recommender.train import services as train_services
from recommender.train.models import TrainingRun

LEAST_FREE_BYTES = 1_000_000_000

Options = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One thing that the doctor looked at; the text of a bad one names the remedy."""

    name: str
    is_good: bool
    text: str


@dataclass(frozen=True)
class Health:
    """Everything that the doctor looked at."""

    lines: list[Line]

    @property
    def is_healthy(self) -> bool:
        """Say whether all is well."""
        return all(line.is_good for line in self.lines)


def doctor(options: Options) -> Health:  # noqa: ARG001 - all operations take options
    """Look at database, migrations, workers, live model, encoder, disk and clock."""
    lines = [_database()]
    if lines[-1].is_good:
        lines.append(_migrations())
    if lines[-1].is_good:
        lines += [_workers(), *_models()]
    return Health([*lines, *_encoders(), _disk(), _clock()])


def _database() -> Line:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return Line("database", False, f"{error}; check DATABASE_URL and that the server runs")
    return Line("database", True, f"{connection.vendor} answers")


def _migrations() -> Line:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        return Line("migrations", False, f"{len(plan)} pending; run manage.py migrate")
    return Line("migrations", True, "none pending")


def _workers() -> Line:
    queues = {worker.queue for worker in workers_alive()}
    missing = {"default", "learning"} - queues
    if missing:
        names = ", ".join(sorted(missing))
        return Line("workers", False, f"none for {names}; start `make run` or `make worker`")
    return Line("workers", True, f"alive for {', '.join(sorted(queues))}")


def _models() -> list[Line]:
    lines = []
    for catalog in Catalog.objects.order_by("slug"):
        version = ModelVersion.objects.live().filter(catalog=catalog).first()
        name = f"model of {catalog.slug}"
        if version is None:
            lines.append(Line(name, False, "no live version; run manage.py rec train"))
            continue
        try:
            load_model(Path(version.path), manifest_sha256=version.manifest_sha256)
        except ArtifactError as error:
            lines.append(Line(name, False, f"{version}: {error}; roll back or train again"))
        else:
            lines.append(Line(name, True, f"{version} ({version.model}) is whole"))
    return lines


def _encoders() -> list[Line]:
    lines = []
    for modality, name in encoder_names().items():
        try:
            encoder = load_encoder(name, modality, settings.ENCODER_API_KEY)
        except RecommenderError as error:
            lines.append(Line(f"{modality} encoder", False, str(error)))
            continue
        text = f"{encoder.id} {encoder.version}, {encoder.dimension} numbers a {modality}"
        lines.append(Line(f"{modality} encoder", True, text))
    return lines


def _disk() -> Line:
    free = shutil.disk_usage(settings.DATA_DIR).free
    text = f"{free / 1e9:.1f} GB free in {settings.DATA_DIR}"
    if free < LEAST_FREE_BYTES:
        return Line("disk", False, f"{text}; free some or set RECLOOP_DATA")
    return Line("disk", True, text)


def _clock() -> Line:
    ahead = clock.now() - datetime.now(UTC)
    if settings.SIM_CLOCK:
        return Line("clock", True, f"SIM_CLOCK is on, product time runs {ahead} ahead")
    return Line("clock", True, "product time is real time")


def create_catalog(options: Options) -> dict[str, Any]:
    """Make a catalog with its scenario's defaults."""
    made = make_catalog(
        slug=options["slug"],
        name=options["name"] or options["slug"],
        scenario=options["scenario"] or "films",
        is_default=options["default"],
    )
    return {"catalog": made.slug, "scenario": made.scenario}


def import_file(options: Options) -> list[dict[str, Any]]:
    """Load a file; the same file again is a no-op, a killed import goes on where it stopped."""
    kinds = ["items", "users", "events"] if options["kind"] == "all" else [options["kind"]]
    results = []
    for kind in kinds:
        with step(f"Importing {kind}") as bar:
            run = imports.import_file(
                catalog=_catalog(options),
                kind=kind,
                format=options["format"],
                path=Path(options["path"]),
                progress=bar,
            )
        results.append(
            {
                "kind": kind,
                "state": run.state,
                "accepted": run.accepted,
                "duplicates": run.duplicates,
                "rejected": run.rejected,
                "rejects": run.rejects_path,
            }
        )
    return results


def embed(options: Options) -> dict[str, Any]:
    """Embed what is missing or has changed."""
    catalog = _catalog(options)
    done = left = 0
    for encoder in encoders_for(catalog):
        with step(f"Reading items ({encoder.id})") as bar:
            done += embed_items(catalog=catalog, encoder=encoder, progress=bar)
        left += missing_vectors(catalog=catalog, encoder=encoder)
    return {"embedded": done, "missing": left}


def train(options: Options) -> dict[str, Any]:
    """Queue a training or a search for the worker, or run it here."""
    with transaction.atomic():
        run = _request_search(options) if options["search"] else _request_run(options)
        if not options["follow"]:
            enqueue("recommender.train", dedup_key=f"run:{run.id}", run_id=run.id)
    if options["follow"]:
        run_now(run.id)
        run.refresh_from_db()
    made: dict[str, Any] = {"run": run.id, "model": run.model, "state": run.state}
    if options["search"]:
        run.search.refresh_from_db()
        return {**made, "report": run.search.report, "error": run.error}
    return {**made, "verdict": run.verdict}


def _request_run(options: Options) -> TrainingRun:
    if options["minutes"] is not None or options["max_trials"] is not None:
        raise BadData("--minutes and --max-trials belong to a search; add --search.")
    return train_services.request_run(
        catalog=_catalog(options),
        model=options["model"],
        mode=options["mode"],
        config=_settings(options["set"]) if options["set"] else None,
        seed=options["seed"],
        teacher=_version(options, options["teacher"]) if options["teacher"] else None,
    )


def _settings(pairs: list[str]) -> dict[str, Any]:
    """Read `option=number` pairs. Raises: BadData for anything else."""
    try:
        return {name: json.loads(value) for name, value in (pair.split("=", 1) for pair in pairs)}
    except ValueError as error:
        raise BadData(
            f"--set takes OPTION=NUMBER, such as --set epochs=10; got {pairs}."
        ) from error


def _request_search(options: Options) -> TrainingRun:
    if options["teacher"] or options["set"]:
        raise BadData("A search chooses its settings, and has no teacher; leave them out.")
    if options["minutes"] is None:
        raise BadData("A search needs its budget; add --minutes, such as --minutes 5.")
    if options["max_trials"] is None:
        options["max_trials"] = train_services.MOST_TRIALS
    wish = train_services.SearchWish(
        minutes=options["minutes"],
        model=options["model"],
        max_trials=options["max_trials"],
        seed=options["seed"],
    )
    return train_services.request_search(catalog=_catalog(options), wish=wish)


def promote(options: Options) -> dict[str, Any]:
    """Make the named version live."""
    made = promotions.promote(
        version=_version(options, options["version"]),
        actor="shell",
        reason=options["reason"],
        force=options["force"],
    )
    return {"live": str(made.version), "before": str(made.previous or "none")}


def rollback(options: Options) -> dict[str, Any]:
    """Make the version before live again."""
    made = promotions.roll_back(catalog=_catalog(options), actor="shell", reason=options["reason"])
    return {"live": str(made.version), "before": str(made.previous or "none")}


def versions(options: Options) -> list[dict[str, Any]]:
    """List versions, newest first, with their newest evaluation."""
    rows = []
    for version in ModelVersion.objects.filter(catalog=_catalog(options)).order_by("-number"):
        judged = version.evaluations.order_by("-id").first()
        figure = judged.metrics.get("ndcg@10", {}).get("value") if judged else None
        rows.append(
            {
                "version": version.label,
                "model": version.model,
                "state": version.state,
                "ndcg@10": figure,
            }
        )
    return rows


def jobs(options: Options) -> list[dict[str, Any]]:  # noqa: ARG001
    """List jobs that are open or dead."""
    states = [Job.State.DUE, Job.State.CLAIMED, Job.State.DEAD]
    found = Job.objects.filter(state__in=states).order_by("id")
    return [
        {"id": job.pk, "task": job.task, "state": job.state, "tries": job.attempts} for job in found
    ]


def recommend(options: Options) -> list[dict[str, Any]]:
    """List what the user would get now."""
    answer = serve.recommend(_request(options))
    return [
        {
            "position": item.position,
            "item": item.external_id,
            "title": item.title,
            "score": round(item.score, 4),
            "why": "; ".join(reason.text for reason in item.reasons),
        }
        for item in answer.items
    ]


def explain(options: Options) -> Any:
    """Say what an item's score is made of, for a user."""
    answer = serve.rank(_request(options, explain=True), [options["item"]])
    item = answer.items[0]
    parts = item.explanation.contributions if item.explanation else ()
    return {
        "item": item.external_id,
        "score": item.score,
        "bias": item.explanation.bias if item.explanation else 0.0,
        "parts": [{"text": part.text, "weight": part.weight} for part in parts],
    }


def whynot(options: Options) -> dict[str, Any]:
    """Name the first stage that keeps an item from a user."""
    catalog = _catalog(options)
    found = serve.trace(
        catalog=catalog,
        user=collect.find_user(catalog, options["user"]),
        item=options["item"],
    )
    why = found.why_not
    return {
        "item": options["item"],
        "stage": why.stage if why else "",
        "why": why.text if why else "",
    }


def simulate(options: Options) -> dict[str, Any]:
    """Play visits that end now."""
    if options["visits"] < 1 or options["days"] <= 0:
        raise BadData("--visits must be at least 1 and --days more than 0.")
    now = clock.now()
    stretch = Stretch(
        starts_at=now - timedelta(days=options["days"]),
        ends_at=now,
        visits=options["visits"],
        first_visit=int(now.timestamp()),
    )
    with step("Simulating visits (demo data)") as bar:
        played = play(catalog=_catalog(options), stretch=stretch, progress=bar)
    return {"visits": played}


def key(options: Options) -> dict[str, Any]:
    """Make an API key; only its hash is kept."""
    _, text = keys.make_key(
        catalog=_catalog(options),
        name=options["name"],
        kind="sk",
        scopes=options["scopes"] or ["recommend", "events", "read"],
        created_by="shell",
    )
    return {"key": text}


def _catalog(options: Options) -> Catalog:
    slug = options["catalog"]
    found = Catalog.objects.filter(slug=slug) if slug else Catalog.objects.filter(is_default=True)
    catalog = found.first()
    if catalog is None:
        known = ", ".join(Catalog.objects.values_list("slug", flat=True)) or "none yet"
        raise Missing(f"No catalog {slug or '(default)'}; there are: {known}.")
    return catalog


def _version(options: Options, label: str) -> ModelVersion:
    digits = label.removeprefix("v")
    found = ModelVersion.objects.filter(
        catalog=_catalog(options), number=int(digits) if digits.isdigit() else 0
    ).first()
    if found is None:
        raise Missing(f"No version {label}; `rec versions` lists them.")
    return found


def _request(options: Options, *, explain: bool = False) -> ListRequest:
    return ListRequest(
        catalog=_catalog(options), user_ref=options["user"], explain=explain, is_shadow=True
    )
