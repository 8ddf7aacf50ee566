from dataclasses import replace

import numpy as np
import pytest

from bench.frozen import load_answer, load_task, save_task
from bench.protocols import by_the_clock, cold_items, histories, leave_last, ncf, with_content
from tests.bench.world import circle, source, with_ncf


def test_the_last_event_is_asked_and_the_one_before_is_validation():
    made = leave_last(circle())
    ask = made.task.asks["b"]
    assert [own.tolist() for own in made.answers["b"].relevant] == [[u + 8] for u in range(6)]
    assert np.sort(made.task.validation.item).tolist() == [u + 7 for u in range(6)]
    assert ask.items[0].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert made.task.train.time.max() < made.task.validation.time.min()


def test_no_answer_stands_in_what_is_learned_from():
    made = leave_last(circle())
    for user, own in zip(made.answers["b"].users, made.answers["b"].relevant, strict=True):
        learned = made.task.train.item[made.task.train.user == user]
        assert not np.isin(own, learned).any()


def test_late_events_are_hidden_from_the_history_but_not_listed_again():
    made = leave_last(circle(), late=(3,))
    ask = made.task.asks["late-3"]
    assert ask.items[0].tolist() == [1, 2, 3, 4]
    assert ask.seen[0].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert len(made.answers["late-3"].relevant) == len(ask)


def test_the_clock_lets_nobody_read_the_window():
    made = by_the_clock(circle(length=20))
    cut = made.task.asks["window"].known.time.max()
    assert made.task.train.time.max() <= made.task.validation.time.min() <= cut
    visits = made.task.asks["visits"]
    for history, moment in zip(histories(visits), visits.times, strict=True):
        assert (history.times < moment).all()


def test_the_window_asks_only_for_people_who_were_there_before():
    events = [(1, n + 1, n) for n in range(20)] + [(2, 30, 100), (1, 31, 101)]
    made = by_the_clock(source(events, 2))
    assert made.task.asks["window"].users.tolist() == [1]
    assert 2 in made.task.asks["visits"].users


def test_ncf_takes_its_own_test_row_out_of_training():
    negatives = np.arange(6 * 99).reshape(6, 99) % 100 + 20
    made = ncf(with_ncf(circle(), negatives))
    ask = made.task.asks["a"]
    assert ask.candidates.shape == (6, 100)
    assert (np.diff(ask.candidates, axis=1) >= 0).all()  # the place says nothing
    for user, own in zip(made.answers["a"].users, made.answers["a"].relevant, strict=True):
        assert own[0] not in made.task.train.item[made.task.train.user == user]
        assert own[0] not in made.task.validation.item[made.task.validation.user == user]
    assert made.answers["a"].groups["last in order"].sum() == 3


def test_ncf_refuses_a_set_without_a_published_test():
    with pytest.raises(ValueError, match="tiny has no published NCF test"):
        ncf(circle())


def test_cold_items_are_in_no_training_and_no_history():
    made = cold_items(circle(n_users=118), seed=1)
    ask = made.task.asks["among"]
    held = ask.candidates[0]
    assert len(held)
    assert not np.isin(held, made.task.train.item).any()
    assert not any(np.isin(own, held).any() for own in ask.items)
    mixed = made.task.asks["cold"].candidates
    assert (np.isin(mixed, held).sum(axis=1) == 1).all()  # one cold item among 99 warm ones


def test_a_task_is_read_as_it_was_written(tmp_path):
    made = with_content(leave_last(circle(), late=(1,)), np.ones((131, 4), np.float32), "hashing")
    first = save_task(tmp_path / "t", made.task, made.answers)
    read = load_task(tmp_path / "t")
    assert list(read.asks) == ["b", "late-1"]
    assert read.encoder == "hashing"
    assert read.asks["b"].known.content.shape == (131, 4)
    assert [own.tolist() for own in read.asks["b"].items] == [
        own.tolist() for own in made.task.asks["b"].items
    ]
    answer = load_answer(tmp_path / "t", "b")
    assert [own.tolist() for own in answer.relevant] == [[u + 8] for u in range(6)]
    assert save_task(tmp_path / "t", made.task, made.answers) == first


def test_the_hash_of_a_task_sees_one_changed_event(tmp_path):
    made = leave_last(circle())
    first = save_task(tmp_path / "t", made.task, made.answers)
    weight = made.task.train.weight.copy()
    weight[0] = 0.5
    changed = replace(made.task, train=replace(made.task.train, weight=weight))
    assert save_task(tmp_path / "t", changed, made.answers) != first
