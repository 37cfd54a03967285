"""Does an explanation change when what the model has learned is taken away?

The layers of a copy of the model are drawn anew, one after the other, until nothing learned is
left, and the same images are explained at each stage. A map that stays as it was shows the image,
not the model.

* :func:`mprt`, the model parameter randomisation test: similarity to the original map at each
  stage. Adebayo et al. 2018, arXiv 1810.03292.
* :func:`efficient_mprt`: by how much the entropy of the map's histogram rises from the first stage
  to the last. Hedström et al. 2024, arXiv 2405.02383.
* either with a :class:`Denoised` explainer: smooth MPRT, from the same source.

What is drawn anew (:func:`layers_of`) is every module that holds parameters of its own, or buffers
that it resets itself (running means): by its own ``reset_parameters`` where it has one. Parameters
that this leaves as they were, and those of modules without it (class tokens, spectral weights), are
drawn from a normal of the same mean and spread. Other buffers were not learned and stay: wave
numbers, the standardisation of the images, the scale of the target.

Each layer has a seed of its own: layers of one shape get different weights, and a layer gets the
same ones in either order and on any device.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from iceframe.core.errors import UsageError
from iceframe.core.seeds import derive_seed
from iceframe.measure.explainer import Background, ImageExplainer
from iceframe.measure.image_model import ImageModel
from iceframe.measure.maps.concentration import sizes
from iceframe.measure.ranks import ROUNDING, standard_ranks

if TYPE_CHECKING:
    from torch import Tensor, nn

Order = Literal["top_down", "bottom_up"]
Similarity = Literal["spearman", "ssim"]
BINS = 100  # of the histogram whose entropy is taken
WINDOW = 7  # side of the boxes of the structural similarity, in pixels


@dataclass(frozen=True)
class Cascade:
    """``similarity`` ``(n, stages)`` to the original map, NaN where it is undefined, after the
    first, the first two, ... of ``layers`` were drawn anew."""

    layers: tuple[str, ...]
    similarity: np.ndarray

    @property
    def last(self) -> np.ndarray:
        """``(n,)`` when nothing learned is left: the number to report."""
        return self.similarity[:, -1]


def mprt(
    model: ImageModel,
    explainer: ImageExplainer,
    x: Tensor,
    codes: Tensor | None = None,
    background: Background | None = None,
    seed: int = 0,
    *,
    order: Order = "bottom_up",
    similarity: Similarity = "spearman",
    absolute: bool = True,
    maps: np.ndarray | None = None,
) -> Cascade:
    """Similarity of the maps to the original ones while the layers are drawn anew.

    Parameters
    ----------
    x, codes, background, seed : as for the explainer, which gets the same at each stage.
    order : from the input up, as Hedström et al. advise (down, the random top still answers to the
        learned features below it), or from the output down, as Adebayo et al.
    similarity : Spearman's ρ, or the structural similarity of maps over their largest size.
    absolute : compare ``|a|``.
    maps : the original maps ``(n, *grid)``, if they are known already.

    Lower is better. NaN where a map is constant.

    Raises
    ------
    UsageError : the order or the similarity is unknown, or the model has no layers to draw anew.

    Traps: an edge detector or a product with the image survives, which is what the test is for; but
    an architecture with random weights finds edges as well, so that a correct gradient map may
    survive in part: compare explainers on one model, not models. With signs
    (``absolute=False``) ρ = −0.9 looks better than 0 and is as similar as 0.9; without, a map that
    only changes its sign survives, and so does one that is 0 wherever the image is. The structural
    similarity of a signed map and its opposite is not −1: where a box has a mean, both of its
    factors change their sign.
    """
    if maps is None:
        maps = _maps(model, explainer, x, codes, background, seed)
    compare = _comparison(similarity, absolute, maps)
    layers, values = [], []
    for layer, drawn in cascade(model, seed, order):
        layers.append(layer)
        values.append(compare(_maps(drawn, explainer, x, codes, background, seed)))
    return Cascade(tuple(layers), np.stack(values, axis=1))


def efficient_mprt(
    model: ImageModel,
    explainer: ImageExplainer,
    x: Tensor,
    codes: Tensor | None = None,
    background: Background | None = None,
    seed: int = 0,
    *,
    bins: int = BINS,
    maps: np.ndarray | None = None,
) -> np.ndarray:
    """Relative rise ``(H_random − H)/H`` of :func:`histogram_entropy` per sample: ``(n,)``.

    ``H_random`` is that of the map when all layers are drawn anew; parameters as for :func:`mprt`.
    Hedström et al. 2024, arXiv 2405.02383. Higher is better; about 0 where the map does not
    care for what was learned. NaN where a map is constant.

    Traps: it asks whether the map gets more complex, not whether it gets different, and it
    presumes that a trained model is explained more simply than a random one. A smooth random map
    has few levels as well. One outlier puts all else into one bin, which makes ``H`` small and the
    rise large; the number of bins changes the score, so compare scores of the same number.
    """
    if maps is None:
        maps = _maps(model, explainer, x, codes, background, seed)
    *_, (_, drawn) = cascade(model, seed)
    before = histogram_entropy(maps, bins)
    after = histogram_entropy(_maps(drawn, explainer, x, codes, background, seed), bins)
    return (after - before) / before


class Denoised(ImageExplainer):
    """The mean of an explainer's maps of ``draws`` images under noise, for smooth MPRT.

    ``noise`` is the standard deviation of the noise over the range of the image's values. The noise
    follows from the seed alone and is the same for every image. Of the input gradient this is
    SmoothGrad (Smilkov et al. 2017, arXiv 1706.03825).
    """

    name = "denoised"
    title = "denoised maps"
    summary = "the mean of another explainer's maps of the image under noise"
    reference = "Hedström et al. 2024, https://arxiv.org/abs/2405.02383"

    def __init__(self, explainer: ImageExplainer, draws: int = 10, noise: float = 0.1) -> None:
        self.explainer, self.draws, self.noise = explainer, draws, noise
        self.needs, self.meaning = explainer.needs, explainer.meaning  # type: ignore[misc]

    def maps(
        self,
        model: ImageModel,
        x: Tensor,
        codes: Tensor | None = None,
        background: Background | None = None,
        seed: int = 0,
    ) -> Tensor:
        import torch

        axes = tuple(range(1, x.ndim))
        width = self.noise * (x.amax(axes, keepdim=True) - x.amin(axes, keepdim=True))
        source = torch.Generator().manual_seed(derive_seed(seed, "denoised"))
        total: Tensor | float = 0.0
        for _ in range(self.draws):
            noise = torch.randn((1, *x.shape[1:]), generator=source).to(x.device)
            total = total + self.explainer.maps(model, x + width * noise, codes, background, seed)
        return total / self.draws  # type: ignore[return-value]


def cascade(
    model: ImageModel, seed: int = 0, order: Order = "bottom_up"
) -> Iterator[tuple[str, ImageModel]]:
    """A layer's name, and a copy of the model with that layer and those before it drawn anew.

    The copy is one and the same object at every stage: use it before asking for the next. The model
    itself stays as it is, and so does torch's global generator.
    """
    if order not in ("top_down", "bottom_up"):
        raise UsageError("Unknown order of layers.", got=order, allowed="top_down, bottom_up")
    module = copy.deepcopy(model.module)
    layers = layers_of(module)
    if not layers:
        raise UsageError("The model has no layers that could be drawn anew: nothing was learned.")
    for name, layer in layers if order == "bottom_up" else layers[::-1]:
        _draw(layer, derive_seed(seed, "randomisation", name), model)
        yield name, ImageModel(module)


def layers_of(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Names and modules of what can be drawn anew, in the order of the module's definition.

    Examples
    --------
    >>> import torch
    >>> parts = torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.BatchNorm1d(3, affine=False)
    >>> [name for name, _ in layers_of(torch.nn.Sequential(*parts))]
    ['0', '2']
    """
    return [
        (name, layer)
        for name, layer in module.named_modules()
        if any(True for _ in layer.parameters(recurse=False))
        or (hasattr(layer, "reset_parameters") and any(True for _ in layer.buffers(recurse=False)))
    ]


