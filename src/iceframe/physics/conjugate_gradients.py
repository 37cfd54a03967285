"""Preconditioned conjugate gradients over a batch of cell problems.

``Gᵀ C G u = f`` for every sample and load case at once, preconditioned with a homogeneous medium
(Zeman et al. 2010, doi:10.1016/j.jcp.2010.07.010). A load case that has met its tolerance takes no
further step; a sample whose load cases are all done leaves the batch. What a sample gets therefore
does not depend on its neighbours, and nothing divides zero by zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iceframe.physics.medium import Medium
from iceframe.physics.reference_medium import ReferenceMedium
from iceframe.physics.stencil import RotatedScheme

if TYPE_CHECKING:
    import torch

# Samples that are done are dropped once they are this share of the batch: dropping copies the rest.
_DROP_SHARE = 0.15


@dataclass
class _State:
    """Systems still being solved: medium and fields ``(m, L, q, *shape)``, scalars ``(m, L)``."""

    medium: Medium
    x: torch.Tensor
    r: torch.Tensor
    p: torch.Tensor
    square: torch.Tensor
    scale: torch.Tensor
    goal: torch.Tensor
    active: torch.Tensor
    index: torch.Tensor

    def take(self, keep: torch.Tensor) -> _State:
        return _State(
            self.medium.take(keep),
            self.x[keep],
            self.r[keep],
            self.p[keep],
            self.square[keep],
            self.scale[keep],
            self.goal[keep],
            self.active[keep],
            self.index[keep],
        )


def operator(medium: Medium, scheme: RotatedScheme, u: torch.Tensor) -> torch.Tensor:
    """``Gᵀ C G u``, the stiffness applied to ``u`` ``(m, L, q, *shape)``; the scheme's buffer."""
    return scheme.divergence(medium.flux_(scheme.gradient(u)))


def conjugate_gradients(
    medium: Medium,
    load: torch.Tensor,
    reference: ReferenceMedium,
    scheme: RotatedScheme,
    scale: torch.Tensor,
    tolerance: float | torch.Tensor,
    max_iterations: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Displacements ``(m, L, q, *shape)``, iterations ``(m, L)``, relative residuals ``(m, L)``.

    ``load`` is overwritten. ``scale`` ``(m, L)`` is the squared norm that residuals are relative
    to; where it is 0 there is nothing to solve. ``tolerance`` is on ``√(rᵀ z / scale)``, ``z``
    being the preconditioned residual.
    """
    import torch

    m, loads = load.shape[:2]
    solution = torch.zeros_like(load)
    count = torch.zeros(m, loads, dtype=torch.int64, device=load.device)
    residual = torch.zeros(m, loads, dtype=load.dtype, device=load.device)
    z = reference.solve(load)
    square = inner(load, z).clamp_(min=0)
    safe = torch.where(scale > 0, scale, 1)
    residual.copy_((square / safe).sqrt())
    goal = torch.as_tensor(tolerance, dtype=load.dtype, device=load.device).expand(m, loads)
    active = (scale > 0) & (residual > goal)
    state = _State(
        medium,
        solution.clone(),
        load,
        z,
        square,
        safe,
        goal,
        active,
        torch.arange(m, device=load.device),
    )
    state = _dropped(state, solution, share=0.0)
    wide = (..., *[None] * (load.ndim - 2))
    for step in range(1, max_iterations + 1):
        if len(state.index) == 0:
            break
        image = operator(state.medium, scheme, state.p)
        energy = inner(state.p, image)
        live = state.active & (energy > 0)
        alpha = torch.where(live, state.square / torch.where(live, energy, 1), 0)[wide]
        state.x.addcmul_(alpha, state.p)
        state.r.addcmul_(image, alpha, value=-1)
        z = reference.solve(state.r)
        square = inner(state.r, z).clamp_(min=0)
        relative = (square / state.scale).sqrt()
        beta = torch.where(live, square / torch.where(live, state.square, 1), 0)[wide]
        state.p.mul_(beta).add_(z)
        state.square = torch.where(live, square, state.square)
        rows = state.index
        count[rows] = torch.where(live, step, count[rows])
        residual[rows] = torch.where(live, relative, residual[rows])
        state.active = live & (relative > state.goal)
        state = _dropped(state, solution, share=_DROP_SHARE)
    solution[state.index] = state.x
    return solution, count, residual


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
