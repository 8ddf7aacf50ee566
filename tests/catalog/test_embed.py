from dataclasses import replace

import numpy as np
import pytest

from recommender.catalog import embed
from recommender.catalog.embed import embed_items, missing_vectors
from recommender.catalog.models import Item, ItemVector
from recommender.catalog.services import ItemInput, put_items
from recommender.catalog.text import MOST_CHARACTERS, item_text
from tests.factories import make_catalog

pytestmark = pytest.mark.django_db


class Counting:
    """Encodes by length, and counts what it was given."""

    dimension = 2
    modality = "text"

    def __init__(self, version: str = "1", dies_after: int = 10**9, id: str = "counting"):
        self.id = id
        self.version = version
        self.read: list[str] = []
        self.dies_after = dies_after

    def encode(self, texts, skipped=None):
        del skipped
        if len(self.read) >= self.dies_after:
            raise KeyboardInterrupt
        self.read.extend(texts)
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)


@pytest.fixture
def catalog():
    catalog = make_catalog()
    put_items(catalog=catalog, items=[ItemInput(str(n), f"Film {n}") for n in range(5)])
    return catalog


def test_every_item_gets_its_vector_and_progress_is_told(catalog, monkeypatch):
    monkeypatch.setattr(embed, "BATCH", 2)
    told = []
    done = embed_items(
        catalog=catalog, encoder=Counting(), progress=lambda *args: told.append(args)
    )
    assert done == 5
    assert told == [(2, 5), (4, 5), (5, 5)]
    vector = ItemVector.objects.get(item__external_id="3")
    assert np.frombuffer(bytes(vector.vector), "<f4").tolist() == [6.0, 1.0]
    assert vector.source_hash == Item.objects.get(external_id="3").text_hash


def test_a_second_run_encodes_nothing(catalog):
    embed_items(catalog=catalog, encoder=Counting())
    again = Counting()
    assert missing_vectors(catalog=catalog, encoder=again) == 0
    assert embed_items(catalog=catalog, encoder=again) == 0
    assert again.read == []


def test_only_a_changed_text_is_encoded_again(catalog):
    embed_items(catalog=catalog, encoder=Counting())
    put_items(
        catalog=catalog, items=[ItemInput("1", "Film 1", price=3.0), ItemInput("2", "Another")]
    )
    again = Counting()
    embed_items(catalog=catalog, encoder=again)
    assert again.read == ["Another"]
    assert ItemVector.objects.count() == 5


def test_a_new_version_of_the_encoder_reads_everything_again(catalog):
    embed_items(catalog=catalog, encoder=Counting("1"))
    embed_items(catalog=catalog, encoder=Counting("2"))
    assert set(ItemVector.objects.values_list("encoder_version", flat=True)) == {"2"}
    assert ItemVector.objects.count() == 5


def test_the_last_encoders_vectors_stay_until_the_new_one_has_read_everything(catalog, monkeypatch):
    monkeypatch.setattr(embed, "BATCH", 2)
    embed_items(catalog=catalog, encoder=Counting())
    with pytest.raises(KeyboardInterrupt):
        embed_items(catalog=catalog, encoder=Counting(id="other", dies_after=4))
    assert ItemVector.objects.filter(encoder_id="counting").count() == 5
    assert ItemVector.objects.filter(encoder_id="other").count() == 4
    embed_items(catalog=catalog, encoder=Counting(id="other"))
    assert set(ItemVector.objects.values_list("encoder_id", flat=True)) == {"other"}


def test_a_killed_run_keeps_its_batches_and_goes_on(catalog, monkeypatch):
    monkeypatch.setattr(embed, "BATCH", 2)
    with pytest.raises(KeyboardInterrupt):
        embed_items(catalog=catalog, encoder=Counting(dies_after=4))
    again = Counting()
    assert embed_items(catalog=catalog, encoder=again) == 1
    assert again.read == ["Film 4"]


def test_another_catalogs_items_are_left_alone(catalog):
    assert embed_items(catalog=make_catalog(), encoder=Counting()) == 0


def test_the_text_has_the_telling_parts_first_and_ends_somewhere():
    item = ItemInput("1", "Heat", "A heist.", categories=["Crime"], creators=["Michael Mann"])
    assert item_text(item) == "Heat. Crime. Michael Mann. A heist."
    assert len(item_text(replace(item, description="x" * 9999))) == MOST_CHARACTERS
