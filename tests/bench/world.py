"""A tiny MovieLens-1M and -100K on disk, and arrays made by hand."""

import numpy as np

from bench.data import Facts, NcfTest, Source, interactions

N_ITEMS = 130


def write_100k(folder):
    folder.mkdir(parents=True)
    (folder / "u.data").write_text("1\t2\t5\t20\n2\t1\t3\t10\n1\t1\t4\t30\n")
    (folder / "u.user").write_text("1|24|M|artist|0\n2|53|F|other|0\n")
    (folder / "u.genre").write_text("Drama|0\nComedy|1\n\n")
    films = "1|Toy (1995)|x||y|0|1\n2|Café (1990)|x||y|1|1\n"
    (folder / "u.item").write_text(films, encoding="latin-1")


def write_1m(folder):
    """User 0 took items 0, 1, (2) in this order, user 1 took (0), 2: test rows in brackets."""
    folder.mkdir(parents=True)
    np.savez(
        folder / "ncf.npz",
        train_user=[0, 0, 1],
        train_item=[0, 1, 2],
        train_position=[0, 1, 1],
        test_item=[2, 0],
        test_rating=[5, 5],
        test_timestamp=[1_000_000, 500_000],
        negatives=np.zeros((2, 99), np.int64),
        item_to_movie_id=[30, 10, 20],
        user_to_user_id=[1, 2],
    )
    (folder / "users.dat").write_text("1::F::1::10::0\n2::M::56::16::0\n")
    films = "10::B (1990)::Comedy\n20::C (1991)::Drama|Comedy\n30::A (1989)::Drama\n40::None::War\n"
    (folder / "movies.dat").write_text(films, encoding="latin-1")


def source(events, n_users, n_items=N_ITEMS, *, ncf=None):
    """Build a source from (user, item, second) rows in order of time."""
    user, item, second = np.array(events, np.int64).T
    people = [{"age": 30 + user, "gender": "F"} for user in range(n_users)]
    facts = Facts(people, [["Drama"] if n % 2 else ["Comedy"] for n in range(n_items)])
    data = interactions((user, item, second), np.full(len(user), 4.0), facts)
    texts = tuple(f"film {n}" for n in range(n_items))
    return Source("tiny", data, texts, ncf)


def circle(n_users=6, length=8):
    """Let user u take items u+1, u+2, … one a second, after each other."""
    events = [
        (user + 1, user + 1 + step, 1_000 * step + user)
        for step in range(length)
        for user in range(n_users)
    ]
    return source(events, n_users)


def with_ncf(made, negatives):
    """Call each user's newest event the published test."""
    data = made.data
    rows = np.zeros(len(data), np.bool_)
    for user in range(1, data.n_users + 1):
        rows[np.flatnonzero(data.user == user)[-1]] = True
    order = np.argsort(data.user[rows])
    test = NcfTest(
        rows=rows,
        users=data.user[rows][order],
        items=data.item[rows][order],
        negatives=negatives,
        is_last=np.arange(data.n_users) % 2 == 0,
    )
    return Source(made.name, data, made.texts, test)
