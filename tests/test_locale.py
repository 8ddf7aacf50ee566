"""The Chinese texts: none missing, none vague, none half English."""

from __future__ import annotations

import ast
import gettext
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES"
CALLS = {
    "_": (),
    "gettext": (),
    "gettext_lazy": (),
    "gettext_noop": (),
    "ngettext": ("plural",),
    "ngettext_lazy": ("plural",),
    "pgettext": ("context",),
    "pgettext_lazy": ("context",),
    "npgettext": ("context", "plural"),
    "npgettext_lazy": ("context", "plural"),
}
NAMES = """
    ASCII CTR Caser DELETE EASE Drama Infinity JSON NDCG NDJSON OpenAPI POST RecLoop
    Transformer UUID
"""
# What a program sends or a shell runs is the same in every language.
WIRE = """
    Accept Authorization Bearer Content-Encoding Content-Type Idempotency-Key SIM_CLOCK
    application/json attributes cart category click covers creator cursor custom demo detail dismiss
    dwell errors event_id events false filter force from full gender greedy home http https
    import impression incremental instance items language like limit make manage mode name null
    occurred_at operate price_max price_min published_after published_before purchase rating
    read recommend request_id search shadow share status title tokens type undo user value view want
    worker write
"""
PLACEHOLDER = re.compile(r"%\(\w+\)[-+ #0]*\d*(?:\.\d+)?[a-z]|%%")
CODE = re.compile(r"<code>.*?</code>|`[^`]*`|<[^>]+>|/api/\S*", re.DOTALL)
LATIN = re.compile(r"[A-Za-z][A-Za-z_/-]*[A-Za-z]|[A-Za-z]")
HAN = re.compile(r"[\u4e00-\u9fff]")
NARROW = re.compile(r"[\u4e00-\u9fff][,;:!?]|[,;!?][\u4e00-\u9fff]|[\u4e00-\u9fff]\.(?!\w)")


@dataclass
class Entry:
    """One text of the catalog."""

    flags: set[str] = field(default_factory=set)
    parts: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.parts.get("msgctxt", ""), self.parts["msgid"]

    @property
    def text(self) -> str:
        return self.parts.get("msgstr[0]", self.parts.get("msgstr", ""))


def parse(source: str) -> list[Entry]:
    """Read a catalog's source; its header is the entry without a msgid."""
    found = []
    for block in re.split(r"\n\s*\n", source.strip()):
        entry, name = Entry(), ""
        for line in block.splitlines():
            if line.startswith("#,"):
                entry.flags |= {flag.strip() for flag in line[2:].split(",")}
            elif not line.startswith("#"):
                word, quote, rest = line.partition('"')
                name = word.strip() or name
                entry.parts[name] = entry.parts.get(name, "") + ast.literal_eval(quote + rest)
        if entry.parts:
            found.append(entry)
    return found


@cache
def entries() -> tuple[Entry, ...]:
    return tuple(
        entry for entry in parse((FOLDER / "django.po").read_text("utf-8")) if entry.key[1]
    )


