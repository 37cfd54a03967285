"""Grain growth with many order parameters: each grain is where its order parameter is 1.

    F = ∫ m [Σᵢ(ηᵢ⁴/4 − ηᵢ²/2) + γ Σᵢ<ⱼ ηᵢ²ηⱼ² + ¼] + ½ κ Σᵢ|∇ηᵢ|² dV,   ∂ηᵢ/∂t = −L δF/δηᵢ

With γ = 3/2 a flat boundary is ``ηᵢ = ½(1 − tanh(2x/w))``, ``ηⱼ = 1 − ηᵢ``, and the boundary's
energy σ, width w and mobility μ set the coefficients (Moelans et al. 2008, equations 22 to 24 for
that γ):

    κ = ¾ σ w,    m = 6 σ/w,    L = ⁴⁄₃ μ/w.

A boundary of curvature 1/R then moves with speed μσ/R: a circular grain in another loses area at
the rate ``2π μσ`` whatever its size.

Reduced units: energies in m, time unit ``1/(L m)``, ``ε = κ/(m h²) = ⅛ (w/h)²``.

References: Fan & Chen, Acta Mater. 45 (1997) 611, doi:10.1016/S1359-6454(96)00200-5; Moelans,
Blanpain & Wollants, Phys. Rev. B 78 (2008) 024113, doi:10.1103/PhysRevB.78.024113.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from iceframe.core.errors import InputError
from iceframe.physics.phase_field.model import (
    Model,
    check_positive,
    check_range,
    check_resolved,
    check_stabilising,
)

if TYPE_CHECKING:
    import torch

_WHERE = "GrainGrowth"

# The value at which the profile is a tanh and ηᵢ + ηⱼ = 1 through a boundary.
_GAMMA = 1.5

# Half the largest eigenvalue of the potential's second derivative, in units of m: 2 within grains.
STABILISATION = 1.0

_SLACK = 0.1


@dataclass(frozen=True)
class GrainGrowth(Model):
    """Isotropic grain growth in physical units.

    Parameters
    ----------
    orders : number of order parameters, 2 or more; grains that share one must stay apart.
    boundary_width : w, m; for numerical use, wider than the real one.
    boundary_energy : σ, J/m².
    boundary_mobility : μ, m⁴/(J s): speed = μ × driving pressure.
    spacing : edge of a voxel, m.
    stabilising : S in units of m; None takes 1, half the curvature of the wells.

    Raises
    ------
    InputError : a number that is not positive, fewer than 2 orders, or a boundary narrower than
        2.5 voxels.

    Examples
    --------
    >>> model = GrainGrowth(
    ...     orders=2, boundary_width=4e-7, boundary_energy=0.5, boundary_mobility=1e-12,
    ...     spacing=1e-7)
    >>> model.interface_energy, round(model.circle_rate * 1e12, 3)  # area a second, in µm²
    (0.5, -3.142)
    """

    orders: int
    boundary_width: float
    boundary_energy: float
    boundary_mobility: float
    spacing: float
    stabilising: float | None = None

    conserved: ClassVar[bool] = False
    reference: ClassVar[str] = (
        "Fan & Chen 1997, doi:10.1016/S1359-6454(96)00200-5; "
        "Moelans et al. 2008, doi:10.1103/PhysRevB.78.024113"
    )

    def __post_init__(self) -> None:
        check_positive(
            _WHERE,
            boundary_width=self.boundary_width,
            boundary_energy=self.boundary_energy,
            boundary_mobility=self.boundary_mobility,
            spacing=self.spacing,
        )
        if not isinstance(self.orders, int | np.integer) or self.orders < 2:
            raise InputError(
                "Grain growth needs two order parameters or more.",
                where=_WHERE,
                got=f"orders = {self.orders}",
                allowed="a whole number, 2 or more",
            )
        check_stabilising(_WHERE, self.stabilising)
        check_resolved(
            _WHERE,
            self.boundary_width,
            self.spacing,
            "raise boundary_width (it may be wider than the real one) or lower spacing",
        )

    @property
    def channels(self) -> int:
        """Number of order parameters."""
        return int(self.orders)

    @property
    def interface_width(self) -> float:
        """w, in metres."""
        return self.boundary_width

    @property
    def interface_energy(self) -> float:
        """σ, in J/m²."""
        return self.boundary_energy

    @property
    def energy_density(self) -> float:
        """m = 6 σ/w, in J/m³."""
        return 6 * self.boundary_energy / self.boundary_width

    @property
    def time_unit(self) -> float:
        """1/(L m) = w²/(8 μσ), in seconds."""
        return self.boundary_width**2 / (8 * self.boundary_mobility * self.boundary_energy)

    @property
    def gradient(self) -> float:
        """ε = ⅛ (w/h)²."""
        return (self.boundary_width / self.spacing) ** 2 / 8

    @property
    def stabilisation(self) -> float:
        """Reduced S."""
        return STABILISATION if self.stabilising is None else float(self.stabilising)

    @property
    def circle_rate(self) -> float:
        """dA/dt = −2π μσ of a circular grain within another (2-D), m²/s."""
        return -2 * np.pi * self.boundary_mobility * self.boundary_energy

    def reduced(self, initial: np.ndarray) -> np.ndarray:
        """η as it is, once checked."""
        check_range(_WHERE, initial, 0.0, 1.0, _SLACK)
        return initial

    def restored(self, fields: np.ndarray) -> np.ndarray:
        """η as it is."""
        return fields

    def potential(self, fields: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean of f/m and ``∂f/∂ηᵢ/m − S ηᵢ`` of η ``(n, orders, *shape)``."""
        import torch

        square = fields.square()  # (n, orders, *shape)
        total = square.sum(dim=1, keepdim=True)  # Σ η²
        # f = γ/2 T² − T/2 + (¼ − γ/2) Σ η⁴ + ¼ with T = Σ η².
        fourth = torch.linalg.vector_norm(square.flatten(1), dim=1, dtype=torch.float64).square_()
        voxels = total[0].numel()
        well = torch.mul(total, _GAMMA / 2).sub_(0.5).mul_(total)
        mean = well.flatten(1).sum(dim=1, dtype=torch.float64)
        mean = mean.add_(fourth, alpha=0.25 - _GAMMA / 2).div_(voxels).add_(0.25)
        # ∂f/∂η = η (2γ T − 1 + (1 − 2γ) η²)
        slope = square.mul_(1 - 2 * _GAMMA)
        slope += total.mul_(2 * _GAMMA).sub_(1 + self.stabilisation)
        slope *= fields
        return mean, slope
