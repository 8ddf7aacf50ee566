"""Reasons that are true, parts that add up, explanations after the fact."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from django.utils import translation

from recommender.collect.models import Slate
from recommender.collect.tokens import BadToken
from recommender.errors import Missing
from recommender.ml.explain import centered
from recommender.ml.features import HistoryFacts, ItemFacts, fit_spec, user_vector
from recommender.ml.scorers.neighbors import NeighborScorer
from recommender.promote.models import ModelVersion
from recommender.serve import blend, registry, services
from recommender.serve.answers import Chance, Reason
from recommender.serve.evidence import Evidence, Fact, known_to
from tests.serve.conftest import World


def test_the_reason_cites_the_event_that_carries_most(world: World):
    user = world.user(0, *range(22, 30))
    answer = services.recommend(world.ask(user, limit=20, explain=True))
    horror = next(i for i in answer.items if i.external_id == world.items[21].external_id)
    # Likeness is 1 / (1 + distance): the neighbor in number weighs most.
    assert horror.reasons[0].ref == f"item:{world.items[22].external_id}"
    assert horror.reasons[0].text == f"You rated “{world.items[22].title}” 5 stars"
    weights = [reason.weight for reason in horror.reasons]
    assert weights == sorted(weights, reverse=True)
    assert len(weights) <= 3
    assert all(weight >= 0.1 * abs(horror.score) for weight in weights)


def test_removing_the_cited_event_lowers_the_score_by_its_weight(world: World):
    user = world.user(0, *range(22, 30))
    answer = services.recommend(world.ask(user, limit=20))
    item = next(i for i in answer.items if i.external_id == world.items[21].external_id)
    served = registry.load_version(world.version)
    evidence = _logged(answer.slate_id)
    cited = item.reasons[0].ref.removeprefix("item:")
    pk = next(i.pk for i in world.items if i.external_id == cited)
    rest = tuple(fact for fact in evidence.facts if fact.item_id != pk)
    scorer, number = served.model.scorer, served.model.item_number(item.item_id)
    # Against the average item: what all items lose alike moves none of them.
    whole = centered(scorer.score([known_to(served.model, evidence).history]))[0, number]
    less = centered(scorer.score([known_to(served.model, Evidence(rest, 9)).history]))[0, number]
    per_unit = blend.score(served, evidence).per_unit
    assert item.reasons[0].weight == pytest.approx((whole - less) * per_unit, abs=1e-6)


@pytest.mark.parametrize("liked", [(0, 1, 2), (39,), tuple(range(0, 40, 3)), ()])
def test_bias_and_contributions_sum_to_the_score(world: World, liked: tuple[int, ...]):
    user = world.user(*liked)
    requests = [
        services.recommend(world.ask(user, explain=True)),
        services.similar(world.ask(user, explain=True, context_item=world.items[5].external_id)),
        services.search(world.ask(user, explain=True), world.items[7].title),
        services.rank(world.ask(user, explain=True), [i.external_id for i in world.items[:9]]),
    ]
    items = [item for answer in requests for item in answer.items]
    items += [i for row in services.home(world.ask(user, explain=True)).rows for i in row.items]
    for item in items:
        parts = item.explanation.contributions
        total = item.explanation.bias + sum(part.weight for part in parts)
        assert total == pytest.approx(item.score, abs=1e-6)
        assert all(part.text for part in parts)
        components = item.explanation.components
        if components:
            assert {part.name for part in components} == {"bias", "match", "prior"}
            assert sum(part.weight for part in components) == pytest.approx(item.score, abs=1e-5)
            assert all(part.text for part in components)
        assert [step.stage for step in item.explanation.path][-1] == "shown"
        assert all(step.text for step in item.explanation.path)
        assert item.explanation.path[-1].rank == item.position


def test_what_no_single_event_explains_is_named_as_history(world: World, monkeypatch):
    """Neighbor sums are additive, so nothing is left over; their square root is not."""
    user, other = world.user(0, 1, 2), world.user(0, 1, 2, 3)

    def left_over(who) -> float:
        item = services.recommend(world.ask(who, limit=1, explain=True)).items[0]
        parts = item.explanation.contributions
        total = item.explanation.bias + sum(part.weight for part in parts)
        assert total == pytest.approx(item.score, abs=1e-6)
        return sum(abs(part.weight) for part in parts if part.kind == "history")

    assert left_over(user) < 1e-5
    plain = NeighborScorer._match
    monkeypatch.setattr(NeighborScorer, "_match", lambda *args: np.sqrt(plain(*args)))
    assert left_over(other) > 0.05


def test_low_ratings_and_looks_are_no_likes_to_cite(world: World):
    user = world.user(stars=5.0)
    for place in range(30, 36):
        world.rate(user, place, 3.0)  # half a positive, below liked_from
    for item in services.recommend(world.ask(user)).items:
        assert {reason.kind for reason in item.reasons} <= {"popular", "profile"}


def test_a_score_carried_by_popularity_says_popular(world: World):
    answer = services.recommend(world.ask(world.user(39), limit=1))
    assert [reason.kind for reason in answer.items[0].reasons] == ["popular"]


def test_texts_follow_the_active_language():
    reason = Reason("rated_item", {"title": "Heat", "stars": 4.5})
    assert reason.text == "You rated “Heat” 4.5 stars"
    assert Reason("liked_item", {"title": "Heat", "type": "purchase"}).text == "You bought “Heat”"
    assert Reason("similar", {"title": "100% Wolf"}).text == "Similar to “100% Wolf”"
    with translation.override("zh-hans"):
        assert Reason("popular").text


def test_an_item_rated_twice_counts_once_with_its_last_rating(world: World):
    user = world.user(0, 1, 2)
    world.tell(user, "click", 2)
    world.rate(user, 2, 4.0)
    evidence = _logged(services.recommend(world.ask(user)).slate_id)
    facts = {fact.item_id: fact for fact in evidence.facts}
    assert len(facts) == len(evidence.facts) == 3
    assert facts[world.items[2].pk].value == 4.0


def test_rules_changed_since_the_history_was_written_count(world: World):
    user = world.user(0, 1, 2)
    world.catalog.event_rules["rating"]["weight"] = 0.0
    assert services.recommend(world.ask(user)).strategy == "cold_start"


def test_a_price_is_no_rating_and_a_newer_event_moves_its_item_to_the_end(world: World):
    user = world.user(0, 1, 2)
    world.tell(user, "purchase", 5, 99.0)
    world.tell(user, "like", 0)
    evidence = _logged(services.recommend(world.ask(user)).slate_id)
    facts = [(fact.type, fact.value) for fact in evidence.facts]
    assert facts[-2] == ("purchase", None)
    assert evidence.facts[-1].item_id == world.items[0].pk
    assert len(facts) == 4


def test_scores_computed_again_from_the_log_are_the_logged_ones(world: World):
    """T-SKEW: the snapshot and the version give the logits back, for live and stored lists."""
    user = world.user(*range(0, 40, 4))
    for _ in range(2):
        slate = Slate.objects.get(pk=services.recommend(world.ask(user)).slate_id)
        served = registry.load_version(slate.model_version)
        services.forget()
        scores = blend.score(served, _logged(slate.pk))
        ids = np.frombuffer(bytes(slate.candidates), "<i4")
        again = scores.total[served.model.item_numbers(ids)]
        assert np.abs(again - np.frombuffer(bytes(slate.logits), "<f4")).max() <= 1e-5


def test_evidence_survives_the_log():
    evidence = Evidence(
        (Fact(3, "rating", 4.5, 1.0, 1.25), Fact(9, "like", None, 0.5, 2.0)), 7, (0.5,)
    )
    assert Evidence.decode(evidence.encode()) == evidence


def test_predicted_ratings_need_three_ratings_and_a_rating_model(world: World):
    user = world.user(0, 1)
    assert services.recommend(world.ask(user)).items[0].predicted_rating is None
    world.rate(user, 2)
    item = services.recommend(world.ask(user)).items[0]
    assert 0.5 <= item.predicted_rating <= 5.0
    # √(.25 + 1/(3 + 1) + 1/(9 + 1))
    assert item.uncertainty == pytest.approx(0.6**0.5)
    world.make_live(world.add_version(state="candidate"))
    assert services.recommend(world.ask(user)).items[0].predicted_rating is None


def test_chances_are_told_as_counts_where_the_version_has_them(world: World):
    user = world.user(0)
    assert services.recommend(world.ask(user)).items[0].chances == ()
    world.make_live(world.add_version(state="candidate", chances=True))
    other = world.user(0)
    items = services.recommend(world.ask(other)).items
    said = [item.chances[0].probability for item in items]
    assert all(0.01 <= p <= 0.5 for p in said) and max(said) > min(said)
    scores = np.array([item.score for item in items])
    assert items[int(scores.argmax())].chances[0].probability == max(said)
    first = services.explain_token(items[0].token, other)
    assert first.chances == items[0].chances
    assert Chance("click", 0.034, 7.0).text == (
        "Of 100 items with a score like this, about 3 are opened within 7 days of a visit"
    )
    assert "Of 1,000 items" in Chance("purchase", 0.0034, 2.5).text
    assert "about 3 are bought within 2.5 days" in Chance("purchase", 0.0034, 2.5).text


def test_why_replays_the_logged_score_after_the_person_moved_on(world: World):
    user = world.user(0, *range(22, 30))
    item = services.recommend(world.ask(user, limit=20, explain=True)).items[4]
    for place in (10, 11, 12):
        world.rate(user, place)
    why = services.explain_token(item.token, user)
    assert (why.score, why.position, why.is_replayed) == (pytest.approx(item.score), 5, True)
    assert [reason.ref for reason in why.reasons] == [reason.ref for reason in item.reasons]
    assert why.explanation.path == item.explanation.path
    total = why.explanation.bias + sum(part.weight for part in why.explanation.contributions)
    assert total == pytest.approx(why.score, abs=1e-6)


def test_why_works_for_every_item_of_home_and_says_the_same(world: World):
    user = world.user(0, 1, 2, 31)
    page = services.home(world.ask(user, explain=True))
    for row in page.rows:
        for item in row.items:
            why = services.explain_token(item.token, user)
            assert [r.kind for r in why.reasons] == [r.kind for r in item.reasons]
            assert why.score == pytest.approx(item.score)
            assert why.explanation.path[-1].rank == item.position


def test_why_names_the_item_that_a_similar_list_was_about(world: World):
    asked = world.ask(context_item=world.items[15].external_id, limit=3)
    why = services.explain_token(services.similar(asked).items[0].token, None)
    assert why.reasons[0].params["title"] == world.items[15].title


def test_why_says_when_the_logged_version_is_gone(world: World):
    user = world.user(0, 1, 2)
    item = services.recommend(world.ask(user)).items[0]
    old = world.version
    world.make_live(world.add_version(state="candidate", sign=-1.0))
    ModelVersion.objects.filter(pk=old.pk).update(path="deleted")
    services.forget()
    why = services.explain_token(item.token, user)
    assert not why.is_replayed
    assert (why.logged_version, why.model_version) == (old.label, world.version.label)
    total = why.explanation.bias + sum(part.weight for part in why.explanation.contributions)
    assert total == pytest.approx(why.score, abs=1e-6)


def test_why_is_for_the_person_who_was_shown_the_list(world: World):
    item = services.recommend(world.ask(world.user(0, 1, 2))).items[0]
    for stranger in (None, world.user(3)):
        with pytest.raises(Missing, match="shown to somebody else"):
            services.explain_token(item.token, stranger)
    with pytest.raises(BadToken):
        services.explain_token(item.token[:-1] + "!", None)


def _logged(slate_id) -> Evidence:
    blob = Slate.objects.get(pk=slate_id).feature_snapshot.blob
    return Evidence.decode(zlib.decompress(bytes(blob)))


def test_features_are_computed_by_the_versions_own_spec_and_logged(world: World):
    spec = fit_spec(
        [{"age": 20}, {"age": 40}],
        HistoryFacts(*(np.array([1.0, 3.0]) for _ in range(4))),
        ItemFacts(np.zeros(1), np.zeros(1), np.zeros(1), [[]]),
    )
    world.make_live(
        world.add_version(
            state="candidate",
            user_feature_names=spec.user_names,
            extra={"feature_spec": spec.as_dict()},
        )
    )
    user = world.user(0, 1, 2, attributes={"age": 50})
    logged = _logged(services.recommend(world.ask(user)).slate_id)
    facts = HistoryFacts.of_one(3, 5.0, 3, 0.0)
    assert logged.features == pytest.approx(user_vector(spec, {"age": 50}, facts))
    assert logged.features[0] == pytest.approx(2.0)  # (50 − 30) / 10
