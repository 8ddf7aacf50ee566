"""How a list comes about: the stages with their figures, and what exploring costs."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from recommender.catalog import services as catalogs
from recommender.catalog.models import Catalog
from recommender.dashboard import words
from recommender.dashboard.access import attempt, back_to, operator, page, reader, required_scope
from recommender.errors import BadData
from recommender.ml.stats import Z95
from recommender.serve import budget
from recommender.serve import services as serve


@reader
def pipeline(request: HttpRequest) -> HttpResponse:
    """Show the stages in order."""
    catalog = required_scope(request)
    context = {
        "stages": [(stage, sorted(stage.parameters.items())) for stage in serve.pipeline(catalog)],
        "sentence": _sentence(catalog),
        "target": f"{100 * catalog.exploration_target:g}",
        "most": f"{100 * catalogs.MOST_EXPLORATION:g}",
    }
    return page(request, "pipeline.html", catalog, context, here="pipeline")


@operator
def explore(request: HttpRequest) -> HttpResponse:
    """Set what drawing lists may cost."""
    catalog = required_scope(request)

    def act() -> str:
        try:
            percent = float(request.POST.get("target", "").replace(",", "."))
        except ValueError:
            raise BadData(_("What exploring may cost is not a number of percent.")) from None
        catalogs.set_exploration(catalog=catalog, target=percent / 100)
        if percent == 0:
            return _("Everybody gets the best list from now on; nothing is drawn.")
        return _("Exploring may cost %(percent)s %% from now on.") % {"percent": f"{percent:g}"}

    attempt(request, act)
    return back_to(request, reverse("dashboard:pipeline"))


def _sentence(catalog: Catalog) -> str:
    """Say what drawing has cost since the temperature was last changed."""
    if catalog.exploration_target <= 0:
        return _("Nothing is drawn: everybody gets the best list, and no estimate can be made.")
    found = budget.spent(catalog)
    if found.mean is None or found.error is None or found.n < 2:
        return _("No list was drawn at this temperature yet.")
    low, high = found.mean - Z95 * found.error, found.mean + Z95 * found.error
    return _(
        "Drawing cost %(mean)s %% of the best lists' worth (95 %% interval %(low)s to %(high)s), "
        "measured on %(n)s lists at temperature %(tau)s."
    ) % {
        "mean": words.signed(100 * found.mean, 2).removeprefix("+"),
        "low": words.signed(100 * low, 2).removeprefix("+"),
        "high": words.signed(100 * high, 2).removeprefix("+"),
        "n": found.n,
        "tau": f"{catalog.exploration_tau:.3g}",
    }
