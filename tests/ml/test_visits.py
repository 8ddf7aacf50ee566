from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.evaluation import histories_of
from recommender.ml.interactions import Interactions
from recommender.ml.visits import histories_at, make_visits, sample, spread


def world(rows: list[tuple[int, int, int, float]]) -> Interactions:
    """Rows are (time, user, item, weight)."""
    table = sorted(rows)
    return Interactions(
        user=np.array([row[1] for row in table], dtype=np.int64),
        item=np.array([row[2] for row in table], dtype=np.int64),
        kind=np.zeros(len(table), dtype=np.int64),
        value=np.full(len(table), np.nan),
        weight=np.array([row[3] for row in table]),
        time=np.array([row[0] for row in table], dtype=np.int64),
        n_users=4,
        n_items=9,
        kinds=("like",),
        half_life_s=np.array([1e9]),
        user_features=np.zeros((5, 0), dtype=np.float32),
        user_feature_names=(),
        item_features=np.zeros((10, 0), dtype=np.float32),
        item_feature_names=(),
        content=np.zeros((10, 0), dtype=np.float32),
    )


def visits_of(data: Interactions, since: int, per_user: int = 8):  # type: ignore[no-untyped-def]
    return make_visits(data, since, data.weight > 0, np.ones(len(data), np.bool_), per_user)


def test_a_visit_is_judged_on_what_came_after_it_and_reads_what_came_before() -> None:
    data = world([(1, 1, 1, 1.0), (10, 1, 2, 1.0), (20, 1, 3, 1.0), (5, 2, 4, 1.0)])
    cases = visits_of(data, since=10)
    assert cases.users.tolist() == [1, 1]
    assert cases.times.tolist() == [10, 20]
    assert [r.tolist() for r in cases.relevant] == [[2, 3], [3]]
    assert [s.tolist() for s in cases.seen] == [[1], [1, 2]]
    read = [history.items.tolist() for history in histories_at(data, cases)]
    assert read == [[1], [1, 2]]


def test_events_of_one_second_are_not_read_for_each_other() -> None:
    data = world([(10, 1, 2, 1.0), (10, 1, 3, 1.0)])
    cases = visits_of(data, since=5)
    assert [r.tolist() for r in cases.relevant] == [[2, 3]]
    assert histories_at(data, cases)[0].items.tolist() == []


def test_a_user_weighs_as_much_as_another_however_often_they_came() -> None:
    rows = [(10 + t, 1, 1 + t, 1.0) for t in range(8)] + [(11, 2, 3, 1.0)]
    cases = visits_of(world(rows), since=0, per_user=3)
    assert np.bincount(cases.users).tolist() == [0, 3, 1]
    assert cases.n_users == 2


def test_a_sample_keeps_all_visits_of_the_users_it_draws() -> None:
    rows = [(10 + t, user, 1 + t, 1.0) for t in range(4) for user in (1, 2, 3)]
    cases = visits_of(world(rows), since=0)
    drawn = sample(cases, most_users=2, seed=1)
    assert drawn.n_users == 2
    assert len(drawn) == 8
    assert sample(cases, most_users=3, seed=1) is cases


@given(moments=st.sets(st.integers(0, 1000), min_size=1), most=st.integers(1, 20))
def test_spread_keeps_the_first_moment_in_order_and_not_too_many(
    moments: set[int], most: int
) -> None:
    everything = np.array(sorted(moments))
    kept = spread(everything, most)
    assert len(kept) == min(most, len(everything))
    assert kept[0] == everything[0]
    assert set(kept.tolist()) <= moments


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 30), st.integers(1, 4), st.integers(1, 9), st.sampled_from([0.0, 0.5, 1.0])
    ),
    min_size=1,
    max_size=40,
)


@given(rows=EVENTS, since=st.integers(0, 30))
def test_nothing_at_or_after_a_visit_is_read_and_nothing_seen_is_asked_for(
    rows: list[tuple[int, int, int, float]], since: int
) -> None:
    data = world(rows)
    cases = visits_of(data, since)
    for place, history in enumerate(histories_at(data, cases)):
        assert (history.times < cases.times[place]).all()
        assert not set(cases.relevant[place].tolist()) & set(cases.seen[place].tolist())
        assert len(cases.relevant[place])
        assert cases.times[place] >= since


@given(rows=EVENTS)
def test_at_the_end_of_time_a_visit_reads_what_the_plain_builder_reads(
    rows: list[tuple[int, int, int, float]],
) -> None:
    data = world(rows)
    extra = world([*rows, *[(100, user, 9, 1.0) for user in range(1, 5)]])
    cases = visits_of(extra, since=100)
    plain = histories_of(data, cases.users)
    for history, expected in zip(histories_at(extra, cases), plain, strict=True):
        assert history.items.tolist() == expected.items.tolist()
        assert history.weights.tolist() == expected.weights.tolist()
