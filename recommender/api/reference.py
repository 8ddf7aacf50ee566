"""Turn the OpenAPI document into what the documentation page lists."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_noop

PLACES = (
    gettext_noop("query"),
    gettext_noop("path"),
    gettext_noop("header"),
    gettext_noop("body"),
    gettext_noop("answer"),
)


@dataclass(frozen=True)
class Field:
    """One parameter, or one field of a body or an answer."""

    name: str
    kind: str
    place: str  # one of PLACES
    is_required: bool
    text: str


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    method: str
    path: str
    summary: str
    text: str
    scope: str  # empty: open to everybody
    fields: tuple[Field, ...]
    statuses: str

    @property
    def anchor(self) -> str:
        """Return a fragment id."""
        letters = [c if c.isalnum() else "-" for c in f"{self.method}-{self.path}"]
        return "".join(letters).lower()


def groups(document: Mapping[str, Any]) -> list[tuple[str, list[Operation]]]:
    """Group the operations by the noun of their address, in the order of the document."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            made = _operation(document, path, method, operation)
            found.setdefault(operation["tags"][0], []).append(made)
    return list(found.items())


def _operation(
    document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]
) -> Operation:
    security = operation.get("security", [])
    done = [status for status in operation["responses"] if status.startswith("2")]
    return Operation(
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        text=operation.get("description", ""),
        scope=next(iter(security[0].values()))[0] if security else "",
        fields=tuple(_fields(document, operation, done)),
        statuses=", ".join(done),
    )


def _fields(
    document: Mapping[str, Any], operation: Mapping[str, Any], done: list[str]
) -> Iterator[Field]:
    for parameter in operation.get("parameters", []):
        yield Field(
            parameter["name"],
            kind_of(document, parameter["schema"]),
            parameter["in"],
            parameter.get("required", False),
            parameter.get("description", parameter["schema"].get("description", "")),
        )
    yield from _of_content(document, operation.get("requestBody", {}), "body")
    for status in done[:1]:
        yield from _of_content(document, operation["responses"][status], "answer")


def _of_content(
    document: Mapping[str, Any], part: Mapping[str, Any], place: str
) -> Iterator[Field]:
    for media in part.get("content", {}).values():
        for schema in _alternatives(document, media["schema"]):
            for name, inner in schema.get("properties", {}).items():
                kind = kind_of(document, inner)
                is_required = name in schema.get("required", [])
                yield Field(name, kind, place, is_required, inner.get("description", ""))
        return  # NDJSON bodies have the fields of one entry


def _alternatives(
    document: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    known = resolve(document, schema)
    if "oneOf" in known or "anyOf" in known:
        for inner in known.get("oneOf", known.get("anyOf", [])):
            yield resolve(document, inner)
    else:
        yield known


def resolve(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference into the document's components."""
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].rsplit("/", 1)[-1]
    found: Mapping[str, Any] = document["components"]["schemas"][name]
    return found


def kind_of(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Name a schema's type in a word or two."""
    known = resolve(document, schema)
    if "type" not in known:
        parts = [*known.get("oneOf", []), *known.get("allOf", []), *known.get("anyOf", [])]
        return " | ".join(kind_of(document, part) for part in parts) or "any"
    kind = known["type"]
    if isinstance(kind, list):
        return " | ".join(kind)
    if kind == "array":
        return f"array of {kind_of(document, known['items'])}"
    return str(known.get("format", kind))
