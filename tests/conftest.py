"""Fixtures that every room's tests share."""

from __future__ import annotations

import random

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _same_seed() -> None:
    """Start each test from the same random state."""
    random.seed(1)
    np.random.seed(1)
