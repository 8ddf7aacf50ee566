"""Choosing what a version serves: logged, reversible, refused when damaged; and hot swapped."""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from recommender.collect.models import UserState
from recommender.errors import Missing, NotReady, Refused
from recommender.ml.artifact import WEIGHTS, load_model, read_manifest
from recommender.ml.compress import CannotCompressError, compress, variants_of
from recommender.ml.evaluation import Cases
from recommender.prepare.services import freeze, open_snapshot
from recommender.promote import compressing, services, shelf, variants
from recommender.promote.models import ModelVersion, Promotion, Variant
from recommender.train.fit import _start
from tests.evaluate.world import UNTIL, make_world
from tests.factories import make_catalog, make_run, make_user, make_version
from tests.ml.small import context_for, trained
from tests.promote.artifacts import whole_version

pytestmark = pytest.mark.django_db


@cache
def _learned(key):
    return trained("matrix_factorization", LEARNT_FROM[key])


LEARNT_FROM = {}


def learned(opened):
    """Train once: every world has the same numbers, only other database keys."""
    LEARNT_FROM.setdefault("world", opened.interactions.before(opened.split_at))
    return _learned("world")


@pytest.fixture
def version(settings, tmp_path):
    """A version of a small matrix factorization with a real artifact and a later window."""
    settings.ARTIFACTS_DIR = tmp_path / "artifacts"
    catalog, _users, _items = make_world()
    snapshot = freeze(catalog=catalog, until=UNTIL, test_share=1 / 6)
    opened = open_snapshot(snapshot)
    model = learned(opened)
    folder = shelf.catalog_folder(catalog) / "v1"
    facts = {"item_ids": opened.item_ids, "user_ids": opened.user_ids}
    manifest = model.export(folder, context_for(opened.interactions, **facts))
    return make_version(
        catalog,
        snapshot=snapshot,
        path=str(folder),
        manifest_sha256=manifest.sha256,
        size_bytes=manifest.n_bytes,
        model="matrix_factorization",
        state="live",
    )


@pytest.fixture
def judged(version):
    compressing.measure_all(version=version)
    return version


@pytest.fixture
def measured(settings, tmp_path):
    """A version with its original and one variant, as if they had been measured."""
    settings.ARTIFACTS_DIR = tmp_path / "artifacts"
    catalog = make_catalog()
    folder = shelf.catalog_folder(catalog) / "v1"
    version = whole_version(catalog, folder, state="live")
    made = compress(folder, folder.parent / "v1-int8", "int8")
    for name, path, manifest in (
        ("original", folder, read_manifest(folder)),
        ("int8", folder.parent / "v1-int8", made),
    ):
        facts = {"manifest_sha256": manifest.sha256, "size_bytes": manifest.n_bytes}
        version.variants.create(name=name, path=str(path), measured_at=UNTIL, **facts)
    return version


def serve(version, name):
    return variants.serve(version=version, name=name, actor="ann", reason="smaller")


def row(version, name):
    return version.variants.get(name=name)


def damage(folder, stem):
    path = Path(folder) / f"{stem}.npy"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def test_every_variant_is_measured_beside_the_original(judged):
    names = {"original", *variants_of(read_manifest(Path(judged.path)))}
    rows = {one.name: one for one in judged.variants.all()}
    assert set(rows) == names == {"original", "float16", "int8", "short", "short_int8"}
    for name, one in rows.items():
        assert (one.state, one.error) == ("ready", "")
        assert load_model(Path(one.path), manifest_sha256=one.manifest_sha256)
        assert one.figures["ndcg@10"]["n"] == 20
        assert one.figures["latency_ms"] > 0
        assert ("difference" in one.figures) == (name != "original")
    assert rows["original"].figures["share"] == 1.0
    assert rows["float16"].figures["share"] < 1.0
    assert rows["float16"].figures["overlap"]["value"] > 0.9
    assert rows["float16"].figures["difference"]["n"] == 20


def test_measuring_again_makes_nothing_anew(judged):
    before = {one.name: one.path for one in judged.variants.all()}
    compressing.measure_all(version=judged)
    assert {one.name: one.path for one in judged.variants.all()} == before


def test_a_damaged_variant_is_made_anew_when_measured_again(judged):
    old = row(judged, "int8").path
    damage(old, "item_vectors")
    compressing.measure_all(version=judged)
    assert row(judged, "int8").path != old
    serve(judged, "int8")


def test_a_variant_that_cannot_be_made_keeps_the_reason_and_the_others_go_on(version, monkeypatch):
    real = compressing.compress

    def failing(source, target, name, **options):
        if name == "int8":
            raise CannotCompressError("no room for it")
        return real(source, target, name, **options)

    monkeypatch.setattr(compressing, "compress", failing)
    compressing.measure_all(version=version)
    assert (row(version, "int8").state, row(version, "int8").error) == ("failed", "no room for it")
    assert row(version, "short_int8").state == "ready"
    with pytest.raises(Refused, match="The variant int8 cannot serve: no room for it"):
        serve(version, "int8")


