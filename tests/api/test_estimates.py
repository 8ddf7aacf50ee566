"""What a version would have earned, for programs."""

from recommender.estimate import services
from recommender.estimate.models import Estimate
from recommender.jobs.models import Job
from tests import factories
from tests.api.conftest import assert_conforms


def test_an_estimate_is_asked_for_once_and_read_later(api, catalog):
    version = factories.make_version(catalog, number=1)
    before = api.get("models/v1/estimate").json()
    assert_conforms(before, "EstimateOutput")
    assert (before["made_at"], before["is_estimating"]) == (None, False)
    assert api.post("models/v1:estimate", {}).status_code == 202
    assert api.post("models/v1:estimate", {}).status_code == 409
    assert Job.objects.filter(task=services.TASK).count() == 1
    assert api.get("models/v1/estimate").json()["is_estimating"]
    Estimate.objects.create(
        catalog=catalog,
        model_version=version,
        made_at=factories.START,
        until=factories.START,
        n=0,
        n_users=0,
        is_simulated=False,
        refusals=["users"],
        figures={"lost": 0},
    )
    after = api.get("models/v1/estimate").json()
    assert_conforms(after, "EstimateOutput")
    assert (after["n"], after["refusals"]) == (0, ["users"])


def test_a_version_that_is_not_there_is_missing(api):
    assert api.get("models/v9/estimate").status_code == 404
    assert api.post("models/v9:estimate", {}).status_code == 404
