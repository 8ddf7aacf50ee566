"""Import a file: streamed, once, and going on where a killed import stopped.

Each batch of rows is written in one transaction with the run's count of records done, so the two
never disagree. The rejects file is written before the commit and cut back to the committed number
of rejects when a run goes on.
"""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from recommender import clock
from recommender.catalog.formats import FORMATS
from recommender.catalog.formats.base import Format, Record, Row, RowError
from recommender.catalog.formats.source import Source, scan
from recommender.catalog.models import Catalog, ImportRun
from recommender.catalog.sinks import Outcome, Progress, Reject, Sink, make_sink
from recommender.errors import BadData, Refused

LOOKED_AT = 20
RAW_LENGTH = 1000
_REJECT_COLUMNS = ("line", "field", "reason", "raw")


def import_file(
    *,
    catalog: Catalog,
    kind: str,
    format: str,
    path: Path | str,
    progress: Progress | None = None,
) -> ImportRun:
    """Import users, items or events from a file; return the run with its counts.

    A file that was imported before gives its finished run, and one that was begun goes on.

    Args:
        kind: `items`, `users` or `events`.
        format: a name in `FORMATS`.
        path: the file, or the folder in which the format keeps it.
        progress: called with (records done, lines in all, what is being done).
    Raises: BadData, before anything is stored, when the file is not what it claims to be; Refused
        when another process is importing the same file.
    """
    if format not in FORMATS:
        raise BadData(
            _("The format is %(name)r; choose one of %(known)s.")
            % {"name": format, "known": ", ".join(FORMATS)}
        )
    if kind not in ImportRun.Kind.values:
        raise BadData(
            _("The kind is %(name)r; choose one of %(known)s.")
            % {"name": kind, "known": ", ".join(ImportRun.Kind.values)}
        )
    return import_with(Job(catalog, kind, format, FORMATS[format], Path(path)), progress or _silent)


@dataclass(frozen=True)
class Job:
    """One file to import, and how to read it."""

    catalog: Catalog
    kind: str
    name: str
    format: Format
    path: Path


def import_with(job: Job, progress: Progress) -> ImportRun:
    """Import with a format that need not be in `FORMATS`; see `import_file`."""
    file = job.format.locate(job.kind, job.path)
    source = scan(file, job.format.encoding)
    _look_at_head(job, source)
    run = _start(job, source)
    if run.state == ImportRun.State.DONE:
        progress(run.lines_total, run.lines_total, job.kind)
        return run
    try:
        sink = make_sink(job.kind, job.catalog)
        _copy(job, run, source, sink, progress)
        sink.finish(progress)
    except Refused:
        raise
    except Exception as error:
        ImportRun.objects.filter(pk=run.pk).update(
            state=ImportRun.State.FAILED, error=str(error)[:2000], updated_at=clock.now()
        )
        raise
    return _finish(run)


def _silent(done: int, total: int, label: str) -> None:
    pass


def _look_at_head(job: Job, source: Source) -> None:
    first: RowError | None = None
    line = 0
    for record in islice(job.format.records(job.kind, source), LOOKED_AT):
        try:
            job.format.parse(job.kind, record)
        except RowError as error:
            if first is None:
                first, line = error, record.line
        else:
            return
    if first is None:
        raise BadData(_("%(file)s has no rows below its header.") % {"file": source.path.name})
    raise BadData(
        _("%(file)s is not a file of %(kind)s in the format %(format)s: line %(line)d: %(why)s.")
        % {
            "file": source.path.name,
            "kind": job.kind,
            "format": job.name,
            "line": line,
            "why": f"{first.field} {first.reason}",
        }
    )


