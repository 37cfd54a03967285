"""Effective stiffness against muSpectre 0.27.0, independent code, by recorded numbers.

Origin: muSpectre's ``Cell`` in small strain with ``MaterialLinearElastic1``, phases as below,
conjugate gradients at 1e-11 (same finite differences, its "averaged upwind") and 1e-8 (its default
Fourier derivative), ``peer_solve`` in ``benchmarks/homogenisation.py`` with these moduli; its first
axis is x.
"""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.physics import Elasticity, homogenize

LAW = Elasticity([1.0, 20.0], [0.4, 0.15])

SAME_DIFFERENCES = {
    (9, 7): [
        [6.475986744, 2.332713463, 0.0],
        [2.332713463, 4.637470609, 0.0],
        [0.0, 0.0, 0.823696158],
    ],
    (5, 3, 7): [
        [4.763773665, 2.406269954, 2.147795794, 0.0, 0.0, -0.727066681],
        [2.406269954, 4.421281607, 2.267523506, 0.0, 0.0, -0.187005448],
        [2.147795794, 2.267523506, 5.95592793, 0.0, 0.0, -0.070580475],
        [0.0, 0.0, 0.0, 1.299810885, -0.320126351, 0.0],
        [0.0, 0.0, 0.0, -0.320126351, 1.526551872, 0.0],
        [-0.727066681, -0.187005448, -0.070580475, 0.0, 0.0, 1.500836854],
    ],
}

# Disc or sphere of radius 0.3: C11, C12 and the last shear modulus on n voxels a side.
FOURIER_DERIVATIVE = {
    2: {
        15: (3.2433674, 1.8101608, 0.5521171),
        31: (3.1441959, 1.7989343, 0.5394844),
        63: (3.1042875, 1.7832948, 0.5301377),
        127: (3.1090773, 1.7886869, 0.5319626),
    },
    3: {
        7: (2.4599383, 1.5467695, 0.4345974),
        15: (2.5253869, 1.5691198, 0.4487129),
        31: (2.5144608, 1.5663913, 0.4451371),
    },
}


def pattern(shape):
    mix = sum((2 * axis + 3) * c * c + 5 * c for axis, c in enumerate(np.indices(shape)))
    return (mix % 7 < 3).astype(np.uint8)


def inclusion(n, dimension):
    axes = [(np.arange(n) + 0.5) / n - 0.5] * dimension
    square = sum(c**2 for c in np.meshgrid(*axes, indexing="ij"))
    return (square < 0.09).astype(np.uint8)


@pytest.mark.parametrize("shape", SAME_DIFFERENCES)
def test_the_same_differences_give_the_same_tensor(shape):
    tensor = homogenize(pattern(shape)[None], LAW, tolerance=1e-11).tensor[0]
    assert np.abs(tensor - SAME_DIFFERENCES[shape]).max() < 2e-8


@pytest.mark.parametrize("dimension", FOURIER_DERIVATIVE)
def test_other_differences_agree_better_with_resolution(dimension):
    gaps = []
    for n, expected in FOURIER_DERIVATIVE[dimension].items():
        tensor = homogenize(inclusion(n, dimension)[None], LAW, precision="single").tensor[0]
        found = (tensor[0, 0], tensor[0, 1], tensor[-1, -1])
        gaps.append(max(abs(f / e - 1) for f, e in zip(found, expected, strict=True)))
    assert gaps[-1] < 0.4 * max(gaps)  # the voxels of a disc make it fall unevenly
    assert gaps[-1] < 0.0025
