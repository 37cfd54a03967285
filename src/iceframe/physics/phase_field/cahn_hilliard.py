"""Cahn–Hilliard: a conserved composition separates into two phases and coarsens.

    F = ∫ 16 b ((c − c₀)(c − c₁))²/Δ⁴ + ½ κ |∇c|² dV,   Δ = c₁ − c₀,   ∂c/∂t = M ∇²(δF/δc)

``b`` is the height of the barrier at the middle composition. A flat interface has, by first
integral ``½ κ c′² = f``, the profile ``c = c₀ + Δ ½(1 + tanh(2x/w))`` with

    width  w = Δ √(κ / 2b) = 1/(largest slope of (c − c₀)/Δ),    energy  σ = ⁴⁄₃ b w.

A small wave about composition c grows with rate ``−M k² (f″(c) + κ k²)``.

In reduced units, with ``v = (c − c₀)/Δ − ½``, voxel h and time unit ``h² Δ²/(M b)``:
``∂v/∂t = ∇²(g′(v) − ε ∇²v)``, ``g = 16 (v² − ¼)²``, ``ε = κ Δ²/(b h²) = 2 (w/h)²``.

References: Cahn & Hilliard, J. Chem. Phys. 28 (1958) 258, doi:10.1063/1.1744102; Cahn, Acta
Metall. 9 (1961) 795, doi:10.1016/0001-6160(61)90182-1.
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

_WHERE = "CahnHilliard"

# Half of g″ = 32 at the wells: the least that keeps Eyre's splitting falling at any step.
STABILISATION = 16.0

# How far an initial composition may be out of [low, high], in units of Δ: overshoots of an
# earlier evolution are welcome, a forgotten unit is not.
_SLACK = 0.1


@dataclass(frozen=True)
class CahnHilliard(Model):
    """Two phases that separate, in physical units.

    Parameters
    ----------
    barrier : height b of the double well, J/m³.
    gradient_energy : κ in ``½ κ |∇c|²``, J/m.
    mobility : M, m⁵/(J s).
    spacing : edge of a voxel, m.
    low, high : compositions of the two phases.
    stabilising : S in units of b/Δ²; None takes 16, half the curvature of the wells. Less is a
        little more accurate at a given step, and unstable at long ones.

    Raises
    ------
    InputError : a number that is not positive, wells in the wrong order, or an interface narrower
        than 2.5 voxels.

    Examples
    --------
    >>> model = CahnHilliard(barrier=3e7, gradient_energy=2.4e-10, mobility=1e-26, spacing=5e-10)
    >>> round(model.interface_width * 1e9, 3), round(model.interface_energy, 3)
    (2.0, 0.08)
    """

    barrier: float
    gradient_energy: float
    mobility: float
    spacing: float
    low: float = 0.0
    high: float = 1.0
    stabilising: float | None = None

    conserved: ClassVar[bool] = True
    reference: ClassVar[str] = "Cahn & Hilliard 1958, doi:10.1063/1.1744102"

    def __post_init__(self) -> None:
        check_positive(
            _WHERE,
            barrier=self.barrier,
            gradient_energy=self.gradient_energy,
            mobility=self.mobility,
            spacing=self.spacing,
        )
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise InputError(
                "The compositions of the two phases must be in order.",
                where=_WHERE,
                got=f"low = {self.low}, high = {self.high}",
                allowed="finite, low < high",
            )
        check_stabilising(_WHERE, self.stabilising)
        check_resolved(
            _WHERE,
            self.interface_width,
            self.spacing,
            "raise gradient_energy or lower barrier or spacing: the width is Δ √(κ / 2b)",
        )

    @property
    def interface_width(self) -> float:
        """w = Δ √(κ / 2b), in metres."""
        return (self.high - self.low) * float(np.sqrt(self.gradient_energy / (2 * self.barrier)))

    @property
    def interface_energy(self) -> float:
        """σ = ⁴⁄₃ b w, in J/m²."""
        return 4 / 3 * self.barrier * self.interface_width

    @property
    def time_unit(self) -> float:
        """h² Δ²/(M b), in seconds."""
        step = self.spacing * (self.high - self.low)
        return step**2 / (self.mobility * self.barrier)

    @property
    def energy_density(self) -> float:
        """b, in J/m³."""
        return self.barrier

    @property
    def gradient(self) -> float:
        """ε = 2 (w/h)²."""
        return 2 * (self.interface_width / self.spacing) ** 2

    @property
    def stabilisation(self) -> float:
        """Reduced S."""
        return STABILISATION if self.stabilising is None else float(self.stabilising)

    def reduced(self, initial: np.ndarray) -> np.ndarray:
        """v = (c − c₀)/Δ − ½: the wells are at ∓½."""
        check_range(_WHERE, initial, self.low, self.high, _SLACK * (self.high - self.low))
        return (initial - self.low) / (self.high - self.low) - 0.5

    def restored(self, fields: np.ndarray) -> np.ndarray:
        """c = c₀ + Δ (v + ½), in place."""
        fields += 0.5
        fields *= self.high - self.low
        fields += self.low
        return fields

    def potential(self, fields: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean of g and ``g′ − S v`` of v ``(n, *shape)``."""
        return double_well(fields, self.stabilisation)

    def growth_rate(self, wave_number: np.ndarray, composition: float) -> np.ndarray:
        """Rate in 1/s of a small wave of ``wave_number`` (rad/m) about ``composition``.

        ``−M k² (f″ + κ k²)``: Cahn 1961, equation 18.
        """
        delta = self.high - self.low
        u = (composition - self.low) / delta
        curvature = 32 * self.barrier / delta**2 * (1 - 6 * u + 6 * u**2)
        k2 = np.asarray(wave_number, float) ** 2
        return -self.mobility * k2 * (curvature + self.gradient_energy * k2)


def double_well(v: torch.Tensor, stabilisation: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean of ``g = 16 p²``, ``p = v² − ¼``, and ``g′ − S v = (64 p − S) v``; v ``(n, *shape)``."""
    import torch

    p = v.square().sub_(0.25)
    flat = p.flatten(1)
    mean = torch.linalg.vector_norm(flat, dim=1, dtype=torch.float64).square_()
    mean *= 16 / flat.shape[1]
    return mean, p.mul_(64).sub_(stabilisation).mul_(v)