def _draw(layer: nn.Module, seed: int, model: ImageModel) -> None:
    """Draw the layer's own parameters anew, on the CPU: every device has its own numbers."""
    import torch

    own = list(layer.parameters(recurse=False))
    reset = getattr(layer, "reset_parameters", None)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)  # of the CPU alone: the others are not forked
        layer.to("cpu")
        before = [parameter.clone() for parameter in own]
        if reset is not None:
            reset()
        for parameter, old in zip(own, before, strict=True):
            mean, spread = old.mean(), old.std(correction=0)
            # A constant that the layer's own reset returns to is its start, as a norm's ones.
            if torch.equal(parameter, old) and (reset is None or spread > 0):
                width = spread if spread > 0 else mean.abs()  # a lone number has no spread
                parameter.copy_(mean + width * torch.randn_like(old))
        layer.to(model.device)


def histogram_entropy(maps: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Entropy in nats of each map's histogram of ``bins`` equal bins over its range: ``(n,)``.

    Maps ``(n, *grid)``; NaN where one is constant (up to rounding) or not finite.

    Examples
    --------
    >>> histogram_entropy(np.array([[0.0, 0.1, 0.9, 1.0], [2.0, 2.0, 2.0, 2.0]]), bins=2).round(4)
    array([0.6931,    nan])
    """
    values = np.asarray(maps, float).reshape(len(maps), -1)
    n, d = values.shape
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        width = high - low
        told = np.isfinite(width) & (width > ROUNDING * np.maximum(np.abs(low), np.abs(high)))
        level = np.where(told, values - low, 0.0) / np.where(told, width, 1.0)
    place = np.minimum((level * bins).astype(np.int64), bins - 1)  # the last bin is closed
    place += bins * np.arange(n)[:, None]
    shares = np.bincount(place.ravel(), minlength=n * bins).reshape(n, bins) / d
    logarithms = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.where(told[:, 0], -np.einsum("nb,nb->n", shares, logarithms), np.nan)


def structural_similarity(a: np.ndarray, b: np.ndarray, span: float) -> np.ndarray:
    """Mean structural similarity of maps ``(n, *grid)`` whose values span ``span``: ``(n,)``.

    In boxes of 7 pixels a side, with sample covariances, wherever a box fits (Wang et al. 2004,
    doi 10.1109/TIP.2003.819861, eq. 13). 1 is the same; NaN where a map is not finite.
    """
    import torch
    from torch.nn import functional

    grid = a.shape[1:]
    side = min(WINDOW, *grid)
    pool: Callable[..., Tensor] = functional.avg_pool3d if len(grid) == 3 else functional.avg_pool2d
    one, two = torch.from_numpy(np.asarray(a, float)), torch.from_numpy(np.asarray(b, float))

    def mean(values: Tensor) -> Tensor:
        return pool(values[:, None], side, stride=1)[:, 0]

    count = side ** len(grid)
    unbiased = count / (count - 1)
    mean_one, mean_two = mean(one), mean(two)
    var_one = unbiased * (mean(one * one) - mean_one**2)
    var_two = unbiased * (mean(two * two) - mean_two**2)
    covariance = unbiased * (mean(one * two) - mean_one * mean_two)
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    alike = (2 * mean_one * mean_two + c1) * (2 * covariance + c2)
    alike /= (mean_one**2 + mean_two**2 + c1) * (var_one + var_two + c2)
    return alike.flatten(1).mean(dim=1).numpy()


def _maps(
    model: ImageModel,
    explainer: ImageExplainer,
    x: Tensor,
    codes: Tensor | None,
    background: Background | None,
    seed: int,
) -> np.ndarray:
    return explainer.maps(model, x, codes, background, seed).detach().cpu().numpy()


def _comparison(
    similarity: Similarity, absolute: bool, original: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Similarity ``(n,)`` of further maps to the original ones."""
    n = len(original)

    def shown(maps: np.ndarray) -> np.ndarray:
        return np.abs(maps) if absolute else maps

    if similarity == "spearman":
        ranks = standard_ranks(shown(original).reshape(n, -1))
        return lambda maps: np.einsum("nd,nd->n", ranks, standard_ranks(shown(maps).reshape(n, -1)))
    if similarity != "ssim":
        raise UsageError("Unknown similarity.", got=similarity, allowed="spearman, ssim")

    def scaled(maps: np.ndarray) -> np.ndarray:
        return sizes(shown(maps)).reshape(maps.shape) * np.sign(shown(maps))

    first, span = scaled(original), 1.0 if absolute else 2.0
    return lambda maps: structural_similarity(first, scaled(maps), span)
