"""The input gradient, ``∂score/∂x``: by how much the score changes with each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from iceframe.measure.explainer import EXPLAINERS, Background, ImageExplainer, Meaning

if TYPE_CHECKING:
    from torch import Tensor

    from iceframe.measure.image_model import ImageModel


@EXPLAINERS.register("input_gradient")
class InputGradient(ImageExplainer):
    """``Σ_c ∂f/∂x_c``, with its sign.

    Trap: it is about an infinitesimal change. Where phases are 0 and 1, that is a change that no
    structure makes, and it need not resemble the change of a whole flip.
    """

    name = "input_gradient"
    title = "input gradient"
    summary = "by how much the score changes per unit of each pixel"
    reference = "Simonyan, Vedaldi & Zisserman 2014, https://arxiv.org/abs/1312.6034"
    meaning: ClassVar[Meaning] = "derivative"

    def maps(
        self,
        model: ImageModel,
        x: Tensor,
        codes: Tensor | None = None,
        background: Background | None = None,
        seed: int = 0,
    ) -> Tensor:
        return model.gradients(x, codes).sum(dim=1)


@EXPLAINERS.register("gradient_x_input")
class GradientTimesInput(ImageExplainer):
    """``Σ_c x_c ∂f/∂x_c``: to first order, what the pixel adds to the score of a black image.

    The maps add up only for a model that is linear and without a constant; no gap is reported.

    Trap: it is zero wherever the input is zero, and so throughout the phase that is coded as 0,
    whatever that phase does. Which phase that is, is a convention of the file.
    """

    name = "gradient_x_input"
    title = "gradient × input"
    summary = "the gradient times the pixel's value: zero in a phase that is coded as 0"
    reference = "Shrikumar et al. 2016, https://arxiv.org/abs/1605.01713"

    def maps(
        self,
        model: ImageModel,
        x: Tensor,
        codes: Tensor | None = None,
        background: Background | None = None,
        seed: int = 0,
    ) -> Tensor:
        return (model.gradients(x, codes) * x).sum(dim=1)
