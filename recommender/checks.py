"""System checks with hints: what Django cannot know about RecLoop's own settings."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def loopback_in_debug(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - Django's signature
    **kwargs: Any,  # noqa: ARG001
) -> list[CheckMessage]:
    """Refuse DEBUG on an address that others can reach."""
    if settings.DEBUG and settings.BIND_HOST not in {"127.0.0.1", "localhost", "::1"}:
        return [
            Error(
                f"DEBUG is on while BIND_HOST is {settings.BIND_HOST!r}.",
                hint="Unset DEBUG, or set BIND_HOST=127.0.0.1.",
                id="recommender.E001",
            )
        ]
    return []


@register()
def known_encoder(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - Django's signature
    **kwargs: Any,  # noqa: ARG001
) -> list[CheckMessage]:
    """Refuse an encoder name that nobody knows."""
    from recommender.ml.encoders import MODALITIES, problem_of

    errors: list[CheckMessage] = []
    for modality in MODALITIES:
        name = f"ENCODER_{modality.upper()}"
        setting = getattr(settings, name)
        problem = problem_of(modality, setting)
        if problem:
            errors.append(Error(f"{name} is {setting!r}.", hint=problem, id="recommender.E002"))
    return errors


@register()
def known_narrator(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - Django's signature
    **kwargs: Any,  # noqa: ARG001
) -> list[CheckMessage]:
    """Refuse a language model that is neither an address nor a folder."""
    from recommender.ml.narrators import problem_of

    problem = problem_of(settings.NARRATOR)
    if not problem:
        return []
    return [Error(f"NARRATOR is {settings.NARRATOR!r}.", hint=problem, id="recommender.E003")]
