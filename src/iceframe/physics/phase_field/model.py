"""What a phase-field model tells the integrator.

Every model here is a gradient flow of one free energy,

    F[u] = ∫ f(u) + ½ κ |∇u|² dV,     ∂u/∂t = −𝓜 δF/δu,

with ``𝓜 = M`` (Allen–Cahn, not conserved) or ``𝓜 = −M ∇²`` (Cahn–Hilliard, conserved). The
integrator works in reduced units, so that float32 neither over- nor underflows with metres and
seconds: lengths in voxels, energies in units of the energy density ``energy_density`` and times in
units of ``time_unit``. Then only ``gradient`` (reduced κ), ``stabilisation`` and the potential
are left.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from iceframe.core.errors import InputError

if TYPE_CHECKING:
    import torch

# The Fourier amplitudes of the interface profile ½(1 + tanh(2x/w)) fall as exp(−π w k/4); at the
# grid's last wave number, k = π, that is exp(−2.47 w): 2e-3 at 2.5 voxels, 6e-4 at 3.
NARROWEST_INTERFACE = 2.5


class Model(ABC):
    """A gradient flow in reduced units.

    ``reference`` is cited by reports; ``conserved`` chooses 𝓜; ``channels`` is None for a
    single field ``(n, *shape)`` and else the number of fields in ``(n, channels, *shape)``.
    """

    reference: ClassVar[str]
    conserved: ClassVar[bool]
    spacing: float

    @property
    def channels(self) -> int | None:
        """Number of order parameters; None for a single field without that axis."""
        return None

    @property
    @abstractmethod
    def interface_width(self) -> float:
        """1 / (largest slope) of the flat interface from 0 to 1, in metres."""

    @property
    @abstractmethod
    def interface_energy(self) -> float:
        """Energy of the flat interface, J/m²."""

    @property
    @abstractmethod
    def time_unit(self) -> float:
        """Seconds in one unit of reduced time."""

    @property
    @abstractmethod
    def energy_density(self) -> float:
        """J/m³ in one unit of reduced energy density."""

    @property
    @abstractmethod
    def gradient(self) -> float:
        """Reduced gradient energy."""

    @property
    @abstractmethod
    def stabilisation(self) -> float:
        """Reduced S, moved from the potential to the linear part; see :mod:`.stepping`."""

    @abstractmethod
    def reduced(self, initial: np.ndarray) -> np.ndarray:
        """``initial`` in reduced units; ``InputError`` where it is out of range."""

    @abstractmethod
    def restored(self, fields: np.ndarray) -> np.ndarray:
        """Fields in the user's units again, possibly in place."""

    @abstractmethod
    def potential(self, fields: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean of ``f`` over the voxels, ``(n,)`` float64, and ``f′(u) − S u`` per voxel."""


def check_positive(where: str, **values: float) -> None:
    """``InputError`` unless every value is a finite number above 0."""
    for name, value in values.items():
        if not (isinstance(value, int | float | np.number) and np.isfinite(value) and value > 0):
            raise InputError(
                f"'{name}' must be positive.", where=where, got=value, allowed="finite and above 0"
            )


def check_resolved(where: str, width: float, spacing: float, hint: str) -> None:
    """``InputError`` where the grid cannot carry the interface."""
    if width < NARROWEST_INTERFACE * spacing * (1 - 1e-9):
        raise InputError(
            "The interface is too narrow for the grid: domains would be pinned to the voxels.",
            where=where,
            got=f"an interface of {width / spacing:.3g} voxels ({width:.3g} m at {spacing:.3g} m)",
            allowed=f"at least {NARROWEST_INTERFACE} voxels",
            hint=hint,
        )


def check_stabilising(where: str, value: float | None) -> None:
    """``InputError`` unless ``value`` is None or at least 0."""
    if value is not None and not 0 <= value < np.inf:
        raise InputError(
            "'stabilising' must not be negative.",
            where=where,
            got=value,
            allowed="0 or more; None for the safe value",
        )


def check_range(where: str, values: np.ndarray, low: float, high: float, slack: float) -> None:
    """``InputError`` unless ``values`` are finite and within ``slack`` of [low, high]."""
    if not np.isfinite(values).all():
        raise InputError(
            "The initial field holds values that are not finite.",
            where=where,
            got=f"{int((~np.isfinite(values)).sum())} of {values.size} voxels are NaN or infinite",
            allowed="finite values",
            hint="fill or crop the missing voxels",
        )
    least, most = float(values.min(initial=low)), float(values.max(initial=high))
    if least < low - slack or most > high + slack:
        raise InputError(
            "The initial field is out of range.",
            where=where,
            got=f"{least:.4g} to {most:.4g}",
            allowed=f"{low:.4g} to {high:.4g}, give or take {slack:.2g}",
            hint="rescale the field, or move the wells of the model",
        )
