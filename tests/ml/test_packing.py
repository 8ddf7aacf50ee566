from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from recommender.ml.manifest import ArtifactError
from recommender.ml.packing import (
    pack,
    quantize_lists,
    quantize_rows,
    read_gaps,
    unpack,
    with_remainder,
    write_gaps,
)

TABLES = arrays_of.arrays(
    np.float32,
    arrays_of.array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.floats(-1e6, 1e6, width=32),
)
TINY = float(np.finfo(np.float32).tiny)
LISTS = st.lists(st.lists(st.integers(0, 2**31 - 1), unique=True, max_size=6).map(sorted))


def joined(lists):
    return np.array([number for numbers in lists for number in numbers], np.int64)


def starts_of(lists):
    return np.cumsum([0, *map(len, lists)])


@given(TABLES)
def test_a_row_in_bytes_is_within_half_a_step_of_itself(table):
    rows, scale = quantize_rows(table)
    gap = np.abs(rows * scale[:, None].astype(np.float64) - table)
    # The scale itself is a float32, and the smallest numbers have no scale at all.
    assert (gap <= scale[:, None] * (0.5 + 1e-4) + TINY).all()


@given(TABLES)
def test_a_row_of_zeros_stays_zero_and_negating_a_row_negates_its_bytes(table):
    rows, _ = quantize_rows(table)
    assert (rows[~table.any(axis=1)] == 0).all()
    assert (quantize_rows(-table)[0] == -rows).all()


@given(LISTS, st.booleans())
def test_a_list_in_bytes_is_within_half_a_step_of_itself(lists, is_signed):
    starts = starts_of(lists)
    data = np.sin(np.arange(starts[-1], dtype=np.float64)).astype(np.float32)
    data = data if is_signed else np.abs(data)
    stored, scale = quantize_lists(data, starts)
    steps = np.repeat(scale.astype(np.float64), np.diff(starts))
    assert (np.abs(stored * steps - data) <= steps * (0.5 + 1e-4)).all()


@given(LISTS)
def test_item_numbers_survive_as_gaps(lists):
    numbers, starts = joined(lists), starts_of(lists)
    assert read_gaps(write_gaps(numbers, starts), starts).tolist() == numbers.tolist()


@given(LISTS, st.data())
def test_changed_gaps_are_refused_or_read_as_as_many_numbers(lists, data):
    starts = starts_of(lists)
    written = write_gaps(joined(lists), starts)
    if not len(written):
        return
    written[data.draw(st.integers(0, len(written) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(ValueError):
        assert len(read_gaps(written, starts)) == starts[-1]


@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_neighbor_lists_come_back_in_rising_order_with_their_weights(storage):
    arrays = {
        "knn__indptr": np.array([0, 2, 2, 3]),
        "knn__indices": np.array([7, 4, 300_000], np.int32),
        "knn__data": np.array([1.0, 0.5, 0.25], np.float32),
    }
    whole = unpack(pack(arrays, storage))
    assert whole["knn__indices"].tolist() == [4, 7, 300_000]
    np.testing.assert_allclose(whole["knn__data"], [0.5, 1.0, 0.25], atol=1 / 510 + 1e-6)
    assert whole["knn__indptr"].dtype == np.int64


def test_ids_beyond_four_bytes_stay_as_they_are():
    assert pack({"item_ids": np.array([0, 2**40])}, "float16")["item_ids"].tolist() == [0, 2**40]


@pytest.mark.parametrize("storage", ["float16", "int8"])
@pytest.mark.parametrize("highest", [1e-30, 1e-9, 1e-4, 1.0, 1e6, 1e30])
def test_columns_keep_their_proportions_however_small_or_large(storage, highest):
    bias = (np.linspace(0, 1, 300) * highest).astype(np.float32)
    whole = unpack(pack({"item_bias": bias}, storage))
    np.testing.assert_allclose(whole["item_bias"], bias, rtol=2**-11, atol=highest * 2**-24)
    assert (np.diff(whole["item_bias"]) > 0).all()


def test_columns_near_one_need_no_scale():
    assert list(pack({"item_bias": np.linspace(-3, 3, 300)}, "float16")) == ["item_bias"]


def test_what_a_solver_inverts_is_not_rounded():
    gram = np.random.default_rng(1).normal(size=(9, 9))
    assert pack({"gram": gram}, "int8")["gram"] is gram


@pytest.mark.parametrize(
    ("scale", "reason"),
    [
        (np.ones(2, np.float32), "one number a row"),
        (np.ones(3, np.float64), "bytes or half floats"),
        (np.array([1, -1, 1], np.float32), "below zero"),
        (np.array([1, np.nan, 1], np.float32), "no number"),
    ],
)
def test_a_scale_that_does_not_fit_is_refused(scale, reason):
    with pytest.raises(ArtifactError, match=f"item_vectors.*npy: .*{reason}"):
        unpack({"item_vectors": np.ones((3, 2), np.int8), "item_vectors_scale": scale})


def test_scaled_half_floats_that_do_not_fit_are_refused():
    halves, whole = np.ones(300, np.float16), np.ones(300, np.float32)
    with pytest.raises(ArtifactError, match=r"its shape is \(300,\), one number is needed"):
        unpack({"bias": halves, "bias_scale": whole})
    with pytest.raises(ArtifactError, match="bytes or half floats are needed"):
        unpack({"bias": whole, "bias_scale": whole[:1]})


def test_lists_that_are_cut_short_are_refused():
    starts = np.array([0, 2])
    with pytest.raises(ArtifactError, match=r"indices\.npy: its lists cannot be read"):
        unpack({"indptr": starts, "indices": np.array([1], np.uint8)})
    with pytest.raises(ArtifactError, match="its length is not that of its lists"):
        unpack(
            {
                "indptr": starts,
                "data": np.ones(1, np.uint8),
                "data_scale": np.ones(1, np.float32),
            }
        )


def test_a_part_left_out_is_what_the_others_lack():
    arrays = {"all": np.array([[5.0]]), "a": np.array([[1.0]]), "b": np.array([[1.5]])}
    assert with_remainder(arrays, {"c": ("all", ["a", "b"])})["c"].tolist() == [[2.5]]
    with pytest.raises(ArtifactError, match=r"c\.npy: it cannot be worked out \('gone'\)"):
        with_remainder(arrays, {"c": ("all", ["gone"])})
