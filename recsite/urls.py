"""The three faces: the site, the operator panel and the API."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/", include("recommender.api.urls")),
    path("ops/", include("recommender.dashboard.urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("recommender.pages.urls")),
]
handler400 = "recommender.pages.errors.bad_request"
handler403 = "recommender.pages.errors.forbidden"
handler404 = "recommender.pages.errors.not_found"
handler500 = "recommender.pages.errors.server_error"
