"""Sites for tests that need real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import recommender.tasks  # noqa: F401 - registers the tasks, as a worker does
from tests.jobs.site import Site, make_site


@pytest.fixture(scope="session")
def blank_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate one database for the whole session."""
    return make_site(tmp_path_factory.mktemp("blank") / "data").folder


@pytest.fixture
def site(tmp_path: Path, blank_site: Path) -> Iterator[Site]:
    """Return an empty site; its processes end with the test."""
    made = make_site(tmp_path / "data", blank_site)
    yield made
    made.stop()
