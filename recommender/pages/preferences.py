"""What visitors set: the off switch and the theme."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from recommender.accounts.services import set_preferences
from recommender.collect.services import set_personalized
from recommender.errors import BadData
from recommender.pages.context import THEME_COOKIE
from recommender.pages.forms import PrivacyForm, ThemeForm
from recommender.pages.visits import OFF, Visit, on_site, safe_next

YEAR_S = 31_536_000


@require_http_methods(["GET", "HEAD", "POST"])
@on_site
def privacy(visit: Visit) -> HttpResponse:
    """Show the off switch; a POST turns personalization off or on, for good or for this visit."""
    if visit.request.method != "POST":
        return visit.render("pages/privacy.html", {})
    form = PrivacyForm(visit.request.POST)
    if not form.is_valid():
        raise BadData(_("Choose on or off."))
    is_on: bool = form.cleaned_data["is_personalized"]
    visit.request.session[OFF] = not is_on
    if visit.user and (is_on or form.cleaned_data["scope"] == "lasting"):
        set_personalized(user=visit.user, is_personalized=is_on)
    text = _("Personalization is on") if is_on else _("Personalization is off")
    messages.success(visit.request, text)
    return HttpResponseRedirect(visit.next_address())


@require_GET
@on_site
def preferences(visit: Visit) -> HttpResponse:
    """Lead to the one page of preferences that there is."""
    return HttpResponseRedirect(visit.address("privacy"))


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the theme in a cookie, which the server reads before it draws a page."""
    form = ThemeForm(request.POST)
    response = HttpResponseRedirect(safe_next(request) or "/")
    if form.is_valid():
        response.set_cookie(
            THEME_COOKIE,
            form.cleaned_data["theme"],
            max_age=YEAR_S,
            samesite="Lax",
            secure=request.is_secure(),
            httponly=True,
        )
        if request.user.is_authenticated:
            set_preferences(account=request.user, theme=form.cleaned_data["theme"])
    return response
