"""Broken artifacts, stand-ins and hot swaps."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recommender.collect.models import Slate
from recommender.ml.artifact import read_manifest
from recommender.ml.compress import compress
from recommender.promote import variants
from recommender.promote.models import ModelVersion
from recommender.serve import registry, services
from recommender.serve.registry import VersionKey
from tests.factories import START
from tests.serve.conftest import World


def damage(version: ModelVersion, name: str = "data.npy") -> None:
    file = Path(version.path) / name
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(bytes(raw))


def test_a_broken_artifact_is_marked_and_the_version_before_it_serves(world: World, caplog):
    user = world.user(0, 1, 2)
    good = world.version
    bad = world.add_version(state="candidate", sign=-1.0)
    damage(bad)
    world.make_live(bad)
    with caplog.at_level(logging.ERROR):
        answer = services.recommend(world.ask(user))
    assert answer.model_version == good.label
    assert answer.is_degraded
    assert len(answer.items) == 20
    assert Slate.objects.get(pk=answer.slate_id).model_version_id == good.pk
    bad.refresh_from_db()
    assert bad.broken_reason.startswith("data.npy")
    assert "model refused" in caplog.text


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256", "indptr.npy", "vectors.npy"])
def test_damage_to_any_file_never_reaches_the_visitor(world: World, name: str):
    user = world.user(0, 1, 2)
    damage(world.version, name)
    answer = services.recommend(world.ask(user))
    assert (answer.strategy, answer.model_version) == ("popular", None)
    assert answer.is_degraded
    assert len(answer.items) == 20
    assert services.home(world.ask(user)).rows


def test_a_missing_folder_is_a_refusal_too(world: World):
    ModelVersion.objects.filter(pk=world.version.pk).update(path="nowhere/at/all")
    assert services.recommend(world.ask()).is_degraded


def test_a_version_marked_by_another_process_is_not_even_tried(world: World):
    ModelVersion.objects.filter(pk=world.version.pk).update(broken_reason="data.npy: bad")
    answer = services.recommend(world.ask(world.user(0, 1, 2)))
    assert answer.model_version is None
    assert answer.is_degraded


def test_a_passing_failure_is_not_held_against_the_version(world: World, monkeypatch):
    tries: list[object] = []

    def fail(folder: object, **_kwargs: object) -> None:
        tries.append(folder)
        raise OSError("too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(registry, "load_model", fail)
        assert services.recommend(world.ask()).is_degraded
        assert services.recommend(world.ask()).is_degraded
    assert len(tries) == 1  # remembered for a while, not read at every request
    world.version.refresh_from_db()
    assert world.version.broken_reason == ""
    monkeypatch.setattr(registry, "RETRY_S", 0.0)
    assert not services.recommend(world.ask()).is_degraded


def test_three_versions_are_kept(world: World):
    versions = [world.add_version(state="candidate") for _ in range(4)]
    served = [registry.load_version(version) for version in versions]
    assert registry.load_version(versions[-1]) is served[-1]
    assert registry.load_version(versions[0]) is not served[0]


def test_an_unknown_version_is_none(world: World):
    assert registry.load(VersionKey(pk=10**6, number=1, sha256="")) is None


def test_a_failing_scorer_serves_the_stored_list_less_what_was_seen(world: World, monkeypatch):
    user = world.user(0, 1, 2)
    before = services.recommend(world.ask(user, limit=5))
    place = [item.pk for item in world.items].index(before.items[0].item_id)
    world.rate(user, place)
    services.forget()
    scorer = type(registry.load_version(world.version).model.scorer)
    monkeypatch.setattr(scorer, "score", lambda *a: (_ for _ in ()).throw(RuntimeError("boom")))
    after = services.recommend(world.ask(user, limit=4))
    assert [i.item_id for i in after.items] == [i.item_id for i in before.items[1:]]
    assert after.is_degraded
    assert services.home(world.ask(user)).rows


def test_scores_that_are_not_finite_are_not_served(world: World, monkeypatch):
    scorer = type(registry.load_version(world.version).model.scorer)
    monkeypatch.setattr(scorer, "_match", lambda self, history: self.bias * float("nan"))
    answer = services.recommend(world.ask(world.user(0, 1, 2)))
    assert (answer.strategy, answer.is_degraded) == ("popular", True)


@pytest.mark.django_db(transaction=True)
def test_no_answer_mixes_two_versions_while_they_are_swapped(bare: World):
    """Each version's list has its own first item; a mixed answer would show the wrong pair."""
    bare.add_version()
    user = bare.user(*range(0, 40, 4))
    a, b = bare.version, bare.add_version(state="candidate", sign=-1.0)
    firsts = {}
    for version in (b, a):
        bare.make_live(version)
        answer = services.recommend(bare.ask(user, limit=5))
        firsts[version.label] = [item.external_id for item in answer.items]
    assert firsts[a.label] != firsts[b.label]
    for number in range(20):
        bare.make_live((b, a)[number % 2])
        with ThreadPoolExecutor(1) as pool:
            answers = list(pool.map(lambda _: _asked(bare, user), range(2)))
        for answer in answers:
            assert answer.model_version == bare.version.label
            assert [i.external_id for i in answer.items] == firsts[answer.model_version]
            slate = Slate.objects.get(pk=answer.slate_id)
            assert slate.model_version_id == bare.version.pk


def _asked(world: World, user):
    from django.db import connection

    try:
        return services.recommend(world.ask(user, limit=5))
    finally:
        connection.close()


def test_a_chosen_variant_is_loaded_at_the_next_request_and_so_is_the_original(world: World):
    """The switch moves the hash, so that no process goes on with what it has in memory."""
    version, user = world.version, world.user(0, 1)
    assert version is not None
    folder = Path(version.path)
    made = compress(folder, folder.parent / "small", "int8")
    for name, path, manifest in (
        ("original", folder, read_manifest(folder)),
        ("int8", folder.parent / "small", made),
    ):
        facts = {"manifest_sha256": manifest.sha256, "size_bytes": manifest.n_bytes}
        version.variants.create(name=name, path=str(path), measured_at=START, **facts)

    def served() -> str:
        services.recommend(world.ask(user))
        held = registry.last_live(world.catalog)
        assert held is not None
        return held.variant

    seen = [served()]
    for name in ("int8", "original"):
        variants.serve(version=version, name=name, actor="ann", reason="smaller")
        seen.append(served())
    assert seen == ["", "int8", ""]


def test_a_version_that_moved_on_while_it_was_read_is_not_kept_under_its_old_hash(world: World):
    version = world.version
    assert version is not None
    old = registry.VersionKey(version.pk, version.number, "0" * 64)
    served = registry.load(old)
    assert served is not None
    assert served.key.sha256 == version.manifest_sha256
    assert old not in registry._loaded