@transaction.atomic
def _start(job: Job, source: Source) -> ImportRun:
    moment = clock.now()
    run, is_new = ImportRun.objects.select_for_update().get_or_create(
        catalog=job.catalog,
        kind=job.kind,
        format=job.name,
        sha256=source.sha256,
        defaults={
            "source": str(source.path)[-500:],
            "lines_total": source.lines,
            "started_at": moment,
            "updated_at": moment,
        },
    )
    if not is_new and run.state == ImportRun.State.FAILED:
        if run.rejected == run.lines_done:
            # Nothing came of it, as when events are imported before their items: begin anew.
            run.lines_done = run.accepted = run.duplicates = run.rejected = 0
        run.state = ImportRun.State.RUNNING
        run.error = ""
        run.updated_at = moment
        run.save()
    return run


def _copy(job: Job, run: ImportRun, source: Source, sink: Sink, progress: Progress) -> None:
    rejects = Path(settings.IMPORTS_DIR) / f"rejects-{run.pk}.csv"
    _cut_rejects(rejects, run.rejected)
    records = islice(job.format.records(job.kind, source), run.lines_done, None)
    for batch in _batches(records, sink.batch):
        outcome = Outcome()
        rows = _parse(job, batch, outcome)
        with transaction.atomic():
            sink.write(rows, outcome)
            outcome.rejects.sort(key=lambda reject: reject.line)
            _keep_rejects(rejects, outcome.rejects)
            _note(run, len(batch), outcome, rejects)
        progress(min(batch[-1].line, source.lines), source.lines, job.kind)


def _batches(records: Iterator[Record], size: int) -> Iterator[list[Record]]:
    while batch := list(islice(records, size)):
        yield batch


def _parse(job: Job, batch: Sequence[Record], outcome: Outcome) -> list[tuple[Record, Row]]:
    rows = []
    for record in batch:
        try:
            rows.append((record, job.format.parse(job.kind, record)))
        except RowError as error:
            outcome.refuse(record, error)
    return rows


def _note(run: ImportRun, count: int, outcome: Outcome, rejects: Path) -> None:
    """Move the run on, unless somebody else did meanwhile."""
    moved = ImportRun.objects.filter(
        pk=run.pk, lines_done=run.lines_done, state=ImportRun.State.RUNNING
    ).update(
        lines_done=F("lines_done") + count,
        accepted=F("accepted") + outcome.accepted,
        duplicates=F("duplicates") + outcome.duplicates,
        rejected=F("rejected") + len(outcome.rejects),
        rejects_path=str(rejects) if rejects.exists() else "",
        updated_at=clock.now(),
    )
    if not moved:
        raise Refused(
            _("Another process is importing %(file)s; wait for it to end.")
            % {"file": Path(run.source).name}
        )
    run.lines_done += count


@transaction.atomic
def _finish(run: ImportRun) -> ImportRun:
    run.refresh_from_db()
    run.state = ImportRun.State.DONE
    if run.rejected and run.rejected == run.lines_done:
        run.state = ImportRun.State.FAILED
        run.error = _("All %(n)d rows were refused; see %(path)s.") % {
            "n": run.rejected,
            "path": run.rejects_path,
        }
    run.updated_at = clock.now()
    run.save(update_fields=["state", "error", "updated_at"])
    return run


def _keep_rejects(path: Path, rejects: Sequence[Reject]) -> None:
    if not rejects:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        if is_new:
            writer.writerow(_REJECT_COLUMNS)
        for reject in rejects:
            parts = (reject.field, reject.reason, reject.raw[:RAW_LENGTH])
            writer.writerow([reject.line, *map(_harmless, parts)])
        out.flush()
        os.fsync(out.fileno())


def _harmless(text: str) -> str:
    """Keep a cell on one line, and a spreadsheet from running it as a formula."""
    text = text.replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n")
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t")) else text


def _cut_rejects(path: Path, kept: int) -> None:
    """Drop rejects that were written for a batch whose commit never came."""
    if not path.exists():
        return
    with path.open("rb+") as lines:
        for _number in range(kept + 1 if kept else 0):
            lines.readline()
        lines.truncate(lines.tell())
    if not kept:
        path.unlink()
