"""Small data sets and quick runs for the tests of the workflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iceframe.workflow.session import Run
from iceframe.workflow.session import run as run_ladder

QUICK: dict[str, Any] = {"folds": 3, "workers": 1, "trials": 2, "shift": False}


@pytest.fixture(scope="session")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of stripes along or across, one subfolder a class."""
    folder = tmp_path_factory.mktemp("stripes")
    rng = np.random.default_rng(0)
    for name, axis in (("across", 0), ("along", 1)):
        (folder / name).mkdir()
        for i in range(20):
            wave = np.sin(np.arange(24) * rng.uniform(0.7, 1.3) + rng.uniform(0, 6))
            image = np.broadcast_to(np.expand_dims(wave, 1 - axis), (24, 24))
            noisy = 128 + 60 * image + rng.normal(0, 15, (24, 24))
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(
                folder / name / f"{name}{i}.png"
            )
    return folder


@pytest.fixture
def quick_run(tmp_path: Path) -> Callable[..., Run]:
    def go(data: Any, target: str | None = None, **options: Any) -> Run:
        return run_ladder(data, target, **{"out": tmp_path / "run", **QUICK, **options})

    return go
