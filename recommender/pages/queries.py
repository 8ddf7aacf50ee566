"""What the pages read across rooms; each function says what it costs."""

from recommender.catalog.models import Catalog


def default_catalog() -> Catalog | None:
    """Return the catalog whose pages stand at `/`: the default one, else the oldest. One query."""
    return Catalog.objects.order_by("-is_default", "pk").first()
