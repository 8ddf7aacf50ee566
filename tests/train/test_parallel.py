"""Many askers at once, on a real database file."""

import pytest

from tests.jobs.site import Site, make_site


@pytest.fixture
def site(tmp_path) -> Site:
    return make_site(tmp_path / "data")


def test_twenty_parallel_requests_make_one_run_and_the_others_hear_its_number(site):
    answers = site.run("""
        from concurrent.futures import ThreadPoolExecutor
        from threading import Barrier
        from django.db import connections
        from recommender.train.services import AlreadyActive, request_run
        from tests.factories import make_catalog
        catalog, together = make_catalog(), Barrier(20)
        def ask(n):
            together.wait()
            try:
                return ["made", request_run(catalog=catalog).pk]
            except AlreadyActive as error:
                return ["refused", error.run_id]
            finally:
                connections.close_all()
        with ThreadPoolExecutor(20) as pool:
            result = list(pool.map(ask, range(20)))
        """)
    made = [pk for outcome, pk in answers if outcome == "made"]
    assert len(made) == 1
    assert [pk for outcome, pk in answers if outcome == "refused"] == made * 19
