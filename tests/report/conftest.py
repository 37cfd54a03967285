"""Lets the tests of this folder import the views and the browser that lie beside them.

Tests are imported by file (``--import-mode=importlib``), which leaves their folder off the path.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from iceframe.report import write_report

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def report_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One report of every made-up run."""
    from report_views import VIEWS

    folder = tmp_path_factory.mktemp("reports")
    return {name: write_report(view(), folder / f"{name}.html") for name, view in VIEWS.items()}
