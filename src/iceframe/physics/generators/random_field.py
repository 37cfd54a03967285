"""Two-phase microstructures: level cuts of periodic Gaussian random fields.

A stationary Gaussian field ``g`` with the covariance ``ρ`` is cut at the level that gives the
wanted volume fraction ``f``: ``phase = 1 where g > level``. With ``a = Φ⁻¹(1 - f)`` the two-point
probability is ``S₂(x) = f² + (1/2π) ∫₀^ρ(x) exp(-a²/(1+t)) / √(1-t²) dt``; at one half this is the
arcsine law. Spectra and anisotropy: :mod:`iceframe.physics.generators._fields`.

Reference: Quiblier, J. Colloid Interface Sci. 98 (1984) 84, doi:10.1016/0021-9797(84)90481-8;
Berk, Phys. Rev. Lett. 58 (1987) 2718, doi:10.1103/PhysRevLett.58.2718.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from iceframe.physics.generator import GENERATORS, Drawn, Factor, Generator, cut
from iceframe.physics.generators._fields import FIELD_FACTORS, gaussian_fields


@GENERATORS.register("random_field")
class RandomField(Generator):
    """A Gaussian field, cut in two."""

    title = "Level-cut Gaussian random field"
    summary = (
        "Two phases that wind through each other, smooth, rough or of one wavelength, "
        "with a direction if asked."
    )
    reference = "Quiblier 1984, doi:10.1016/0021-9797(84)90481-8"
    phase_names = ("matrix", "second phase")
    factors = (
        Factor("volume_fraction", "volume fraction of the second phase", 0.5, 0.1, 0.9, 0.0, 1.0),
        *FIELD_FACTORS,
    )

    def draw(
        self,
        shape: tuple[int, ...],
        rngs: Sequence[np.random.Generator],
        factors: Mapping[str, np.ndarray],
    ) -> Drawn:
        """See :meth:`iceframe.physics.generator.Generator.draw`."""
        field = gaussian_fields(shape, rngs, factors)
        return Drawn(cut(field, factors["volume_fraction"]).astype(np.uint8))
