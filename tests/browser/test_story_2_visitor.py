"""Step 2 of the story: what a visitor sees, and what follows from what they do."""

from __future__ import annotations

import re
import time
import uuid

import pytest

from tests.browser.conftest import Client, Demo, Enter
from tests.browser.steps import (
    PERSONAL,
    card,
    forget,
    rate,
    ratings,
    rows,
    shown,
    spent_ms,
    star,
    watch,
)

pytestmark = pytest.mark.story
NOTE_THE_CHANGE = """() => new MutationObserver((_changes, watcher) => {
    if (!document.querySelector(".badge-updated")) return;
    watcher.disconnect();
    window.changedAt = performance.now();
}).observe(document.getElementById("rows"), {childList: true, subtree: true})"""


def test_a_visitor_sees_rows_with_reasons_and_no_film_twice(enter: Enter, demo: Demo) -> None:
    page = enter("visitor")
    seen = watch(page, demo.url)
    page.goto("/")
    found = rows(page)
    assert len(found) >= 3 and all(row.title and len(row.items) >= 6 for row in found)
    assert {"for_you", "because"} <= {row.kind for row in found}
    assert len(shown(page)) == len(set(shown(page)))
    predicted = page.locator("[data-row=for_you] .figures").all_inner_texts()
    assert all(re.search(r"Predicted \d\.\d", text) for text in predicted)
    assert page.locator(".card fieldset.stars").count() == len(shown(page))
    reasons = page.locator(".card .why").all_text_contents()
    assert not [text for text in reasons if "No single reason" in text or not text.strip()]
    known = ratings(page)
    named = [re.search("“(.*)”", row.title) for row in found if row.kind == "because"]
    assert all(match and known[match[1]] >= 4 for match in named)
    assert (seen.errors, seen.strangers) == ([], [])


def test_a_rating_changes_the_next_page_within_a_second(enter: Enter) -> None:
    page = enter("visitor")
    page.goto("/")
    before = rows(page)
    chosen = before[0].items[0]
    page.evaluate(NOTE_THE_CHANGE)
    rate(page, card(page, chosen), 5)
    page.wait_for_selector(".badge-updated")
    in_place = page.evaluate(
        "() => window.changedAt - performance.getEntriesByName("
        "new URL('/rate/', location).href).at(-1).responseEnd"
    )
    assert card(page, chosen).get_by_text("You: 5 stars").is_visible()
    assert len(shown(page)) == len(set(shown(page)))
    started = time.monotonic()
    page.goto("/", wait_until="commit")
    reloaded = spent_ms(started)
    after = rows(page)
    print(f"\nreaction: rows in place {in_place:.0f} ms, next page {reloaded:.0f} ms")
    assert in_place <= 1000 and reloaded <= 1000
    assert chosen not in shown(page)
    assert [row.items for row in before if row.kind in PERSONAL] != [
        row.items for row in after if row.kind in PERSONAL
    ]


def test_a_reason_row_can_name_the_film_just_rated(enter: Enter) -> None:
    page = enter(None)
    page.goto("/welcome/")
    titles = page.locator(".card h3").all_inner_texts()
    for place in range(3):
        rate(page, page.locator(".card").nth(place), 5)
    page.goto("/")
    named = [row.title for row in rows(page) if row.kind == "because"]
    assert named and all(any(title in name for title in titles[:3]) for name in named)


def test_a_dismissed_film_collapses_and_undo_brings_it_back(enter: Enter) -> None:
    page = enter("visitor")
    page.goto("/")
    chosen = shown(page)[1]
    place = card(page, chosen)
    title = place.locator("h3").inner_text()
    place.get_by_role("button", name="Not interested").click()
    page.locator(f'.card-hidden[data-item="{chosen}"]').wait_for()
    assert page.locator("#status").get_by_text(f"“{title}” is hidden").is_visible()
    place.get_by_role("button", name="Undo").click()
    place.locator("fieldset.stars").wait_for()
    assert "card-hidden" not in (place.get_attribute("class") or "")
    page.goto("/hidden/")
    assert not page.locator(f'[data-item="{chosen}"]').count()


