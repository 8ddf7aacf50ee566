"""Check what a language model wrote against the facts; whatever cannot be checked is refused.

Titles must stand between quotation marks, so that they can be told from the words around them. All
else must be a plain word of a fixed list, a category of a fact, or a number of a fact; acts and
numbers must stand next to the item of which they are true. So nothing can be invented, swapped or
denied, whatever a title tried to make the model say.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from recommender.serve import vocabulary as words
from recommender.serve.facts import Facts, Named

LEAST, MOST = 8, 400  # characters
PAIRS = (("“", "”"), ("《", "》"), ("「", "」"), ('"', '"'), ("«", "»"))
QUOTES = frozenset(mark for pair in PAIRS for mark in pair)
MARKS = frozenset(" ,.;:!?—–-()，。；：！？、（）’'…★·")
TOKEN = re.compile(r"\x00\d+\x00|[A-Za-z][A-Za-z’'-]*|\d+(?:[.,]\d+)?|.", re.S)
HOLE = re.compile(r"\x00(\d+)\x00")
_LIKED_FROM = frozenset({"rated", "like", "want", "share"})  # of which "liked" may be said


@dataclass(frozen=True)
class Refusal(Exception):
    """Say what in a sentence is no fact."""

    problem: str

    def __str__(self) -> str:
        """Say it."""
        return self.problem


def checked(text: str, facts: Facts) -> str:
    """Return the sentence as it may be shown. Raises: Refusal naming the first thing wrong."""
    sentence = text.strip()
    if not LEAST <= len(sentence) <= MOST:
        raise Refusal(f"it has {len(sentence)} characters; {LEAST} to {MOST} are a sentence")
    named = [facts.shown, *facts.cited]
    holed = _without_titles(sentence, named)
    for number, each in enumerate(named):
        if number > 0 and f"\x00{number}\x00" not in holed:
            raise Refusal(f"it does not name {each.title!r}, which is the cause")
    for kind in sorted({kind for each in named for kind in each.kinds}, key=len, reverse=True):
        holed = _without_kind(holed, kind, named)
    _check_acts(holed, facts)
    for match in TOKEN.finditer(holed):
        _check_token(match, holed, facts)
    return sentence


def _without_titles(sentence: str, named: list[Named]) -> str:
    """Put a hole where each quoted title stands. Raises: Refusal for a quote of something else."""
    if "\x00" in sentence:
        raise Refusal("it holds a control character")
    order = sorted(range(len(named)), key=lambda number: -len(named[number].title))
    for number in order:
        for opening, closing in PAIRS:
            quoted = f"{opening}{named[number].title}{closing}"
            sentence = sentence.replace(quoted, f"\x00{number}\x00")
    left = QUOTES & set(sentence)
    if left:
        raise Refusal(f"it quotes something that is no title among the facts ({min(left)})")
    return sentence


def _without_kind(holed: str, kind: str, named: list[Named]) -> str:
    """Blank a category out where it is true of the item that it stands nearest to."""
    is_latin = kind.isascii()
    pattern = rf"(?<![A-Za-z]){re.escape(kind)}s?(?![A-Za-z])" if is_latin else re.escape(kind)

    def blank(match: re.Match[str]) -> str:
        at = _nearest(holed, match)
        if at is not None and kind not in named[at].kinds:
            raise Refusal(f"it calls {named[at].title!r} {kind!r}")
        return " " * len(match.group())

    return re.sub(pattern, blank, holed, flags=re.IGNORECASE)


def _check_acts(holed: str, facts: Facts) -> None:
    """Refuse an act that is said of another item than the one it was done to."""
    is_chinese = facts.language.startswith("zh")
    named = [facts.shown, *facts.cited]
    for pattern, act in (words.CHINESE_ACTS if is_chinese else words.ENGLISH_ACTS).items():
        pattern = pattern if is_chinese else rf"(?<![A-Za-z])(?:{pattern})(?![A-Za-z])"
        for match in re.finditer(pattern, holed, re.IGNORECASE):
            at = _nearest(holed, match)
            done = named[at].act if at is not None else ""
            is_true = done in _LIKED_FROM if act == "liked" else done == act
            if not is_true:
                said = named[at].title if at is not None else "nothing"
                raise Refusal(f"it says {match.group()!r} of {said!r}")


def _check_token(match: re.Match[str], holed: str, facts: Facts) -> None:
    token = match.group()
    if HOLE.fullmatch(token) or token in MARKS:
        return
    number = _number(token, facts.language)
    if number is not None:
        at = _nearest(holed, match)
        stars = [facts.shown, *facts.cited][at].stars if at is not None else None
        if stars != number:
            raise Refusal(f"the number {token} is no fact of what it stands next to")
        return
    plain = words.CHINESE if facts.language.startswith("zh") else words.ENGLISH
    if token.lower() not in plain:
        raise Refusal(f"{token!r} is neither a fact nor a plain word")


def _number(token: str, language: str) -> float | None:
    if token[0].isdecimal():
        return float(token.replace(",", "."))
    table = words.CHINESE_NUMBERS if language.startswith("zh") else words.ENGLISH_NUMBERS
    return table.get(token.lower())


def _nearest(holed: str, match: re.Match[str]) -> int | None:
    """Return which title stands nearest to a word; None without any."""
    distances = sorted(_distances(holed, match))
    return distances[0][1] if distances else None


def _distances(holed: str, match: re.Match[str]) -> Iterator[tuple[int, int]]:
    for hole in HOLE.finditer(holed):
        gap = max(hole.start() - match.end(), match.start() - hole.end(), 0)
        yield gap, int(hole.group(1))
