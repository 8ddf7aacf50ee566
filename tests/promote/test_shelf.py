import os
import time
from pathlib import Path

import pytest

from recommender.promote import shelf
from tests.factories import START, make_catalog, make_version

pytestmark = pytest.mark.django_db
HOUR = 3_600


@pytest.fixture
def root(settings, tmp_path):
    settings.ARTIFACTS_DIR = tmp_path
    return tmp_path


def make_folder(path: Path, *, age_s: float = 0) -> Path:
    path.mkdir(parents=True)
    (path / "weights").write_text("x")
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_the_live_one_and_the_newest_five_of_each_kind_keep_their_files(root):
    catalog = make_catalog()
    made = {}
    for state in ["retired"] * 7 + ["candidate"] * 6 + ["live"]:
        folder = make_folder(root / catalog.slug / f"{state}{len(made)}")
        version = make_version(catalog, state=state, path=str(folder))
        if state == "retired":
            version.retired_at = START.replace(hour=len(made))
            version.save()
        made[version.pk] = folder
    old = shelf.remove_old(catalog=catalog)
    assert [version.state for version in old] == ["retired", "retired", "candidate"]
    assert [folder.exists() for folder in made.values()] == [False] * 2 + [True] * 5 + [False] + [
        True
    ] * 6
    assert old[0].broken_reason == "its files were removed: only the newest 5 are kept"
    assert shelf.remove_old(catalog=catalog) == []


def test_orphans_older_than_an_hour_go_and_younger_or_owned_folders_stay(root):
    catalog = make_catalog()
    owned = make_folder(root / catalog.slug / "v1", age_s=9 * HOUR)
    make_version(catalog, path=str(owned))
    orphan = make_folder(root / catalog.slug / "v2", age_s=HOUR + 60)
    draft = make_folder(root / catalog.slug / ".v3.draft", age_s=HOUR + 60)
    fresh = make_folder(root / catalog.slug / "v4", age_s=HOUR - 60)
    assert set(shelf.remove_orphans()) == {orphan, draft}
    assert (owned.exists(), fresh.exists(), orphan.exists()) == (True, True, False)


def test_no_folder_yet_is_no_error(settings, tmp_path):
    settings.ARTIFACTS_DIR = tmp_path / "none"
    assert shelf.remove_orphans() == []
