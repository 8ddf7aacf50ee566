"""The variants of a version: listed with their price, measured, chosen."""

import pytest

from recommender.jobs.models import Job
from recommender.ml.artifact import read_manifest
from recommender.ml.compress import compress
from recommender.promote import shelf, variants
from recommender.promote.models import Promotion, Variant
from tests import factories
from tests.api.conftest import assert_conforms, key_for
from tests.promote.artifacts import whole_version

FIGURES = {"share": 0.3, "latency_ms": 0.4, "ndcg@10": {"value": 0.12, "low": None, "high": None}}


@pytest.fixture
def version(catalog, settings, tmp_path):
    """A live version with its original, one whole variant and one that could not be made."""
    settings.ARTIFACTS_DIR = tmp_path / "artifacts"
    folder = shelf.catalog_folder(catalog) / "v1"
    version = whole_version(catalog, folder, state="live", number=1)
    made = compress(folder, folder.parent / "v1-int8", "int8")
    for name, path, manifest in (
        ("original", folder, read_manifest(folder)),
        ("int8", folder.parent / "v1-int8", made),
    ):
        version.variants.create(
            name=name,
            path=str(path),
            manifest_sha256=manifest.sha256,
            size_bytes=manifest.n_bytes,
            figures=FIGURES,
            measured_at=factories.START,
        )
    version.variants.create(
        name="short",
        state=Variant.State.FAILED,
        error="it has no vectors",
        measured_at=factories.START,
    )
    return version


def test_variants_are_listed_the_largest_first_with_price_and_fault(api, version):
    answer = api.get("models/v1/variants").json()
    assert_conforms(answer, "VariantsOutput")
    assert (answer["version"], answer["is_measuring"]) == ("v1", False)
    sizes = [one["size_bytes"] for one in answer["variants"]]
    assert sizes == sorted(sizes, reverse=True)
    by_name = {one["name"]: one for one in answer["variants"]}
    assert {name: one["serves"] for name, one in by_name.items()} == {
        "original": True,
        "int8": False,
        "short": False,
    }
    assert by_name["int8"]["figures"] == FIGURES
    assert (by_name["short"]["state"], by_name["short"]["error"]) == ("failed", "it has no vectors")
    assert by_name["int8"]["error"] is None


def test_a_version_that_was_not_measured_has_none(api, catalog):
    factories.make_version(catalog, number=1)
    assert api.get("models/v1/variants").json()["variants"] == []


def test_measuring_is_queued_once(api, version):
    first = api.send("POST", "models/v1/variants:measure")
    assert (first.status_code, first.json()["is_measuring"]) == (202, True)
    assert_conforms(first.json(), "VariantsOutput")
    job = Job.objects.get(task=variants.TASK)
    assert job.kwargs == {"version_id": version.pk}
    again = api.send("POST", "models/v1/variants:measure")
    assert (again.status_code, again.json()["type"][-8:]) == (409, "refused/")
    assert "are being measured" in again.json()["detail"]
    assert Job.objects.filter(task=variants.TASK).count() == 1


def test_a_broken_version_is_not_measured(api, version):
    type(version).objects.update(broken_reason="model.npy is gone")
    response = api.send("POST", "models/v1/variants:measure")
    assert (response.status_code, Job.objects.count()) == (409, 0)


def test_a_variant_is_chosen_logged_and_taken_back(api, version):
    response = api.post("models/v1/variants/int8:serve", {"reason": "smaller"})
    assert response.status_code == 200
    answer = response.json()
    assert_conforms(answer, "SwitchOutput")
    assert (answer["action"], answer["version"], answer["reason"]) == ("variant", "v1", "smaller")
    assert answer["actor"] == api.key[:11]
    listed = api.get("models/v1/variants").json()["variants"]
    assert [one["name"] for one in listed if one["serves"]] == ["int8"]
    version.refresh_from_db()
    assert version.variant == "int8"
    assert api.send("POST", "models/v1/variants/original:serve").status_code == 200
    version.refresh_from_db()
    assert version.variant == ""
    assert Promotion.objects.filter(action="variant").count() == 2


@pytest.mark.parametrize(
    ("name", "status"), [("original", 409), ("short", 409), ("float16", 404), ("x" * 300, 404)]
)
def test_what_serves_already_is_broken_or_unknown_is_refused(api, version, name, status):
    assert api.post(f"models/v1/variants/{name}:serve", {}).status_code == status
    assert not Promotion.objects.filter(action="variant").exists()


def test_reading_does_not_allow_choosing(version, catalog):
    reader = key_for(catalog, "read", "write", "recommend", "events")
    assert reader.get("models/v1/variants").status_code == 200
    assert reader.send("POST", "models/v1/variants:measure").status_code == 403
    assert reader.post("models/v1/variants/int8:serve", {}).status_code == 403
    version.refresh_from_db()
    assert (version.variant, Job.objects.count()) == ("", 0)


def test_an_unknown_field_is_refused_by_name(api, version):
    response = api.post("models/v1/variants/int8:serve", {"force": True})
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/force"
