"""Effective conductivity of periodic two-dimensional microstructures, in batches.

For each unit mean gradient ``e`` find the periodic potential ``u`` with ``div(k (e + ∇u)) = 0``;
then ``K_ab = <(e_a + ∇u_a) · k (e_b + ∇u_b)>``: symmetric, and with an error of second order in
that of ``u``. Discretised on Willot's rotated scheme: potentials at the corners of pixels,
gradients and ``k`` at their centres,

    a = u[i+1, j+1] − u[i, j],   b = u[i, j+1] − u[i+1, j],   ∂u/∂x = (a+b)/2,   ∂u/∂y = (a−b)/2,

so that the energy is ``½ k (a² + b²)/2`` a pixel, and laminates along the axes are exact. Solved by
conjugate gradients, preconditioned with the homogeneous medium (one Fourier transform forth and
one back an iteration). On grids with an odd side the discrete gradients and the rotated discrete
fluxes span the same space, so that Keller's duality and the Hashin–Shtrikman bounds hold for the
discrete problem too, not only in the limit; on even grids one mode (the pixel checkerboard) is
invisible to the gradient.

The alternative, forward differences, needs ``k`` on pixel edges, which is a choice of mean; the
basic Fourier scheme (Moulinec & Suquet 1998) rings at interfaces and converges with the contrast
rather than its square root.

Reference: Willot, C. R. Mécanique 343 (2015) 232, doi:10.1016/j.crme.2014.12.005.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from iceframe.core.errors import InputError

if TYPE_CHECKING:
    import torch

REFERENCE = "Willot 2015, doi:10.1016/j.crme.2014.12.005"

# Pixels solved together: eight float64 work arrays of this size stay in a core's cache.
_CHUNK_PIXELS = 2**16


class SolveStatus(StrEnum):
    """How the solution of one sample ended."""

    CONVERGED = "CONVERGED"
    NOT_CONVERGED = "NOT_CONVERGED"

    @property
    def remedy(self) -> str:
        """What to do about it; empty when there is nothing to do."""
        if self is SolveStatus.CONVERGED:
            return ""
        return "raise max_iterations, loosen the tolerance or lower the contrast"


@dataclass(frozen=True)
class EffectiveConductivity:
    """Effective tensors and how they were reached, one row a sample.

    ``tensor`` ``(n, 2, 2)`` in the unit of the conductivities, index 0 = x (columns), 1 = y (rows);
    ``iterations`` ``(n,)`` and relative ``residual`` ``(n,)``, the worse of the two load cases;
    ``status`` a tuple of ``n`` :class:`SolveStatus`.
    """

    tensor: np.ndarray
    iterations: np.ndarray
    residual: np.ndarray
    status: tuple[SolveStatus, ...]

    @property
    def converged(self) -> np.ndarray:
        """Boolean ``(n,)``."""
        return np.array([s is SolveStatus.CONVERGED for s in self.status], bool)


def effective_conductivity(
    phases: np.ndarray,
    conductivities: ArrayLike,
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 2000,
    device: str = "cpu",
) -> EffectiveConductivity:
    """Effective conductivity tensors of periodic images.

    Parameters
    ----------
    phases : integers ``(n, height, width)``, positions into ``conductivities``.
    conductivities : of the phases ``(k,)``, isotropic, finite and above 0, in any one unit.
    tolerance : each sample stops when its residual, in the energy norm of the preconditioner and
        relative to the load's, is below it. The tensor's relative error is of the order of its
        square times the contrast.
    max_iterations : samples that are not done by then are ``NOT_CONVERGED``.
    device : where torch computes, in float64.

    Raises
    ------
    InputError : phases that are not integers of known phases, a conductivity that is not positive.

    Examples
    --------
    Two layers, side by side along x: in series along x, in parallel along y.

    >>> phases = np.array([[[0, 1], [0, 1]]])
    >>> effective_conductivity(phases, [1.0, 3.0]).tensor.round(6).tolist()
    [[[1.5, 0.0], [0.0, 2.0]]]
    """
    import torch

    codes, values = _checked(phases, conductivities, tolerance, max_iterations)
    n, height, width = codes.shape
    samples = max(1, _CHUNK_PIXELS // (2 * height * width))
    tensor = np.zeros((n, 2, 2))
    iterations = np.zeros(n, int)
    residual = np.zeros(n)
    table = torch.as_tensor(values, dtype=torch.float64, device=device)
    for start in range(0, n, samples):
        part = slice(start, min(start + samples, n))
        k = table[torch.as_tensor(np.array(codes[part], np.int64, order="C"), device=device)]
        # The scale of k is free: one makes the operator's spectrum lie in (0, 1].
        largest = k.amax(dim=(1, 2), keepdim=True)
        unit, count, rest = _solve(k / largest, tolerance, max_iterations)
        tensor[part] = (unit * largest).cpu().numpy()
        iterations[part], residual[part] = count.cpu().numpy(), rest.cpu().numpy()
    status = tuple(
        SolveStatus.CONVERGED if r <= tolerance else SolveStatus.NOT_CONVERGED for r in residual
    )
    return EffectiveConductivity(tensor, iterations, residual, status)


def _solve(
    k: torch.Tensor, tolerance: float, max_iterations: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tensors ``(m, 2, 2)``, iterations ``(m,)`` and residuals ``(m,)`` for ``k`` ``(m, h, w)``."""
    import torch

    m = len(k)
    stacked = torch.cat([k, k])  # load along x for all samples, then along y
    # Mean gradients e_x = (1, 0), e_y = (0, 1) in the diagonal differences (a, b): x+y and x−y.
    mean_a = torch.ones_like(stacked)
    mean_b = torch.ones_like(stacked)
    mean_b[m:] = -1.0
    load = -_adjoint(stacked * mean_a, stacked * mean_b)
    potential, count, residual = _conjugate_gradients(stacked, load, tolerance, max_iterations)
    a, b = _differences(potential)
    a, b = (a + mean_a).view(2, *k.shape), (b + mean_b).view(2, *k.shape)
    tensor = 0.5 * (
        torch.einsum("pmij,mij,qmij->mpq", a, k, a) + torch.einsum("pmij,mij,qmij->mpq", b, k, b)
    )
    tensor = tensor / (k.shape[1] * k.shape[2])
    tensor = 0.5 * (tensor + tensor.transpose(1, 2))
    return tensor, count.view(2, m).amax(dim=0), residual.view(2, m).amax(dim=0)


