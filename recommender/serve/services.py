"""Answer requests for lists, and explain the answers. Nothing here raises for a missing model."""

from collections.abc import Sequence

from recommender.catalog.models import Catalog
from recommender.collect.models import User
from recommender.promote.models import ModelVersion
from recommender.serve import blend, lists, policy, popular, reasons, registry, searching
from recommender.serve import home as pages
from recommender.serve import items as tables
from recommender.serve import trace as tracing
from recommender.serve import why as whys
from recommender.serve.answers import HomePage, ItemWhy, ListAnswer, ListRequest, Stage, Trace


def recommend(request: ListRequest) -> ListAnswer:
    """Answer one personal list and log it. One statement reads; one transaction writes.

    Raises: BadData on an unknown filter or a cursor that is not ours.
    """
    return lists.recommend(request)


def home(request: ListRequest) -> HomePage:
    """Answer all rows of home as one slate; no item appears twice."""
    return pages.home(request)


def more(request: ListRequest, *, kind: str) -> ListAnswer:
    """Answer one kind of home row as a paged list (for_you, trending, popular, new, exploring).

    Raises: Missing for a kind that is not a row.
    """
    return pages.more(request, kind=kind)


def similar(request: ListRequest) -> ListAnswer:
    """Answer the items most like `request.context_item`.

    Raises: Missing when that item does not exist.
    """
    return lists.similar(request)


def rank(request: ListRequest, items: Sequence[str]) -> ListAnswer:
    """Order the caller's items by our score.

    Raises: BadData listing unknown ids.
    """
    return lists.rank(request, items)


def search(request: ListRequest, query: str) -> ListAnswer:
    """Find items by title or creator, typos allowed; nearest titles when nothing matches."""
    return searching.search(request, query)


def explain_token(token: str, user: User | None) -> ItemWhy:
    """Explain one shown item from its logged slate.

    Raises: BadToken (collect.tokens), or Missing when the slate is another person's or gone.
    """
    return whys.explain_token(token, user)


def trace(
    *,
    catalog: Catalog,
    user: User | None,
    version: ModelVersion | None = None,
    other: ModelVersion | None = None,
    item: str | None = None,
) -> Trace:
    """Show what a user would see under `version` (None = live) and `other`, and why not `item`.

    `item` is an outside id. Logs nothing.
    """
    return tracing.trace(catalog=catalog, user=user, version=version, other=other, item=item)


def pipeline(catalog: Catalog) -> tuple[Stage, ...]:
    """List the stages and weights as they run now, in order. One query."""
    live = ModelVersion.objects.filter(catalog=catalog).live().first()
    return policy.stages(catalog, live.label if live else None, live.model if live else None)


def forget() -> None:
    """Drop everything that this process keeps in memory; the next request loads it again."""
    for part in (tables, registry, popular, blend, reasons):
        part.forget()
