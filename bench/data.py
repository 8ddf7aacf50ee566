"""Read MovieLens as the product's arrays; every rating counts as taken, as in published tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recommender.ml import features
from recommender.ml.encoders import NotAvailable, load_encoder
from recommender.ml.interactions import BoolArray, FloatArray, IntArray, Interactions

DAY_S = 86_400
STEP_S = 60  # between two events of one user in ML-1M, where only the order is known
HALF_LIFE_S = 365.0 * DAY_S
ENCODERS = ("bundled:use", "hashing")  # the first that is installed


@dataclass(frozen=True)
class Source:
    """Hold one data set, its items' texts, and NCF's published test if it has one."""

    name: str
    data: Interactions
    texts: tuple[str, ...]  # (M,) "title. genres", item 1 first
    ncf: "NcfTest | None" = None


@dataclass(frozen=True)
class NcfTest:
    """Hold the published leave-one-out test (He et al. 2017), in the numbers of the data."""

    rows: BoolArray  # (N,) the test events
    users: IntArray  # (n,)
    items: IntArray  # (n,)
    negatives: IntArray  # (n, 99)
    is_last: BoolArray  # (n,) the test event is also the user's last in order


@dataclass(frozen=True)
class Facts:
    """Hold what is known of people and films."""

    attributes: list[dict[str, object]]  # of user 1, 2, …
    categories: list[list[str]]  # of item 1, 2, …


def load_100k(folder: Path) -> Source:
    """Read `u.data u.user u.item u.genre`."""
    rows = np.loadtxt(folder / "u.data", dtype=np.int64)
    rows = rows[np.argsort(rows[:, 3], kind="stable")]
    user, item, value, second = rows.T
    genres = [name for name, *_ in _read(folder / "u.genre", "|")]
    films = _read(folder / "u.item", "|")
    categories = [
        [genre for genre, flag in zip(genres, row[5:], strict=True) if flag == "1"] for row in films
    ]
    people: list[dict[str, object]] = [
        {"age": age, "gender": gender, "occupation": job}
        for _, age, gender, job, _ in _read(folder / "u.user", "|")
    ]
    data = interactions((user, item, second), value.astype(np.float64), Facts(people, categories))
    return Source("ml-100k", data, _texts([row[1] for row in films], categories))


def load_1m(folder: Path) -> Source:
    """Read `ncf.npz users.dat movies.dat`: the order of events is known, ratings are not.

    A user's events end at their published last second, a minute apart; so an event's second is
    right to within a sitting, and nothing is known of ties.
    """
    packed = np.load(folder / "ncf.npz", allow_pickle=False)
    n_users = int(packed["train_user"].max()) + 1
    test_user = np.arange(n_users)
    place = missing_places(packed["train_user"], packed["train_position"], n_users)
    user = np.concatenate([packed["train_user"], test_user])
    item = np.concatenate([packed["train_item"], packed["test_item"]]) + 1
    position = np.concatenate([packed["train_position"], place]).astype(np.int64)
    length = np.bincount(user, minlength=n_users)
    back = length[user] - 1 - position
    second = packed["test_timestamp"].astype(np.int64)[user] - STEP_S * back
    order = np.lexsort((position, user, second))
    is_test = (np.arange(len(user)) >= len(packed["train_user"]))[order]
    facts, titles = _facts_1m(folder, packed["item_to_movie_id"], packed["user_to_user_id"])
    given = (user[order] + 1, item[order].astype(np.int64), second[order])
    ncf = NcfTest(
        rows=is_test,
        users=test_user + 1,
        items=packed["test_item"].astype(np.int64) + 1,
        negatives=packed["negatives"].astype(np.int64) + 1,
        is_last=place == length - 1,
    )
    data = interactions(given, np.full(len(user), np.nan), facts)
    return Source("ml-1m", data, _texts(titles, facts.categories), ncf)


def missing_places(user: IntArray, position: IntArray, n_users: int) -> IntArray:
    """Return each user's one place in 0..n that no row has: where the row that was taken out stood.

    >>> missing_places(np.array([0, 0, 1]), np.array([0, 2, 0]), 2).tolist()
    [1, 1]
    """
    length = np.bincount(user, minlength=n_users)
    total = np.bincount(user, weights=position, minlength=n_users).astype(np.int64)
    return np.asarray(length * (length + 1) // 2 - total)


def interactions(
    events: tuple[IntArray, IntArray, IntArray], value: FloatArray, facts: Facts
) -> Interactions:
    """Build the product's arrays from (user, item, second) in order of time; no content yet."""
    user, item, second = events
    n_users, n_items = len(facts.attributes), len(facts.categories)
    user_rows, user_names, item_rows, item_names = _features(facts)
    return Interactions(
        user=user,
        item=item,
        kind=np.zeros(len(user), np.int64),
        value=value,
        weight=np.ones(len(user)),
        time=second,
        n_users=n_users,
        n_items=n_items,
        kinds=("rating",),
        half_life_s=np.array([HALF_LIFE_S]),
        user_features=user_rows,
        user_feature_names=user_names,
        item_features=item_rows,
        item_feature_names=item_names,
        content=np.zeros((n_items + 1, 0), np.float32),
    )


def encode(texts: Sequence[str]) -> tuple[str, FloatArray]:
    """Return the encoder's id and (M+1, C) content vectors, row 0 zero."""
    for name in ENCODERS:
        try:
            encoder = load_encoder(name)
        except NotAvailable:
            continue
        rows = encoder.encode(texts)
        return encoder.id, np.vstack([np.zeros_like(rows[:1]), rows])
    raise NotAvailable("no text encoder is installed")


def _facts_1m(folder: Path, movie_ids: IntArray, user_ids: IntArray) -> tuple[Facts, list[str]]:
    films = {int(row[0]): row for row in _read(folder / "movies.dat", "::")}
    people = {int(row[0]): row for row in _read(folder / "users.dat", "::")}
    chosen = [films[int(number)] for number in movie_ids]
    attributes: list[dict[str, object]] = [
        {"gender": row[1], "age": row[2], "occupation": row[3]}
        for row in (people[int(number)] for number in user_ids)
    ]
    return Facts(attributes, [row[2].split("|") for row in chosen]), [row[1] for row in chosen]


def _texts(titles: Sequence[str], categories: Sequence[Sequence[str]]) -> tuple[str, ...]:
    pairs = zip(titles, categories, strict=True)
    return tuple(f"{title}. {', '.join(genres)}" for title, genres in pairs)


def _features(facts: Facts) -> tuple[FloatArray, tuple[str, ...], FloatArray, tuple[str, ...]]:
    """Return age, gender and occupation of users, genres of items, in the product's columns."""
    n_users, n_items = len(facts.attributes), len(facts.categories)
    unknown = np.full(n_items, np.nan)
    items = features.ItemFacts(unknown, unknown, unknown, facts.categories)
    nothing = np.full(n_users, np.nan)
    past = features.HistoryFacts(np.zeros(n_users), nothing, np.zeros(n_users), nothing)
    spec = features.fit_spec(facts.attributes, past, items)
    user_rows = features.user_matrix(spec, facts.attributes, past)
    user_rows = np.vstack([user_rows.mean(axis=0, keepdims=True), user_rows])
    item_rows = features.item_matrix(spec, items)
    item_rows = np.vstack([np.zeros_like(item_rows[:1]), item_rows])
    return user_rows, spec.user_names, item_rows, spec.item_names


def _read(path: Path, separator: str) -> list[list[str]]:
    text = path.read_text(encoding="latin-1")
    return [line.split(separator) for line in text.splitlines() if line.strip()]
