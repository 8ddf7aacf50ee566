"""The steps behind `make demo`.

Each looks at what is there and does only what is missing, so that a second start is quick and a
start after a kill goes on where the first one stopped.
"""

import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction

from recommender import clock
from recommender.accounts import keys
from recommender.accounts.models import Account, ApiKey
from recommender.accounts.services import create_account
from recommender.catalog import films
from recommender.catalog.embed import embed_items, encoders_for, missing_vectors
from recommender.catalog.models import Catalog, ImportRun
from recommender.catalog.services import create_catalog
from recommender.collect import services as collect
from recommender.collect.models import User, UserState
from recommender.errors import NotReady, Refused
from recommender.jobs.services import enqueue
from recommender.management.progress import step
from recommender.simulate import generated
from recommender.simulate.services import Stretch, played, simulate
from recommender.tasks import run_now
from recommender.train import services as train
from recommender.train.models import TrainingRun

SLUG = "films"
STRETCH_DAYS = 7  # of made-up traffic before the first start
VISITS_FIRST, VISITS_SECOND = 110, 150
LEASE_WAIT_S = 45
LAST_RATING_S = 893_286_638  # the newest rating of MovieLens-100K, 1998-04-23


@dataclass(frozen=True)
class Credentials:
    """What `make demo` prints; kept in a file that only its owner can read."""

    operator: str
    operator_password: str
    visitor: str
    visitor_password: str
    newcomer: str
    newcomer_password: str
    api_key: str


def credentials_path() -> Path:
    """Return where the demo's accounts are kept."""
    return Path(settings.DATA_DIR) / "demo-accounts.json"


def prepare(data: str) -> Credentials:
    """Bring the demo to the point where the servers can start.

    Args:
        data: "films" for MovieLens-100K with CC0 film facts, "generated" for made-up films.
    """
    catalog = ensure_catalog(data)
    started = catalog.created_at
    first = started - timedelta(days=STRETCH_DAYS)
    second = started - timedelta(days=STRETCH_DAYS * 3 // 7)
    with clock.at(first - timedelta(hours=1)):  # the made-up week begins with the data in place
        load_items_and_ratings(catalog, data)
        embed(catalog)
    train_fast(catalog, "popularity", first)
    play(catalog, Stretch(first, second, VISITS_FIRST))
    train_fast(catalog, "item_knn", second)
    end = started - timedelta(minutes=5)
    play(catalog, Stretch(second, end, VISITS_SECOND, first_visit=VISITS_FIRST))
    credentials = ensure_accounts(catalog)
    queue_default(catalog)
    return credentials


def ensure_catalog(data: str) -> Catalog:
    """Create the demo's catalog once."""
    found = Catalog.objects.filter(slug=SLUG).first()
    if found:
        return found
    now = clock.now()
    shift = int(now.timestamp()) - (STRETCH_DAYS * 86_400 + 43_200) - LAST_RATING_S
    return create_catalog(
        slug=SLUG,
        name="Films",
        scenario="films",
        is_default=True,
        is_demo=True,
        notice=films.NOTICE if data == "films" else "",
        time_shift_s=shift if data == "films" else 0,
    )


def load_items_and_ratings(catalog: Catalog, data: str) -> None:
    """Import films, people and ratings; a finished import is left alone."""
    done = ImportRun.objects.filter(catalog=catalog, state=ImportRun.State.DONE)
    if done.filter(kind=ImportRun.Kind.EVENTS).exists():
        return
    with step("Loading films, people and ratings") as bar:
        if data == "films":
            films.load(catalog=catalog, progress=bar)
        else:
            generated.load(catalog=catalog, progress=bar)


def embed(catalog: Catalog) -> None:
    """Let the encoders of the settings read every item that they have not read yet."""
    try:
        encoders = encoders_for(catalog)
    except NotReady as error:
        raise NotReady(f"{error} Or start with ENCODER_TEXT=hashing.") from error
    for encoder in encoders:
        if missing_vectors(catalog=catalog, encoder=encoder):
            with step(f"Reading items ({encoder.id})") as bar:
                embed_items(catalog=catalog, encoder=encoder, progress=bar)


def train_fast(catalog: Catalog, model: str, moment: datetime) -> None:
    """Train one fast model here, as of the given time, through the same loop as the worker's."""
    runs = TrainingRun.objects.filter(catalog=catalog, model=model)
    if runs.filter(state__in=["ready", "rejected"]).exists():
        return
    with clock.at(moment), step(f"Training {model}"):
        run = runs.active().first()
        if run is None:
            run = train.request_run(catalog=catalog, model=model, trigger="demo")
        run = _run_here(run.id)
    if run.state not in {"ready", "rejected"}:
        raise NotReady(f"Training {model} ended as {run.state}: {run.error}")


def _run_here(run_id: int) -> TrainingRun:
    """Run it in this process; a start that was killed holds its lease for half a minute more."""
    deadline = time.monotonic() + LEASE_WAIT_S
    while True:
        try:
            return run_now(run_id)
        except Refused:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def is_training() -> bool:
    """Say whether a run of the demo's catalog is queued or at work."""
    return TrainingRun.objects.active().filter(catalog__slug=SLUG).exists()


def play(catalog: Catalog, stretch: Stretch) -> None:
    """Play made-up visits; they are labeled as demo data everywhere."""
    if played(catalog=catalog, stretch=stretch) >= stretch.visits:
        return
    with step("Simulating visits (demo data)") as bar:
        simulate(catalog=catalog, stretch=stretch, progress=bar)


def ensure_accounts(catalog: Catalog) -> Credentials:
    """Create three accounts and one key with random secrets, once; later starts read the file."""
    path = credentials_path()
    if path.exists() and ApiKey.objects.filter(catalog=catalog, name="demo").exists():
        return Credentials(**json.loads(path.read_text()))
    with transaction.atomic():
        Account.objects.filter(username__in=["operator", "visitor", "newcomer"]).delete()
        ApiKey.objects.filter(catalog=catalog, name="demo").delete()
        passwords = [secrets.token_urlsafe(9) for _ in range(3)]
        create_account(username="operator", password=passwords[0], is_operator=True)
        visitor = create_account(username="visitor", password=passwords[1])
        create_account(username="newcomer", password=passwords[2])
        give_history(catalog, visitor)
        _, plain = keys.make_key(
            catalog=catalog,
            name="demo",
            kind="sk",
            scopes=list(keys.SCOPES),
            created_by="operator",
        )
        made = Credentials(
            "operator", passwords[0], "visitor", passwords[1], "newcomer", passwords[2], plain
        )
        _write_private(path, json.dumps(asdict(made)))
    return made


def give_history(catalog: Catalog, account: Account) -> None:
    """Tie the account to a person of the data with a middling number of ratings."""
    states = UserState.objects.filter(
        catalog=catalog, rating_count__range=(25, 60), user__is_simulated=False
    )
    state = states.order_by("user_id").first()
    if state:
        User.objects.filter(pk=state.user_id).update(account=account)
    else:
        collect.user_for_account(catalog=catalog, account=account)


def queue_default(catalog: Catalog) -> None:
    """Ask the worker for the default model, once."""
    if TrainingRun.objects.filter(catalog=catalog, model=catalog.default_model).exists():
        return
    if TrainingRun.objects.active().filter(catalog=catalog).exists():
        return
    with transaction.atomic():
        run = train.request_run(catalog=catalog, model=catalog.default_model, trigger="demo")
        enqueue("recommender.train", queue="learning", dedup_key=f"run:{run.id}", run_id=run.id)


def _write_private(path: Path, text: str) -> None:
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(path)
