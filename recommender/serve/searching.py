"""Find items by title or maker: exact and prefix matches first, then likely misspellings."""

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from recommender.serve.answers import ListAnswer, ListRequest
from recommender.serve.candidates import Ranked
from recommender.serve.items import ItemTable
from recommender.serve.lists import first_page, next_page
from recommender.serve.policy import POLICY
from recommender.serve.scene import Scene, open_scene

LEAST_ALIKE = 75  # of 100: how much of a word must be right for it to count as misspelled
SHORTEST_TYPO = 4  # letters; below, a wrong letter makes another word
PREFIX, INSIDE, TYPO = 0.9, 0.8, 0.7  # match quality; the whole word, or the whole title, is 1
N_NEAREST = 10


@dataclass(frozen=True)
class Index:
    """What search reads of one item table."""

    titles: tuple[str, ...]  # folded, by row
    words: dict[str, tuple[int, ...]]  # folded word → rows whose title or makers hold it
    vocabulary: tuple[str, ...]


def search(request: ListRequest, query: str) -> ListAnswer:
    """Answer a search; when nothing matches, the nearest titles, marked as such.

    Seen and dismissed items are found too: who names a title wants that title.
    """
    if request.cursor:
        return next_page(request)
    scene = open_scene(replace(request, surface="search"))
    found = matches(scene.table, query)
    found = {row: quality for row, quality in found.items() if scene.may_show[row]}
    is_nearest = not found and bool(fold(query))
    if is_nearest:
        near = nearest(scene.table, query, len(scene.table))
        open_near = {row: quality for row, quality in near.items() if scene.may_show[row]}
        found = dict(list(open_near.items())[:N_NEAREST])
    answer = first_page(scene, _ranked(scene, found), query=query)
    return replace(answer, is_nearest=is_nearest and bool(answer.items))


def fold(text: str) -> str:
    """Reduce text to lower-case words without accents.

    >>> fold("Amélie, Le fabuleux…")
    'amelie le fabuleux'
    """
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return " ".join(re.findall(r"\w+", plain))


def index_of(table: ItemTable) -> Index:
    """Return the search index of a table, built on first use and kept with it."""
    kept = table.__dict__.get("_search_index")
    if kept is None:
        kept = table.__dict__["_search_index"] = _build(table)
    index: Index = kept
    return index


def matches(table: ItemTable, query: str) -> dict[int, float]:
    """Return the rows in which every word of the query is found, with the quality in (0, 1]."""
    index, wanted = index_of(table), fold(query)
    if not wanted:
        return {}
    by_word = [_rows_for(index, word) for word in wanted.split()]
    common = set(by_word[0]).intersection(*by_word[1:])
    found = {row: sum(rows[row] for rows in by_word) / len(by_word) for row in common}
    for row, title in enumerate(index.titles):
        if wanted in title:  # also finds parts of words, and of titles written without spaces
            found[row] = max(found.get(row, 0.0), _quality_inside(wanted, title))
    return found


def nearest(table: ItemTable, query: str, k: int) -> dict[int, float]:
    """Return the k rows whose titles look most like the query, best first."""
    best = process.extract(fold(query), index_of(table).titles, scorer=fuzz.WRatio, limit=k)
    return {row: alike / 100.0 * INSIDE for _, alike, row in best}


def _quality_inside(wanted: str, title: str) -> float:
    if title == wanted:
        return 1.0
    return 0.95 if title.startswith(wanted) else INSIDE


def _rows_for(index: Index, word: str) -> dict[int, float]:
    """Return the rows that hold a word, one that starts with it, or one that it misspells."""
    found: dict[int, float] = {}
    for known, quality in _alike(index, word).items():
        for row in index.words[known]:
            found[row] = max(found.get(row, 0.0), quality)
    return found


def _alike(index: Index, word: str) -> dict[str, float]:
    found = {known: PREFIX for known in index.vocabulary if known.startswith(word)}
    if len(word) >= SHORTEST_TYPO:
        near = process.extract(
            word, index.vocabulary, scorer=fuzz.ratio, score_cutoff=LEAST_ALIKE, limit=20
        )
        for known, alike, _ in near:
            found.setdefault(known, alike / 100.0 * TYPO)
    if word in index.words:
        found[word] = 1.0
    return found


def _build(table: ItemTable) -> Index:
    words: dict[str, list[int]] = defaultdict(list)
    titles = []
    for row, record in enumerate(table.records):
        title = fold(record.title)
        titles.append(title)
        makers = (fold(str(creator)) for creator in record.creators)
        for word in {*title.split(), *(word for maker in makers for word in maker.split())}:
            words[word].append(row)
    frozen = {word: tuple(rows) for word, rows in words.items()}
    return Index(tuple(titles), frozen, tuple(frozen))


def _ranked(scene: Scene, found: dict[int, float]) -> Ranked:
    """Order by match; among equals by the person's own scores, else by popularity."""
    rows = np.array(sorted(found), np.int64)
    quality = np.array([found[int(row)] for row in rows], np.float32)
    ids = scene.table.ids[rows] if len(rows) else np.zeros(0, np.int64)
    order = np.lexsort((-_liking(scene, ids), -np.round(quality, 2)))[: POLICY.n_candidates]
    return Ranked(
        ids=ids[order],
        scores=quality[order],
        sources="q" * len(order),
        strategy="search",
        served=scene.served,
    )


def _liking(scene: Scene, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    if scene.served is None or not len(ids):
        return np.zeros(len(ids))
    numbers = scene.served.model.item_numbers(ids)
    levels = scene.scores.total if scene.scores else scene.served.popularity_z
    return np.where(numbers > 0, levels[numbers], levels[1:].min(initial=0.0)).astype(np.float64)
