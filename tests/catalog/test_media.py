"""Pictures and sounds of items: what may be named, and what is read."""

import numpy as np
import pytest

from recommender.catalog import media
from recommender.catalog.embed import embed_items, missing_vectors
from recommender.catalog.models import Item, ItemVector
from recommender.catalog.services import ItemInput, put_items
from recommender.errors import BadData
from tests.factories import make_catalog


class Lengths:
    """Encodes a file by its length."""

    id = "lengths"
    version = "1"
    dimension = 2
    modality = "picture"

    def encode(self, sources, skipped=None):
        del skipped
        sizes = [one.stat().st_size if hasattr(one, "stat") else len(one) for one in sources]
        return np.array([[size, 1.0] for size in sizes], np.float32)


@pytest.fixture
def folder(tmp_path, settings):
    settings.MEDIA_DIR = tmp_path / "media"
    settings.MEDIA_DIR.mkdir()
    (settings.MEDIA_DIR / "a.png").write_bytes(b"first")
    return settings.MEDIA_DIR


HOSTILE = ["../secret", "/etc/passwd", "a/../../secret", "a\\..\\b", "a.png\0", "", "x" * 501, "."]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_path_that_leads_elsewhere_is_refused(folder, name):
    (folder.parent / "secret").write_text("x")
    with pytest.raises(BadData):
        media.path_of("picture", name)


def test_a_link_out_of_the_folder_is_refused(folder):
    (folder.parent / "secret").write_text("x")
    (folder / "link.png").symlink_to(folder.parent / "secret")
    with pytest.raises(BadData, match="no file"):
        media.path_of("picture", "link.png")


def test_a_file_beyond_the_limit_is_refused_with_its_size(folder, monkeypatch):
    monkeypatch.setattr(media, "MOST_BYTES", {"picture": 4, "sound": 4})
    with pytest.raises(BadData, match="has 5 bytes; at most 4"):
        media.path_of("picture", "a.png")


@pytest.mark.django_db
def test_an_item_whose_file_is_missing_is_refused(folder):
    with pytest.raises(BadData, match=r"no file 'b\.png'"):
        put_items(catalog=make_catalog(), items=[ItemInput("1", "One", picture="b.png")])


@pytest.mark.django_db
def test_only_items_with_a_picture_are_read_and_a_new_file_is_read_again(folder):
    catalog = make_catalog()
    items = [ItemInput("1", "One", picture="a.png"), ItemInput("2", "Two")]
    put_items(catalog=catalog, items=items)
    assert missing_vectors(catalog=catalog, encoder=Lengths()) == 1
    assert embed_items(catalog=catalog, encoder=Lengths()) == 1
    assert embed_items(catalog=catalog, encoder=Lengths()) == 0
    (folder / "a.png").write_bytes(b"another one")
    assert embed_items(catalog=catalog, encoder=Lengths()) == 1
    row = ItemVector.objects.get()
    assert (row.modality, row.item) == ("picture", Item.objects.get(external_id="1"))
    assert np.frombuffer(bytes(row.vector), "<f4").tolist() == [11.0, 1.0]
