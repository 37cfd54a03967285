"""Fixtures that every package's tests share."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Small inputs run fastest on one thread each; set before NumPy and torch load their libraries.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# What tests compute again is no business of the user's cache. Worker processes inherit the name,
# and the process that made the folder removes it.
if "ICEFRAME_CACHE" not in os.environ:
    _cache = tempfile.TemporaryDirectory(prefix="iceframe-cache-", ignore_cleanup_errors=True)
    atexit.register(_cache.cleanup)
    os.environ["ICEFRAME_CACHE"] = _cache.name

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[1]

# No verdict depends on how fast the machine is.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


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


def _alloys(n: int = 60, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "anneal": rng.uniform(400, 900, n).round(1),
            "carbon": rng.uniform(0.1, 0.9, n).round(3),
            "batch_humidity": rng.uniform(0.2, 0.6, n).round(3),
        }
    )
    frame["strength"] = 900 - 0.5 * frame["anneal"] + 300 * frame["carbon"]
    frame["strength"] = (frame["strength"] + rng.normal(0, 15, n)).round(2)
    return frame


@pytest.fixture(scope="session")
def alloys() -> Callable[..., pd.DataFrame]:
    """``alloys(n, seed)``: a linear law of two columns with noise; a third does not matter."""
    return _alloys


@pytest.fixture(scope="session")
def alloy_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("alloys") / "alloys.csv"
    _alloys().to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def alloy_run(alloy_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished run over ``alloy_table``."""
    from iceframe.workflow.session import run

    out = tmp_path_factory.mktemp("runs") / "alloys"
    quick = {"folds": 3, "workers": 1, "trials": 2, "repeats": 1, "shift": False}
    return run(alloy_table, "strength", ladder=["mean", "ridge", "tree"], out=out, **quick)
