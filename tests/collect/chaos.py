"""Processes that write until they end or are killed; run by test_chaos on their own database.

Usage: chaos.py kill <rounds> | storm <writers> <batches> | spend <spenders> <limit>. Prints one
JSON object. The children are forked from one process that has Django loaded and no connection open,
which saves a second of start-up for each.
"""

import json
import os
import signal
import sys
import uuid
from collections.abc import Iterator

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsite.settings")

import django

django.setup()

from django.db import connections  # noqa: E402

from recommender.accounts.limits import spend  # noqa: E402
from recommender.catalog.models import Catalog  # noqa: E402
from recommender.collect.models import Event, UserState  # noqa: E402
from recommender.collect.services import NewEvent, record_events  # noqa: E402
from recommender.collect.state import decode_history, rebuild_states  # noqa: E402

SIZE = 20
FOREVER = 10**6


def batch(name: str, number: int) -> list[NewEvent]:
    return [
        NewEvent(
            "rating" if at % 2 else "click",
            uuid.uuid5(uuid.NAMESPACE_OID, f"{name}:{number}:{at}"),
            user=f"u{(number + at) % 5}",
            item=str(at % 3),
            value=4.0 if at % 2 else None,
        )
        for at in range(SIZE)
    ]


def write(name: str, batches: int, out: int) -> None:
    """Record batches; after each commit write one line: accepted, duplicates, ids."""
    catalog = Catalog.objects.get(slug="chaos")
    for number in range(batches):
        results = record_events(catalog=catalog, events=batch(name, number), source="api")
        statuses = [result.status for result in results]
        ids = ",".join(str(result.event_id) for result in results)
        line = f"{statuses.count('accepted')} {statuses.count('duplicate')} {ids}\n"
        os.write(out, line.encode())


def child(name: str, batches: int) -> tuple[int, int]:
    """Fork a writer; return its process id and the end of its pipe."""
    end, out = os.pipe()
    pid = os.fork()
    if pid:
        os.close(out)
        return pid, end
    code = 1
    try:
        write(name, batches, out)
        code = 0
    finally:
        os._exit(code)


def kill(rounds: int) -> dict[str, object]:
    """Kill one writer after another in the middle of its work."""
    acknowledged = []
    for number in range(rounds):
        pid, end = child(f"w{number}", FOREVER)
        with os.fdopen(end) as lines:
            heard = [lines.readline() for _ in range(3 + number)]
            os.kill(pid, signal.SIGKILL)
            heard += lines.readlines()
        os.waitpid(pid, 0)
        acknowledged += [name for line in heard for name in line.split()[2].split(",")]
    return {"acknowledged": acknowledged}


def storm(writers: int, batches: int) -> dict[str, object]:
    """Let writers send the same events at the same time, as clients that retry do."""
    children = [child("shared", batches) for _ in range(writers)]
    counts = [0, 0]
    for _pid, end in children:
        with os.fdopen(end) as lines:
            for line in lines:
                counts = [counts[at] + int(line.split()[at]) for at in (0, 1)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid, _end in children]
    return {"accepted": counts[0], "duplicates": counts[1], "codes": codes}


def spend_all(spenders: int, limit: int) -> dict[str, object]:
    """Let processes spend one budget at the same time; count the requests that passed."""
    end, out = os.pipe()
    pids = []
    for _ in range(spenders):
        pid = os.fork()
        if not pid:
            for _request in range(limit):
                passed = spend(subject="busy", limit=limit, window_s=86_400).is_allowed
                os.write(out, b"y" if passed else b"n")
            os._exit(0)
        pids.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    os.close(out)
    with os.fdopen(end) as answers:
        return {"passed": answers.read().count("y"), "codes": codes}


def states() -> Iterator[list[object]]:
    for row in UserState.objects.order_by("user_id"):
        blobs = [bytes(row.seen).hex(), bytes(row.hidden).hex()]
        counts = [row.event_seq, row.rating_count, row.rating_sum, row.positive_count]
        yield [row.user_id, decode_history(row.history), blobs, counts]


def main(mode: str, *numbers: str) -> None:
    connections.close_all()
    found = {"kill": kill, "storm": storm, "spend": spend_all}[mode](*map(int, numbers))
    found["stored"] = [str(name) for name in Event.objects.values_list("event_id", flat=True)]
    found["kept"] = list(states())
    rebuild_states(catalog=Catalog.objects.get(slug="chaos"))
    found["rebuilt"] = list(states())
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
