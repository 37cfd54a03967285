"""Explained crystals as plain values."""

from __future__ import annotations

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.workflow.examples import amounts


def test_terms_that_are_no_elements_have_no_amount() -> None:
    crystal = Crystals(
        4 * np.eye(3)[None], np.array([0, 2]), np.array([22, 8]), np.zeros((2, 3)), ("TiO",)
    )
    found = amounts(crystal, ("Ti", "Fe", "Ti fraction", "CHGNet energy"))
    np.testing.assert_array_equal(found, [0.5, 0.0, np.nan, np.nan])