def said_in(source: str) -> Iterator[tuple[str, str]]:
    """Yield context and text of every literal that Python code hands to gettext."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else None
        name = node.func.id if isinstance(node.func, ast.Name) else name
        if name not in CALLS:
            continue
        texts = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
        context = texts.pop(0) if "context" in CALLS[name] else ""
        if isinstance(texts[0], str):
            yield str(context), texts[0]


def said_on(page: str) -> Iterator[tuple[str, str]]:
    """Yield what a template hands to gettext, just as makemessages sees it."""
    literal = r"u?(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    for call in re.finditer(rf"\b(\w+)\(({literal}(?:, *{literal})*)", templatize(page)):
        yield from said_in(f"{call[1]}({call[2]})")


def half_english(text: str) -> list[str]:
    """List Latin words of more than three letters that are no names; Chinese may quote the wire."""
    plain = PLACEHOLDER.sub(" ", CODE.sub(" ", text))
    allowed = {*NAMES.split(), *(WIRE.split() if HAN.search(plain) else ())}
    words = (word.strip("/-") for word in LATIN.findall(plain))
    return [word for word in words if len(word) > 3 and word not in allowed]


def misfit(entry: Entry) -> Counter[str]:
    """Return the placeholders that the translation lost (or, negative, made up)."""
    source = entry.parts.get("msgid_plural", entry.parts["msgid"])
    gap = Counter(PLACEHOLDER.findall(source))
    gap.subtract(PLACEHOLDER.findall(entry.text))
    return Counter({name: n for name, n in gap.items() if n})


def test_every_text_is_translated_and_none_is_vague() -> None:
    assert len(entries()) > 900
    assert [entry.key for entry in entries() if not entry.text.strip()] == []
    assert [entry.key for entry in entries() if "fuzzy" in entry.flags] == []


def test_no_text_stands_twice() -> None:
    twice = [key for key, n in Counter(entry.key for entry in entries()).items() if n > 1]
    assert twice == []


def test_the_compiled_catalog_says_the_same_as_its_source() -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for entry in entries():
        context, text = entry.key
        plural = entry.parts.get("msgid_plural", text)
        found = [
            compiled.npgettext(context, text, plural, n)
            if context
            else compiled.ngettext(text, plural, n)
            for n in ((1, 2) if plural != text else ())
        ] or [compiled.pgettext(context, text) if context else compiled.gettext(text)]
        assert set(found) == {entry.text}, entry.key


def test_every_text_in_the_code_is_in_the_catalog() -> None:
    known = {entry.key for entry in entries()}
    missing = {
        (str(path.relative_to(ROOT)), *said)
        for folder in ("recommender", "recsite")
        for path in (ROOT / folder).rglob("*.py")
        for said in said_in(path.read_text("utf-8"))
        if said not in known
    }
    assert sorted(missing) == []


def test_every_text_on_the_pages_is_in_the_catalog() -> None:
    known = {entry.key for entry in entries()}
    said = {
        (str(path.relative_to(ROOT)), *said)
        for path in (ROOT / "templates").rglob("*.html")
        for said in said_on(path.read_text("utf-8"))
    }
    assert len(said) > 200
    assert sorted(one for one in said if one[1:] not in known) == []


def test_placeholders_agree() -> None:
    assert {entry.key: misfit(entry) for entry in entries() if misfit(entry)} == {}


def test_chinese_texts_hold_no_english_words() -> None:
    assert {e.key: half_english(e.text) for e in entries() if half_english(e.text)} == {}


def test_chinese_texts_use_full_width_punctuation() -> None:
    plain = {entry.key: CODE.sub("", entry.text) for entry in entries()}
    assert {key: text for key, text in plain.items() if NARROW.search(text)} == {}


def test_the_header_names_the_language_and_no_person() -> None:
    head = parse((FOLDER / "django.po").read_text("utf-8"))[0].text
    assert "Language: zh_Hans\n" in head
    assert "nplurals=1; plural=0;" in head
    assert "@" not in head
    assert "Last-Translator" not in head


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("保存 changes", ["changes"]),
        ("Share", ["Share"]),
        ("share", ["share"]),
        ("未知类型 share", []),
        ("请发送 `Accept: application/json`。", []),
        ("%(title)s 的 NDCG@10", []),
        ("<code>next_cursor</code> 和 next_cursor", ["next_cursor"]),
    ],
)
def test_an_english_word_left_over_is_seen(text: str, left: list[str]) -> None:
    assert half_english(text) == left


@pytest.mark.parametrize(
    "text", ["没有 %(name)s", "没有 %(kind)s %(nam)s", "没有 %(kind)r %(name)s"]
)
def test_a_lost_placeholder_is_seen(text: str) -> None:
    assert misfit(Entry(parts={"msgid": "No %(kind)s %(name)s", "msgstr": text}))


def test_an_untranslated_or_vague_text_is_seen() -> None:
    first, second = parse(
        '#, fuzzy\nmsgid "a"\nmsgstr "甲"\n\nmsgctxt "c"\nmsgid ""\n"b"\nmsgstr ""'
    )
    assert (first.flags, first.text) == ({"fuzzy"}, "甲")
    assert (second.key, second.text) == (("c", "b"), "")


def test_texts_are_found_in_code_and_on_pages() -> None:
    code = '_("a")\npgettext_lazy("c", "b")\nngettext("one", "many", n)\n_(name)\nprint("x")'
    page = (
        "{% load i18n %}{% translate 'a' %}{% translate \"b's\" context 'c' %}"
        "{% blocktranslate trimmed %}\n {{ n }}\n is 5 %{% endblocktranslate %}"
    )
    assert list(said_in(code)) == [("", "a"), ("c", "b"), ("", "one")]
    assert list(said_on(page)) == [("", "a"), ("c", "b's"), ("", "%(n)s is 5 %%")]