def test_a_dismissed_film_is_gone_until_it_is_restored(enter: Enter, api: Client) -> None:
    page = enter("visitor")
    page.goto("/")
    chosen = shown(page)[1]
    user = api.user_of(card(page, chosen).get_attribute("data-token") or "")
    path = f"/api/v1/recommendations?user={user}&limit=50"
    card(page, chosen).get_by_role("button", name="Not interested").click()
    page.locator(f'.card-hidden[data-item="{chosen}"]').wait_for()
    page.get_by_role("button", name="Not my taste").click()
    page.get_by_text("Thank you.").wait_for()
    for _reload in range(3):
        page.goto("/")
        assert chosen not in shown(page)
    listed = [item["item"] for item in api("GET", path).json["items"]]
    assert len(listed) == 50 and chosen not in listed
    page.goto("/hidden/")
    page.locator(f'[data-item="{chosen}"]').get_by_role("button", name="Restore").click()
    page.locator(f'[data-item="{chosen}"]').wait_for(state="detached")


def test_why_says_what_the_score_is_made_of(enter: Enter) -> None:
    page = enter("visitor")
    page.goto("/")
    first = page.locator("[data-row=for_you] .card").first
    title = first.locator("h3").inner_text()
    first.locator("summary").click()
    assert first.locator(".why li").first.is_visible()
    first.get_by_role("link", name="In full").click()
    assert page.inner_text("h1") == f"Why “{title}”?"
    figures = page.locator("main table").first.locator("tbody td:last-child").all_inner_texts()
    *parts, total = [float(text.replace("−", "-")) for text in figures]
    assert len(parts) >= 2 and abs(sum(parts) - total) <= 0.0005 * (len(parts) + 1)


def test_a_newcomer_gets_rows_and_makes_them_personal_with_three_ratings(enter: Enter) -> None:
    page = enter("newcomer")
    forget(page)
    page.goto("/")
    assert {"popular", "new"} <= {row.kind for row in rows(page)}
    assert not {"for_you", "because"} & {row.kind for row in rows(page)}
    assert "(0/3)" in page.locator("#welcome-panel").inner_text()
    page.get_by_role("link", name="Rate a few").click()
    for place in range(3):
        assert f"({place}/3)" in page.inner_text("#progress")
        rate(page, page.locator(".card").nth(place), 5)
        page.locator("#progress", has_text=re.compile(rf"\({place + 1}/3\)|Enough")).wait_for()
    page.get_by_role("link", name="To your rows").first.click()
    assert page.inner_text("h1") == "Recommended for you"
    assert {"for_you", "because"} <= {row.kind for row in rows(page)}
    assert not page.locator("#welcome-panel").count()


