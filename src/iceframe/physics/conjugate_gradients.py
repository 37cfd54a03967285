"""Preconditioned conjugate gradients over a batch of cell problems.

``Gᵀ C G u = f`` for every sample and load case at once, preconditioned with a homogeneous medium
(Zeman et al. 2010, doi:10.1016/j.jcp.2010.07.010). A load case that has met its tolerance takes no
further step; a sample whose load cases are all done leaves the batch. What a sample gets therefore
does not depend on its neighbours, and nothing divides zero by zero.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from iceframe.physics.medium import Medium
from iceframe.physics.reference_medium import ReferenceMedium
from iceframe.physics.stencil import RotatedScheme

if TYPE_CHECKING:
    import torch

# Samples that are done are dropped once they are this share of the batch: dropping copies the rest.
_DROP_SHARE = 0.15


@dataclass(frozen=True)
class Stop:
    """When a load case is done: ``√(rᵀ z / scale) ≤ goal``, all ``(m, L)``.

    ``z`` is the preconditioned residual; ``scale`` is what residuals are relative to, and where it
    is 0 there is nothing to solve. No goal falls below ``floor``.
    """

    scale: torch.Tensor
    goal: torch.Tensor
    bound: EnergyBound | None = None
    floor: float = 0.0


@dataclass(frozen=True)
class EnergyBound:
    """Also ``rᵀ z ≤ share · energy`` of the present ``u``, all ``(m, L)``.

    ``energy`` is that of ``u = 0``. ``share`` is the tolerance times the smallest eigenvalue of the
    preconditioned operator: the energy is then right to the tolerance, whatever the contrast.
    Energies below ``least`` count as that: what holds nothing together has none.
    """

    energy: torch.Tensor
    share: torch.Tensor
    least: torch.Tensor

    def scaled(self, energy: torch.Tensor, factor: torch.Tensor) -> EnergyBound:
        """From the present ``energy`` on, in float32 units of ``1/factor``."""
        return EnergyBound(
            (energy * factor).float(), self.share.float(), (self.least * factor).float()
        )


@dataclass
class _State:
    """Systems still being solved: medium and fields ``(m, L, q, *shape)``, scalars ``(m, L)``."""

    medium: Medium
    x: torch.Tensor
    r: torch.Tensor
    p: torch.Tensor
    square: torch.Tensor
    energy: torch.Tensor
    scale: torch.Tensor
    goal: torch.Tensor
    share: torch.Tensor
    least: torch.Tensor
    active: torch.Tensor
    index: torch.Tensor

    def take(self, keep: torch.Tensor) -> _State:
        parts = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "medium"}
        return _State(self.medium.take(keep), **{name: part[keep] for name, part in parts.items()})


def operator(medium: Medium, scheme: RotatedScheme, u: torch.Tensor) -> torch.Tensor:
    """``Gᵀ C G u``, the stiffness applied to ``u`` ``(m, L, q, *shape)``; the scheme's buffer."""
    return scheme.divergence(medium.flux_(scheme.gradient(u)))


def conjugate_gradients(
    medium: Medium,
    load: torch.Tensor,
    reference: ReferenceMedium,
    scheme: RotatedScheme,
    stop: Stop,
    max_iterations: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Displacements ``(m, L, q, *shape)``; iterations, relative residuals, energies ``(m, L)``.

    ``load`` is overwritten. Energies are ``u``'s, by the decrease that each step brings
    (``α rᵀ z``); without a bound they mean nothing.
    """
    import torch

    m, loads = load.shape[:2]
    solution = torch.zeros_like(load)
    count = torch.zeros(m, loads, dtype=torch.int64, device=load.device)
    z = reference.solve(load)
    square = inner(load, z).clamp_(min=0)
    scale = torch.where(stop.scale > 0, stop.scale, 1)
    residual = torch.where(stop.scale > 0, (square / scale).sqrt(), 0)
    bound = stop.bound or EnergyBound(*(torch.zeros_like(scale) for _ in range(3)))
    energy = bound.energy.clone()

    def goals(of: _State) -> torch.Tensor:
        if stop.bound is None:
            return of.goal
        allowed = of.share * torch.maximum(of.energy, of.least)
        return torch.minimum(of.goal, (allowed / of.scale).sqrt_().clamp_(min=stop.floor))

    state = _State(
        medium,
        solution.clone(),
        load,
        z,
        square,
        energy.clone(),
        scale,
        stop.goal.expand(m, loads),
        bound.share,
        bound.least,
        stop.scale > 0,
        torch.arange(m, device=load.device),
    )
    state.active = state.active & (residual > goals(state))
    state = _dropped(state, solution, share=0.0)
    wide = (..., *[None] * (load.ndim - 2))
    for step in range(1, max_iterations + 1):
        if len(state.index) == 0:
            break
        image = operator(state.medium, scheme, state.p)
        stored = inner(state.p, image)
        live = state.active & (stored > 0)
        alpha = torch.where(live, state.square / torch.where(live, stored, 1), 0)
        state.x.addcmul_(alpha[wide], state.p)
        state.r.addcmul_(image, alpha[wide], value=-1)
        state.energy = state.energy - alpha * state.square
        z = reference.solve(state.r)
        square = inner(state.r, z).clamp_(min=0)
        beta = torch.where(live, square / torch.where(live, state.square, 1), 0)[wide]
        state.p.mul_(beta).add_(z)
        state.square = torch.where(live, square, state.square)
        relative = (square / state.scale).sqrt()
        rows = state.index
        count[rows] = torch.where(live, step, count[rows])
        residual[rows] = torch.where(live, relative, residual[rows])
        energy[rows] = state.energy
        state.active = live & (relative > goals(state))
        state = _dropped(state, solution, share=_DROP_SHARE)
    solution[state.index] = state.x
    return solution, count, residual, energy


def _dropped(state: _State, solution: torch.Tensor, share: float) -> _State:
    """Without the samples that are done, once they are enough to pay for the copy."""
    done = ~state.active.any(dim=1)
    number = int(done.sum())
    if number == 0 or number < share * len(done):
        return state
    solution[state.index[done]] = state.x[done]
    keep = ~done
    return state.take(keep)


def inner(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Inner products ``(m, L)`` of fields ``(m, L, q, *shape)``."""
    return (a * b).flatten(2).sum(dim=2)
