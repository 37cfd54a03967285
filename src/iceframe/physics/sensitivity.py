"""Exact derivatives of effective tensors to the phase of every voxel, and to the phases'
properties.

With ``C(x) = Σ_k w_k(x) C_k`` and the strains ``ε_a`` of the solved load cases,

    ∂C*_ab / ∂w_k(x) = ε_a(x) : C_k : ε_b(x) / N,      ∂C*_ab / ∂C_k = Σ_x w_k(x) ε_a ⊗ ε_b / N

for ``N`` voxels. ``u`` is stationary, so that it need not be differentiated: the derivatives are
free once the fields are there. For phases that exclude each other the weights are ``w_q = ρ_q``,
``w_0 = 1 − Σ ρ_q``, and ``∂C*/∂ρ_q = ε_a : (C_q − C_0) : ε_b / N``. This is the strain energy
density only where ``C_q − C_0`` is proportional to ``C``.

Reference: Bendsøe & Sigmund, Topology Optimization (2004), §1.1 and 2.1,
doi:10.1007/978-3-662-05086-6.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.physics.cell_problem import Precision, solve_all_loads
from iceframe.physics.medium import soft, upper_triangle
from iceframe.physics.properties import Properties

if TYPE_CHECKING:
    import torch


def voxel_sensitivity(strain: torch.Tensor, matrices: np.ndarray, micro: np.ndarray) -> np.ndarray:
    """``∂C*_ab/∂ρ_q`` ``(m, pairs, k − 1, *shape)`` from strains ``(m, c, c, *shape)``.

    NaN in voids, where the local strain is not determined.
    """
    import torch

    with torch.inference_mode():
        m, c = strain.shape[:2]
        voxels = int(np.prod(strain.shape[3:]))
        pairs = upper_triangle(c)
        k = matrices.shape[-3]
        out = np.empty((m, len(pairs), k - 1, *strain.shape[3:]))
        table = torch.as_tensor(matrices, dtype=strain.dtype, device=strain.device)
        for q in range(1, k):
            change = table[..., q, :, :] - table[..., 0, :, :]
            change = change.expand(m, c, c) / voxels
            caused = torch.einsum("mij,mlj...->mli...", change, strain)
            for number, (a, b) in enumerate(pairs):
                value = (strain[:, a] * caused[:, b]).sum(dim=1)
                out[:, number, q - 1] = value.cpu().numpy()
    if not soft(micro):
        empty = np.asarray(~matrices.any(axis=(-2, -1)))
        if empty.any():
            rows = np.arange(m).reshape(-1, *[1] * (micro.ndim - 1))
            void = empty[micro] if empty.ndim == 1 else empty[rows, micro]
            out[np.broadcast_to(void[:, None, None], out.shape)] = np.nan
    return out


def effective_tensor(
    weights: torch.Tensor,
    properties: Properties | torch.Tensor,
    *,
    mechanical: bool | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 5000,
    precision: Precision = "double",
) -> torch.Tensor:
    """Effective tensors ``(n, c, c)`` that torch can differentiate, once.

    Parameters
    ----------
    weights : ``(n, k, *shape)``, the weight of each phase in each voxel; may require a gradient.
    properties : of the phases; or their matrices ``(k, c, c)`` or ``(n, k, c, c)`` as a tensor,
        which may require a gradient (``mechanical`` must then be stated).
    tolerance, max_iterations, precision : as for :func:`~iceframe.physics.homogenize`.

    Samples that did not converge are NaN, and so are their gradients.

    Examples
    --------
    >>> import torch
    >>> from iceframe.physics.properties import Conductivity
    >>> half = torch.full((1, 2, 4, 4), 0.5, dtype=torch.float64, requires_grad=True)
    >>> tensor = effective_tensor(half, Conductivity([1.0, 3.0]))
    >>> float(tensor[0, 0, 0].detach())
    2.0
    >>> tensor[0, 0, 0].backward()
    >>> half.grad[0, :, 0, 0].tolist()  # k of each phase over 16 voxels
    [0.0625, 0.1875]
    """
    import torch

    if weights.ndim not in (4, 5) or not weights.is_floating_point():
        raise InputError(
            "Weights of phases are needed.",
            where="weights",
            got=f"{tuple(weights.shape)}, {weights.dtype}",
            allowed="floats (n, k, *shape), 2-D or 3-D",
        )
    if isinstance(properties, torch.Tensor):
        if mechanical is None:
            raise InputError("State whether the matrices are mechanical.", where="mechanical")
        matrices = properties
    else:
        mechanical = properties.mechanical
        matrices = torch.as_tensor(properties.matrices(weights.ndim - 2), device=weights.device)
    matrices = 0.5 * (matrices + matrices.transpose(-1, -2))
    function = _function()
    result = function.apply(
        weights, matrices.to(weights.device), mechanical, tolerance, max_iterations, precision
    )
    assert isinstance(result, torch.Tensor)
    return result


@cache
def _function() -> Any:
    """The autograd function; made on first use, because torch is imported where it is used."""
    import torch

    class EffectiveTensor(torch.autograd.Function):
        @staticmethod
        def forward(
            ctx: Any,
            weights: torch.Tensor,
            matrices: torch.Tensor,
            mechanical: bool,
            tolerance: float,
            max_iterations: int,
            precision: Precision,
        ) -> torch.Tensor:
            found = solve_all_loads(
                weights.detach().double(),
                matrices.detach().double().cpu().numpy(),
                mechanical,
                tolerance,
                max_iterations,
                precision,
                weights.device,
            )
            failed = ~(found.residual <= tolerance)
            tensor = found.tensor.clone()
            strain = found.strain.clone()
            tensor[failed], strain[failed] = torch.nan, torch.nan
            ctx.save_for_backward(weights, matrices, strain)
            return tensor.to(weights.dtype)

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
            weights, matrices, strain = ctx.saved_tensors
            voxels = strain[0, 0, 0].numel()
            given = upstream.double()
            given = 0.5 * (given + given.transpose(1, 2)) / voxels
            # Σ_ab G_ab ε_a ⊗ ε_b in every voxel: (n, c, c, *shape)
            outer = torch.einsum("nab,nai...,nbj...->nij...", given, strain, strain)
            to_weights = to_matrices = None
            if ctx.needs_input_grad[0]:
                rule = "kij,nij...->nk..." if matrices.ndim == 3 else "nkij,nij...->nk..."
                to_weights = torch.einsum(rule, matrices.double(), outer).to(weights.dtype)
            if ctx.needs_input_grad[1]:
                rule = "nk...,nij...->kij" if matrices.ndim == 3 else "nk...,nij...->nkij"
                to_matrices = torch.einsum(
                    rule.replace("...", "v"), weights.double().flatten(2), outer.flatten(3)
                ).to(matrices.dtype)
            return to_weights, to_matrices, None, None, None, None

    return EffectiveTensor
