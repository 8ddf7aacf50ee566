"""Fixtures that every room's tests share."""

from __future__ import annotations

import random

import numpy as np
import pytest
from django.utils import translation

from recommender.serve import services as serve


@pytest.fixture(autouse=True)
def _same_seed() -> None:
    """Start each test from the same random state."""
    random.seed(1)
    np.random.seed(1)


@pytest.fixture(autouse=True)
def _no_memory_of_other_tests() -> None:
    """Empty the caches that a serving process keeps: rows of other tests are gone."""
    serve.forget()


@pytest.fixture(autouse=True)
def _english() -> None:
    """Start each test in English: a request in another language leaves its thread in it."""
    translation.activate("en")
