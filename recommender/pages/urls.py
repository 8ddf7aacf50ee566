"""Addresses of the site. With several catalogs, each one's pages also stand under `/<catalog>/`."""

from django.urls import URLPattern, URLResolver, include, path

from recommender.pages import accounts, acts, preferences, views

PAGES: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("item/<int:key>/", views.item, name="item_plain"),
    path("item/<int:key>-<str:slug>/", views.item, name="item"),
    path("why/<str:token>/", views.why, name="why"),
    path("why/<str:token>/sentence/", views.why_sentence, name="why_sentence"),
    path("search/", views.search, name="search"),
    path("browse/", views.browse, name="browse"),
    path("browse/<path:category>/", views.browse_category, name="browse_category"),
    path("more/<slug:row>/", views.more, name="more"),
    path("welcome/", views.welcome, name="welcome"),
    path("history/", views.history, name="history"),
    path("hidden/", views.hidden, name="hidden"),
    path("about/ranking/", views.about_ranking, name="about_ranking"),
    path("preferences/", preferences.preferences, name="preferences"),
    path("preferences/privacy/", preferences.privacy, name="privacy"),
    path("rate/", acts.rate, name="rate"),
    path("dismiss/", acts.dismiss, name="dismiss"),
    path("undo/", acts.undo, name="undo"),
    path("signals/", acts.signals, name="signals"),
]
SHARED: list[URLPattern | URLResolver] = [
    path("preferences/theme/", preferences.theme, name="theme"),
    path("accounts/login/", accounts.LogIn.as_view(), name="login"),
    path("accounts/logout/", accounts.LogOut.as_view(), name="logout"),
    path("accounts/signup/", accounts.sign_up, name="signup"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("", include((SHARED, "account"))),
    path("", include((PAGES, "site"))),
    path("<slug:catalog_slug>/", include((PAGES, "site"), namespace="catalog")),
]