def _conjugate_gradients(
    k: torch.Tensor, load: torch.Tensor, tolerance: float, max_iterations: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Potentials ``(m, h, w)``, iterations and relative residuals ``(m,)``.

    A system that is done leaves the batch: it costs nothing more, and its answer does not depend
    on its neighbours.
    """
    import torch

    precondition = _homogeneous_inverse(load)
    solution = torch.zeros_like(load)
    count = torch.zeros(len(load), dtype=torch.int64, device=load.device)
    residual = torch.zeros(len(load), dtype=load.dtype, device=load.device)

    z = precondition(load)
    scale = _dot(load, z)
    # A homogeneous sample has no load but rounding: the potential is then zero, and exact.
    active = torch.nonzero(scale > 1e-26 * _dot(k, k)).flatten()
    state = _State(k[active], torch.zeros_like(load[active]), load[active], z[active])
    square, scale = scale[active].clone(), scale[active]
    for step in range(1, max_iterations + 1):
        if len(active) == 0:
            break
        a, b = _differences(state.p)
        image = _adjoint(a.mul_(state.k), b.mul_(state.k))
        alpha = square / _dot(state.p, image)
        state.x.addcmul_(alpha[:, None, None], state.p)
        state.r.addcmul_(-alpha[:, None, None], image)
        z = precondition(state.r)
        new = _dot(state.r, z).clamp(min=0.0)
        state.p.mul_((new / square)[:, None, None]).add_(z)
        square = new
        relative = (new / scale).sqrt()
        count[active], residual[active] = step, relative
        done = relative <= tolerance
        if done.any():
            solution[active[done]] = state.x[done]
            keep = ~done
            state, active = state.take(keep), active[keep]
            square, scale = square[keep], scale[keep]
    solution[active] = state.x
    return solution, count, residual


@dataclass
class _State:
    """Work arrays of the systems still being solved, ``(active, h, w)`` each."""

    k: torch.Tensor
    x: torch.Tensor
    r: torch.Tensor
    p: torch.Tensor

    def take(self, keep: torch.Tensor) -> _State:
        return _State(self.k[keep], self.x[keep], self.r[keep], self.p[keep])


def _differences(u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Differences ``a``, ``b`` along the two diagonals of each pixel, ``(m, h, w)`` each."""
    down, right = u.roll(-1, 1), u.roll(-1, 2)
    return down.roll(-1, 2).sub_(u), right.sub_(down)


def _adjoint(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Minus the divergence of the flux with diagonal components ``a``, ``b``, ``(m, h, w)``."""
    down, right = b.roll(1, 1), b.roll(1, 2)
    return a.roll((1, 1), (1, 2)).sub_(a).add_(right).sub_(down).mul_(0.5)


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Inner products ``(m,)`` of arrays ``(m, h, w)``."""
    import torch

    return torch.linalg.vecdot(a.flatten(1), b.flatten(1))


def _homogeneous_inverse(like: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The solution operator of the medium with ``k = 1``, in Fourier space.

    Its symbol is ``|ξ|⁻² = 1 / (2 − cos(p+q) − cos(p−q))``, zero for the modes without a gradient:
    the mean and, on grids even in both directions, the pixel checkerboard.
    """
    import torch

    height, width = like.shape[1:]
    p = 2 * np.pi * np.fft.fftfreq(height)[:, None]
    q = 2 * np.pi * np.fft.rfftfreq(width)[None, :]
    symbol = 2 - np.cos(p + q) - np.cos(p - q)
    inverse = np.divide(1.0, symbol, out=np.zeros_like(symbol), where=symbol > 1e-12)
    multiplier = torch.as_tensor(inverse, dtype=like.dtype, device=like.device)

    def apply(r: torch.Tensor) -> torch.Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(r).mul_(multiplier), s=(height, width))

    return apply


def _checked(
    phases: np.ndarray, conductivities: ArrayLike, tolerance: float, max_iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Phases ``(n, h, w)`` as integers and conductivities ``(k,)`` as float64, or an error."""
    values = np.array(conductivities, float, order="C")
    if values.ndim != 1 or not np.all(np.isfinite(values) & (values > 0)):
        raise InputError(
            "Every conductivity must be finite and above zero.",
            where="conductivities",
            got=values.tolist(),
            allowed="(k,), one positive number a phase",
            hint="give pores or voids a small conductivity, for instance 1e-3 of the matrix",
        )
    codes = np.asarray(phases)
    if codes.ndim != 3 or 0 in codes.shape[1:]:
        raise InputError(
            "Microstructures must be a stack of images.",
            where="phases",
            got=codes.shape,
            allowed="(n, height, width)",
        )
    whole = np.issubdtype(codes.dtype, np.integer) or codes.dtype == bool
    if not whole and not (np.isfinite(codes).all() and (codes == np.floor(codes)).all()):
        raise InputError(
            "Phases must be whole numbers without gaps (NaN).", where="phases", got=codes.dtype
        )
    if codes.size and (codes.min() < 0 or codes.max() >= len(values)):
        raise InputError(
            "A phase has no conductivity.",
            where="phases",
            got=f"phases {codes.min():g} to {codes.max():g}",
            allowed=f"0 to {len(values) - 1}",
        )
    if not tolerance > 0 or max_iterations < 1:
        raise InputError(
            "The solver needs a positive tolerance and at least one iteration.",
            got=(tolerance, max_iterations),
        )
    return codes, values
