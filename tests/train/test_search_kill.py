"""Kill a search at every named place: it goes on behind its finished trials, as if unharmed."""

import json
import subprocess
import sys
from typing import Any

import pytest

from recommender.train import failpoints
from tests.jobs.site import ROOT, make_site

pytestmark = pytest.mark.chaos
KEPT = {  # finished trials that the row keeps when the process dies there for the first time
    "search.before": 0,
    "search.epoch_done": 0,
    "search.trial_done": 0,
    "search.trial_noted": 1,
    "search.trials_over": 3,
    "search.refitted": 3,
    "search.judged": 3,
    "search.reported": 3,
}


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, Any]:
    site = make_site(tmp_path_factory.mktemp("searched") / "data")
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.search_sweep"],
        cwd=ROOT,
        env=site.env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_place_of_the_search_is_in_the_code_and_none_is_one_of_the_loop():
    code = "".join(path.read_text() for path in (ROOT / "recommender").rglob("*.py"))
    assert [name for name in failpoints.OF_SEARCH if f'hit("{name}")' not in code] == []
    assert not set(failpoints.OF_SEARCH) & set(failpoints.NAMES)
    assert set(KEPT) == set(failpoints.OF_SEARCH)


@pytest.mark.parametrize("place", failpoints.OF_SEARCH)
def test_a_killed_search_ends_with_the_very_trials_of_one_that_was_not(found, place):
    after, unharmed = found[place], found[""]
    assert after["code"] == failpoints.EXIT_CODE, "the place was not reached"
    assert (after["again"], after["state"], after["error"]) == (0, "done", "")
    assert after["kept"] == KEPT[place]
    assert len(unharmed["trials"]) == 3
    assert after["trials"] == unharmed["trials"]
    assert after["report"] == unharmed["report"]
    assert after["spent_grew"]
    assert after["versions"] == 0
