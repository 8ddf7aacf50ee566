"""compose.yaml and the Dockerfile name only what exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_every_service_runs_a_command_that_exists() -> None:
    named = [
        service["command"][2] for service in COMPOSE["services"].values() if "command" in service
    ]
    assert sorted(named) == ["migrate", "scheduler", "web", "worker", "worker"]
    assert set(named) <= set(get_commands())


def test_every_variable_is_one_that_the_settings_read() -> None:
    settings = (ROOT / "recsite" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', settings))
    given = set(COMPOSE["x-app"]["environment"])
    given |= set(re.findall(r"([A-Z_]+)=\S+", DOCKERFILE)) - {
        "PYTHONUNBUFFERED",
        "PYTHONDONTWRITEBYTECODE",
        "PIP_EXTRA_INDEX_URL",
    }
    assert given - read == set()


def test_published_ports_are_bound_to_loopback() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8000:8000"]


def test_every_copied_file_is_there() -> None:
    copied = re.findall(r"^COPY (.+) \./$", DOCKERFILE, re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert len(names) == 4
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_each_dependency_waits_for_a_probe_that_exists() -> None:
    services = COMPOSE["services"]
    waits = [
        (name, condition["condition"])
        for service in services.values()
        for name, condition in service.get("depends_on", {}).items()
    ]
    assert all(
        "healthcheck" in services[name]
        for name, condition in waits
        if condition == "service_healthy"
    )
    assert ("postgres", "service_healthy") in waits