def test_without_a_later_window_nothing_can_be_measured(version, monkeypatch):
    nobody = Cases(np.zeros(0, np.int64), (), (), np.zeros(0, np.int64))
    real = compressing.open_window
    monkeypatch.setattr(compressing, "open_window", lambda *of: replace(real(*of), cases=nobody))
    with pytest.raises(NotReady, match="nobody took anything new"):
        compressing.measure_all(version=version)


def test_the_chosen_variant_serves_and_the_choice_is_logged(measured):
    original = measured.path
    decision = serve(measured, "int8")
    chosen = row(measured, "int8")
    assert (measured.variant, measured.path) == ("int8", chosen.path)
    assert measured.manifest_sha256 == chosen.manifest_sha256
    assert measured.size_bytes == chosen.size_bytes
    assert measured.original_path == original
    assert (decision.action, decision.actor, decision.reason) == ("variant", "ann", "smaller")
    assert (decision.evidence["before"], decision.evidence["variant"]) == ("original", "int8")


def test_the_original_comes_back(measured):
    before = (measured.path, measured.manifest_sha256, measured.size_bytes)
    serve(measured, "int8")
    serve(measured, "original")
    assert (measured.path, measured.manifest_sha256, measured.size_bytes) == before
    assert measured.variant == ""
    assert Promotion.objects.filter(action="variant").count() == 2


def test_what_serves_already_or_was_never_measured_is_refused(measured):
    with pytest.raises(Refused, match="serves already"):
        serve(measured, "original")
    with pytest.raises(Missing, match="has no variant 'int4'; measure its variants first"):
        serve(measured, "int4")


def test_a_damaged_variant_is_refused_and_the_original_stays(measured):
    damage(row(measured, "int8").path, "popularity")
    with pytest.raises(Refused, match="its sha256 is not the manifest's"):
        serve(measured, "int8")
    assert row(measured, "int8").state == "failed"
    assert measured.variant == ""
    assert not Promotion.objects.filter(action="variant").exists()


def test_a_version_whose_variant_broke_serves_its_original_again(measured):
    serve(measured, "int8")
    measured.broken_reason = "item_vectors.npy: it is gone"
    measured.save()
    serve(measured, "original")
    assert measured.broken_reason == ""


def test_two_who_choose_at_once_do_not_both_win(measured, monkeypatch):
    def meanwhile(_variant):
        ModelVersion.objects.filter(pk=measured.pk).update(manifest_sha256="1" * 64)

    monkeypatch.setattr(variants, "_require_whole", meanwhile)
    with pytest.raises(Refused, match="Somebody else switched"):
        serve(measured, "int8")


def test_stored_lists_of_the_version_are_computed_anew(measured):
    user = make_user(measured.catalog)
    state, _ = UserState.objects.update_or_create(
        user=user,
        defaults={
            "catalog": measured.catalog,
            "list_version": measured.pk,
            "profile_updated_at": UNTIL,
        },
    )
    serve(measured, "int8")
    state.refresh_from_db()
    assert state.list_version is None


def test_choosing_a_variant_does_not_undo_the_gates_refusal(measured):
    measured.promotions.create(
        catalog=measured.catalog, action="refuse", actor="gate", reason="no", created_at=UNTIL
    )
    serve(measured, "int8")
    assert services.last_refusal(measured) is not None


def test_a_warm_start_begins_from_the_original(measured):
    serve(measured, "int8")
    run = make_run(measured.catalog, base_version=measured, mode="incremental")
    original = Path(row(measured, "original").path)
    (original / WEIGHTS).write_bytes(b"only looked for here")
    start = _start(run, SimpleNamespace(item_ids=np.arange(5)))
    assert start.folder == original


def test_folders_of_variants_are_owned_until_the_version_is_removed(measured):
    serve(measured, "int8")
    folders = [Path(one.path) for one in measured.variants.all()]
    for folder in folders:
        os.utime(folder, (0, 0))
    assert shelf.remove_orphans() == []
    ModelVersion.objects.filter(pk=measured.pk).update(state="candidate")
    shelf.remove_old(catalog=measured.catalog, keep=0)
    assert not any(folder.exists() for folder in folders)
    assert not Variant.objects.exists()


def test_a_removed_version_is_not_measured(measured):
    measured.broken_reason = "its files were removed: only the newest 5 are kept"
    with pytest.raises(Refused, match="cannot be read: its files were removed"):
        variants.require_original(measured)
    variants.require_original(make_version(measured.catalog, broken_reason="x", variant="int8"))
