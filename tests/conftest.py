"""Fixtures that every package's tests share."""

from __future__ import annotations

import os
from pathlib import Path

# Small inputs run fastest on one thread each; set before NumPy and torch load their libraries.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real measurements and images; the test is skipped where it is absent."""
    stated = os.environ.get("ICEFRAME_SHARED_DATA")
    folder = Path(stated) if stated else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real data not found: set ICEFRAME_SHARED_DATA to its folder")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """A fresh seeded generator for each test, so that tests do not depend on their order."""
    return np.random.default_rng(20240607)
