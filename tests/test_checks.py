from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from recommender import checks

ROOT = Path(__file__).resolve().parent.parent


def test_debug_on_an_open_address_is_an_error(settings: Settings) -> None:
    settings.DEBUG, settings.BIND_HOST = True, "0.0.0.0"
    assert [error.id for error in checks.loopback_in_debug(None)] == ["recommender.E001"]
    settings.BIND_HOST = "127.0.0.1"
    assert checks.loopback_in_debug(None) == []


def test_a_language_model_that_is_no_address_is_an_error_with_a_hint(settings: Settings) -> None:
    settings.NARRATOR = "gpt"
    (error,) = checks.known_narrator(None)
    assert error.id == "recommender.E003"
    assert "openai:<base_url>#<model>" in str(error.hint)
    settings.NARRATOR = "openai:http://127.0.0.1:11434/v1#qwen3"
    assert checks.known_narrator(None) == []


def test_an_unknown_encoder_is_an_error_that_lists_the_known(settings: Settings) -> None:
    settings.ENCODER_TEXT = "bundled:nothing"
    (error,) = checks.known_encoder(None)
    assert error.id == "recommender.E002"
    assert "bundled:use" in str(error.hint)
    settings.ENCODER_TEXT, settings.ENCODER_SOUND = "", "bundled:efficientnet"
    (error,) = checks.known_encoder(None)
    assert "ENCODER_SOUND is 'bundled:efficientnet'" in error.msg
    assert "bundled:musicnn" in str(error.hint)


@pytest.mark.parametrize("extra", [{"BEHIND_TLS": "1"}])
def test_the_production_settings_pass_djangos_deployment_checks(
    tmp_path: Path, extra: dict[str, str]
) -> None:
    environment = os.environ | {"RECLOOP_DATA": str(tmp_path), **extra}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    ran = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "no issues" in ran.stdout
