"""Item vectors as sums: of an id, of what encoders read, of what the catalog says."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.ml.interactions import Modality
from recommender.ml.models.base import WarmStart
from recommender.ml.models.item_table import ItemTable, ItemTableConfig
from recommender.ml.scoring import History
from tests.ml.planted import planted
from tests.ml.small import context_for, trained

TEXT, PICTURE, SOUND = (
    Modality("text", 4, "use@1"),
    Modality("picture", 3, "efficientnet@1"),
    Modality("sound", 2, "musicnn@1"),
)


def with_modalities(data, *modalities, seed=5):
    """Give the data random unit rows per modality; item 1 lacks the first, item 2 all."""
    rng = np.random.default_rng(seed)
    blocks = []
    for modality in modalities:
        block = rng.standard_normal((data.n_items + 1, modality.width)).astype(np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        block[[0, 2]] = 0
        blocks.append(block)
    blocks[0][1] = 0
    return replace(data, content=np.concatenate(blocks, axis=1), modalities=modalities)


def table_of(data, *, seed=1):
    """Build a table whose every parameter is random, as after training."""
    generator = torch.Generator().manual_seed(seed)
    table = ItemTable(data, ItemTableConfig(8, 0.1, 0.0), generator)
    with torch.no_grad():
        for parameter in table.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return table.eval()


@pytest.fixture
def data():
    return with_modalities(planted(), TEXT, PICTURE, SOUND)


def test_parts_sum_to_the_vector(data):
    table = table_of(data)
    parts = table.components()
    assert list(parts) == ["taste", "content_text", "content_picture", "content_sound", "features"]
    whole = table(torch.arange(data.n_items + 1))
    torch.testing.assert_close(sum(parts.values()), whole, atol=1e-5, rtol=0)
    assert not whole[0].any()


def test_an_item_without_a_modality_gets_exactly_the_sum_of_the_others(data):
    table = table_of(data)
    parts = {name: part.detach() for name, part in table.components().items()}
    assert not parts["content_text"][1].any()
    assert parts["content_picture"][1].any()
    others = parts["taste"][1] + parts["content_picture"][1] + parts["content_sound"][1]
    torch.testing.assert_close(
        table(torch.tensor([1]))[0].detach(), others + parts["features"][1], atol=1e-5, rtol=0
    )
    nothing = parts["taste"][2] + parts["features"][2]
    torch.testing.assert_close(table(torch.tensor([2]))[0].detach(), nothing, atol=1e-6, rtol=0)


def test_a_part_is_its_projection_times_its_gate_worked_by_hand():
    data = replace(
        planted(),
        content=np.tile(np.array([[0.6, 0.8]], np.float32), (31, 1)),
        modalities=(Modality("text", 2, "use@1"),),
    )
    table = ItemTable(data, ItemTableConfig(1, 0.1, 0.0), torch.Generator())
    maps = table.content
    (key,) = maps.maps
    with torch.no_grad():
        maps.maps[key].copy_(torch.tensor([[2.0], [1.0]]))
        maps.gates[key].copy_(torch.tensor([-2.0, -1.0]))
    # The gate: 2 − .6 · 2 − .8 · 1 = 0, so half of .6 · 2 + .8 · 1 = 2 goes through.
    assert table.components()["content_text"][3].item() == pytest.approx(1.0)


def test_a_gate_starts_open_and_its_map_at_zero(data):
    table = ItemTable(data, ItemTableConfig(8, 0.1, 0.0), torch.Generator())
    biases = [torch.sigmoid(bias).item() for bias in table.content.gate_biases.values()]
    assert biases == pytest.approx([0.8808] * 3, abs=1e-4)
    assert not table.components()["content_text"].any()


@settings(max_examples=25, deadline=None)
@given(mask=st.lists(st.booleans(), min_size=3, max_size=3), item=st.integers(3, 30))
def test_taking_away_modalities_takes_away_exactly_their_parts(mask, item):
    data = with_modalities(planted(n_users=6, n_events=4), TEXT, PICTURE, SOUND)
    parts = table_of(data).components()
    content = data.content.copy()
    for lacks, (_, columns) in zip(mask, data.content_columns(), strict=True):
        if lacks:
            content[item, columns] = 0
    left = table_of(replace(data, content=content)).components()
    for lacks, name in zip(mask, ("text", "picture", "sound"), strict=True):
        expected = torch.zeros(8) if lacks else parts[f"content_{name}"][item]
        torch.testing.assert_close(left[f"content_{name}"][item], expected)


def test_without_content_there_is_no_content_part():
    plain = replace(planted(), content=np.zeros((31, 0), np.float32))
    assert list(table_of(plain).components()) == ["taste", "features"]


@pytest.mark.parametrize("name", ["two_tower", "transformer"])
def test_gates_and_maps_are_learned(name, data):
    module = trained(name, data, epochs=2).module
    maps = module.table.content
    assert all(parameter.abs().sum() > 0 for parameter in maps.maps.values())
    assert all(parameter.abs().sum() > 0 for parameter in maps.gates.values())


@pytest.mark.parametrize("name", ["two_tower", "transformer"])
def test_a_warm_start_takes_over_what_the_same_encoder_read_and_nothing_else(name, data, tmp_path):
    context = context_for(data)
    first = trained(name, data, epochs=2)
    first.export(tmp_path / "v1", context)
    newer = replace(PICTURE, encoder="efficientnet@2")
    changed = with_modalities(planted(), TEXT, newer)
    start = WarmStart(tmp_path / "v1", context.item_ids)
    second = trained(name, changed, start=start, warm_epochs=1, learning_rate=1e-9)
    old, new = first.module.table.content, second.module.table.content
    text, picture = new.maps
    torch.testing.assert_close(new.maps[text], old.maps[text], atol=1e-6, rtol=0)
    assert old.maps[text].abs().max() > 1e-3
    assert new.maps[picture].abs().max() < 1e-6
    assert np.isfinite(second.scorer().score([History.empty()])[0, 1:]).all()


@pytest.mark.parametrize("name", ["two_tower", "transformer"])
def test_a_warm_start_survives_content_that_is_gone(name, data, tmp_path):
    context = context_for(data)
    trained(name, data, epochs=1).export(tmp_path / "v1", context)
    plain = replace(data, content=np.zeros((31, 0), np.float32), modalities=())
    start = WarmStart(tmp_path / "v1", context.item_ids)
    model = trained(name, plain, start=start, warm_epochs=1)
    assert np.isfinite(model.scorer().score([History.empty()])[0, 1:]).all()
