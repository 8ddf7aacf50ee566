"""Who may see and who may act under /ops/."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from recommender.promote.models import Promotion
from tests.dashboard.world import World, viewer
from tests.factories import make_account, make_run

READ = [
    "/ops/",
    "/ops/ctr.csv",
    "/ops/models/",
    "/ops/models/2/",
    "/ops/models/compare/",
    "/ops/jobs/",
    "/ops/pipeline/",
    "/ops/inspect/",
    "/ops/data/",
    "/ops/data/events/",
    "/ops/audit/",
]
ACT = [
    "/ops/models/1/promote/",
    "/ops/models/1/discard/",
    "/ops/models/roll-back/",
    "/ops/jobs/new/",
    "/ops/pipeline/exploration/",
    "/ops/keys/",
    "/ops/keys/1/revoke/",
]


@pytest.mark.parametrize("address", [*READ, "/ops/keys/", "/ops/jobs/new/"])
def test_anonymous_visitors_are_sent_to_log_in(world: World, client: Client, address: str):
    answer = client.get(address)
    assert answer.status_code == 302
    assert answer["Location"] == f"/accounts/login/?next={address}"


@pytest.mark.parametrize("address", [*READ, "/ops/keys/", "/ops/jobs/new/"])
def test_other_accounts_get_403(world: World, visitor: Client, address: str):
    assert visitor.get(address).status_code == 403


@pytest.mark.parametrize("address", READ)
def test_staff_read_everything(world: World, reading: Client, address: str):
    assert reading.get(address).status_code == 200


@pytest.mark.parametrize("address", ACT)
def test_viewers_get_403_when_they_post(world: World, reading: Client, address: str):
    assert reading.post(address).status_code == 403


@pytest.mark.parametrize("address", ACT)
def test_anonymous_posts_change_nothing(world: World, client: Client, address: str):
    before = Promotion.objects.count()
    assert client.post(address).status_code == 302
    assert Promotion.objects.count() == before


@pytest.mark.parametrize("address", ["/ops/", "/ops/models/", "/ops/models/1/", "/ops/jobs/"])
def test_viewers_see_no_buttons(world: World, reading: Client, address: str):
    page = reading.get(address).content.decode()
    main = page[page.index("<main") : page.index("</main>")]
    assert "<button" not in main
    assert "method=" not in main
    assert "/ops/jobs/new/" not in main


def test_viewers_see_no_stop_on_a_run(world: World, reading: Client):
    run = make_run(world.catalog, state="training")
    page = reading.get(f"/ops/jobs/{run.pk}/").content.decode()
    assert "/cancel/" not in page
    assert reading.post(f"/ops/jobs/{run.pk}/cancel/").status_code == 403


def test_the_permission_makes_an_operator_of_a_viewer(world: World, client: Client):
    account = viewer()
    account.user_permissions.add(Permission.objects.get(codename="change_modelversion"))
    client.force_login(account)
    assert "/ops/jobs/new/" in client.get("/ops/").content.decode()


def test_the_permission_without_staff_opens_nothing(world: World, client: Client):
    account = make_account()
    account.user_permissions.add(Permission.objects.get(codename="change_modelversion"))
    client.force_login(account)
    assert client.post("/ops/models/1/promote/").status_code == 403


def test_acts_need_post(world: World, ops: Client):
    assert ops.get("/ops/models/1/promote/").status_code == 405
    assert ops.get("/ops/models/roll-back/").status_code == 405


def test_acts_need_the_csrf_token(world: World, ops: Client):
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = ops.cookies
    assert strict.post("/ops/models/1/promote/").status_code == 403


def test_scripts_stay_strict_while_styles_are_let_in_for_plotly(world: World, ops: Client):
    policy = ops.get("/ops/")["Content-Security-Policy"]
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";") if part.strip())
    assert parts["script-src"] == "'self'"
    assert parts["style-src"] == "'self' 'unsafe-inline'"


def test_no_page_holds_an_inline_script(world: World, ops: Client):
    for address in READ:
        page = ops.get(address).content.decode()
        for tag in page.split("<script")[1:]:
            assert "src=" in tag.split(">")[0] or 'type="application/json"' in tag.split(">")[0]


def test_unknown_rows_are_404(world: World, ops: Client):
    for address in ("/ops/models/99/", "/ops/jobs/99/", "/ops/?catalog=none"):
        assert ops.get(address).status_code == 404
