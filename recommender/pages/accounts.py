"""Log in, log out, sign up."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import login
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from recommender.accounts.limits import spend
from recommender.accounts.services import create_account
from recommender.pages.claims import claim_visitors
from recommender.pages.forms import SignUpForm
from recommender.pages.visits import VISITORS, safe_next

TRIES_A_MINUTE = 20


class LogIn(LoginView):
    """Log in with a name and a password; guessing is slowed down."""

    template_name = "registration/login.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Spend one try of this address's minute, then check the password."""
        if not _may_try(request):
            return _too_many(request)
        return super().post(request, *args, **kwargs)


class LogOut(LogoutView):
    """Log out by POST."""


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """Make an account; what the visitor did before stays theirs."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(safe_next(request) or "/")
    if request.method != "POST":
        return _form(request, SignUpForm())
    if not _may_try(request):
        return _too_many(request)
    form = SignUpForm(request.POST)
    if not form.is_valid():
        return _form(request, form)
    account = create_account(
        username=form.cleaned_data["username"], password=form.cleaned_data["password1"]
    )
    claim_visitors(account=account, keys=request.session.get(VISITORS, {}).values())
    login(request, account)
    return HttpResponseRedirect(safe_next(request) or "/")


def _form(request: HttpRequest, form: SignUpForm) -> HttpResponse:
    return render(request, "registration/signup.html", {"form": form, "next": safe_next(request)})


def _may_try(request: HttpRequest) -> bool:
    subject = f"login:{request.META.get('REMOTE_ADDR', '')}"
    return spend(subject=subject, limit=TRIES_A_MINUTE).is_allowed


def _too_many(request: HttpRequest) -> HttpResponse:
    context = {"status": 429, "message": _("Too many tries from your network.")}
    response = render(request, "pages/error.html", context, status=429)
    response["Retry-After"] = "60"
    return response
