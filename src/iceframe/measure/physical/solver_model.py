"""The differentiable solver as a model of images: what a perfect network would be.

An image is the volume fraction ``x`` of the second of two phases in every voxel, and the answer is
one component of the effective tensor of the mixture ``C(v) = (1 − x(v)) C_0 + x(v) C_1``. Its
gradient is the exact first-order sensitivity (:mod:`iceframe.physics.sensitivity`), and its flips
are the exact flips: the positive control of every metric of explanations.

Fractions beyond [0, 1], as noisy copies of an image have, are no material: they count as 0 or 1.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from iceframe.core.errors import InputError
from iceframe.physics.components import component_pair
from iceframe.physics.properties import Properties
from iceframe.physics.sensitivity import effective_tensor

if TYPE_CHECKING:
    from torch import Tensor, nn


def solver_model(
    properties: Properties,
    component: str,
    dimension: int,
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 5000,
    device: str = "cpu",
) -> nn.Module:
    """A torch module: images ``(n, 1, *grid)`` in float32 to the property ``(n, 1)`` in float64.

    Parameters
    ----------
    properties : of two phases. component : as for
        :func:`~iceframe.measure.physical.truth.physical_truth`. dimension : of the images, 2 or 3.
    tolerance, max_iterations : as for :func:`~iceframe.physics.homogenize`.

    An image whose solution did not converge has the answer NaN.

    Raises
    ------
    InputError : not two phases, or an unknown component.

    Examples
    --------
    >>> import torch
    >>> from iceframe.physics.properties import Conductivity
    >>> solver = solver_model(Conductivity([1.0, 3.0]), "k_xx", 2)
    >>> round(float(solver(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]]))), 6)
    1.5
    """
    import torch

    matrices = torch.as_tensor(properties.matrices(dimension), dtype=torch.float64)
    if matrices.ndim != 3 or len(matrices) != 2:
        raise InputError(
            "An image of one fraction needs the properties of two phases.",
            where="properties",
            got=f"matrices {tuple(matrices.shape)}",
            allowed="(2, c, c)",
        )
    kind = "elasticity" if properties.mechanical else "conductivity"
    position = component_pair(kind, component, dimension)
    module: nn.Module = _module_class()(
        matrices, properties.mechanical, position, tolerance, max_iterations
    )
    return module.to(device)


@cache
def _module_class() -> Any:
    """The module; made on first use, because torch is imported where it is used."""
    import torch

    class SolverModel(torch.nn.Module):
        """See :func:`solver_model`."""

        matrices: Tensor

        def __init__(
            self,
            matrices: Tensor,
            mechanical: bool,
            position: tuple[int, int],
            tolerance: float,
            max_iterations: int,
        ) -> None:
            super().__init__()
            self.register_buffer("matrices", matrices)
            self.mechanical, self.position = mechanical, position
            self.tolerance, self.max_iterations = tolerance, max_iterations

        def forward(self, x: Tensor) -> Tensor:
            fraction = x.double().clamp(0.0, 1.0)
            tensor = effective_tensor(
                torch.cat([1.0 - fraction, fraction], dim=1),
                self.matrices,
                mechanical=self.mechanical,
                tolerance=self.tolerance,
                max_iterations=self.max_iterations,
            )
            return tensor[:, self.position[0], self.position[1], None]

    return SolverModel