def test_the_first_film_is_rated_by_keyboard_in_a_few_presses(enter: Enter) -> None:
    page = enter(None)
    page.goto("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    presses = 1
    while page.evaluate("document.activeElement.type") != "radio":
        page.keyboard.press("Tab")
        presses += 1
        assert presses <= 20
    print(f"\nTab presses to the first rating, with the skip link: {presses}")
    with page.expect_response(lambda answer: answer.url.endswith("/rate/")):
        page.keyboard.press("Space")
        for _star in range(3):
            page.keyboard.press("ArrowRight")
    page.get_by_text("You: 4 stars").wait_for()
    assert page.evaluate("document.activeElement.type") == "radio"
    assert presses <= 8


def test_personalization_can_be_turned_off_in_two_clicks(enter: Enter, api: Client) -> None:
    page = enter("visitor")
    page.goto("/")
    user = api.user_of(page.locator(".card").first.get_attribute("data-token") or "")
    path = f"/api/v1/recommendations?user={user}&limit=10"
    page.get_by_role("link", name="Preferences").first.click()
    page.get_by_role("button", name="Turn personalization off").click()
    try:
        body = api("GET", path).json
        assert (body["personalised"], body["strategy"]) == (False, "popular")
        page.goto("/")
        assert page.inner_text("h1") == "Popular and new"
        other = enter(None)
        other.goto("/")
        assert shown(page) == shown(other)
    finally:
        page.goto("/preferences/")
        page.get_by_role("button", name="Turn personalization on").click()
    assert api("GET", path).json["personalised"] is True


def test_the_site_works_without_javascript(enter: Enter, demo: Demo) -> None:
    page = enter(None, java_script_enabled=False)
    page.goto("/")
    first, second = shown(page)[:2]
    star(card(page, first), 4).click()
    card(page, first).get_by_role("button", name="Rate", exact=True).click()
    assert "4 stars" in page.inner_text("#status") and first not in shown(page)
    card(page, second).get_by_role("button", name="Not interested").click()
    assert "is hidden" in page.inner_text("#status") and second not in shown(page)
    page.locator("#status").get_by_role("button", name="Undo").click()
    assert "Taken back" in page.inner_text("#status") and second in shown(page)
    page.fill("#q", "star wars")
    page.get_by_role("button", name="Search").click()
    assert "Star Wars" in page.locator(".card h3").all_inner_texts()
    page.goto("/accounts/login/")
    page.fill("input[name=username]", demo.accounts["visitor"])
    page.fill("input[name=password]", demo.accounts["visitor_password"])
    page.locator("main button[type=submit]").click()
    assert demo.accounts["visitor"] in page.inner_text(".site-tools")


def test_search_forgives_a_typing_error(enter: Enter) -> None:
    page = enter(None)
    page.goto("/")
    page.fill("#q", "terminatr")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/**")
    assert any("Terminator" in title for title in page.locator(".card h3").all_inner_texts()[:5])


def test_only_cards_that_were_really_seen_are_counted(enter: Enter, api: Client) -> None:
    page = enter(None)
    before = api.totals()
    page.goto("/")
    page.wait_for_timeout(400)
    page.goto("/about/ranking/")
    page.wait_for_timeout(1200)
    assert api.totals() == before  # a glance is no view
    page.goto("/")
    visible = page.evaluate(
        """() => new Promise(done => {
            const seen = new Set();
            const look = new IntersectionObserver(entries => {
                entries.forEach(e => e.intersectionRatio >= 0.5 && seen.add(e.target));
                done(seen.size);
            }, {threshold: [0.5]});
            document.querySelectorAll(".card").forEach(card => look.observe(card));
        })"""
    )
    with page.expect_response(lambda answer: answer.url.endswith("/signals/")):
        pass
    counted = api.totals()[0] - before[0]
    print(f"\nimpressions: {counted} counted, {visible} of {len(shown(page))} cards in view")
    assert counted == visible and 0 < visible < len(shown(page))


def test_following_a_card_is_counted_as_a_click_once(enter: Enter, api: Client) -> None:
    page = enter(None)
    page.goto("/")
    before = api.totals()[1]
    page.locator(".card h3 a").first.click()
    page.wait_for_url("**/item/**")
    page.reload()
    assert api.totals()[1] == before + 1


def test_signing_up_keeps_what_was_rated_before(enter: Enter) -> None:
    page = enter(None)
    page.goto("/welcome/")
    title = page.locator(".card h3").first.inner_text()
    rate(page, page.locator(".card").first, 5)
    page.goto("/accounts/signup/")
    page.fill("input[name=username]", f"story-{uuid.uuid4().hex[:8]}")
    for name in ("password1", "password2"):
        page.fill(f"input[name={name}]", "a-long-Passphrase-42")
    page.locator("main button[type=submit]").click()
    page.wait_for_url(lambda address: "signup" not in address)
    assert ratings(page) == {title: 5}
