"""What networks know of an element before they see data: Magpie's properties, standardised.

One row an atomic number, row 0 for an element that is not known. A property that has no value for
an element is zero there, the mean of the others. The number of the space group of the pure element
is left out: it counts nothing.

Ward, Agrawal, Choudhary, Wolverton 2016, doi:10.1038/npjcompumats.2016.28
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

RIDGE = 1.0
"""Penalty of the regression on amounts, in samples of a pure element."""

LEFT_OUT = "SpaceGroupNumber"


@lru_cache(maxsize=1)
def element_features() -> np.ndarray:
    """Float32 ``(119, 21)``; rows 1 to 118 have mean 0 and standard deviation at most 1.

    Examples
    --------
    >>> table = element_features()
    >>> table.shape, bool(np.isfinite(table).all()), float(np.abs(table[0]).max())
    ((119, 21), True, 0.0)
    """
    from iceframe.scale.descriptors.magpie import PROPERTIES, element_table

    kept = [place for place, name in enumerate(PROPERTIES) if name != LEFT_OUT]
    values = element_table()[:, kept]
    standard = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    table = np.zeros((len(values) + 1, len(kept)), np.float32)
    table[1:] = np.where(np.isnan(standard), 0.0, standard)
    return table


def feature_tensor() -> Tensor:
    """The same as a tensor of its own."""
    import torch

    return torch.as_tensor(element_features().copy())


def element_regression(amounts: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Ridge regression of ``y`` ``(n, k)`` on amounts of elements ``(n, 119)`` without an
    intercept: ``(119, k)``, zero for elements that do not occur. The rule of mixtures that networks
    begin from.

    Examples
    --------
    >>> amounts = np.zeros((2, 119))
    >>> amounts[0, 1] = amounts[1, 2] = 1.0
    >>> element_regression(amounts, np.array([[2.0], [4.0]]))[:3].tolist()
    [[0.0], [1.0], [2.0]]
    """
    gram = amounts.T @ amounts + RIDGE * np.eye(amounts.shape[1])
    return np.linalg.solve(gram, amounts.T @ y)
