"""Why a fitted rung answers as it does: attributions per feature or pixel, and its own flips.

* Glass boxes: their exact terms, centred on the background. For an additive model this *is* the
  interventional Shapley value (Štrumbelj & Kononenko 2014, doi 10.1007/s10115-013-0679-x).
* Other table rungs: interventional Shapley values by permutation sampling (same reference;
  Captum's ``ShapleyValueSampling``), absent features taken from random background rows.
* Image rungs: integrated gradients (Sundararajan, Taly & Yan 2017, arXiv 1703.01365; Captum) from
  the mean of the background images, summed over channels.

What is explained is the prediction in the unit of the target; for a classification the
probability of the predicted class (Shapley), its log-odds (terms), or its logit (images).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from iceframe.core.seeds import derive_seed, generator
from iceframe.core.values import Explanation

if TYPE_CHECKING:
    from iceframe.core.dataset import ImageSource
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.rung import Inputs

SHAPLEY = "interventional Shapley values"
TERMS = "exact terms"
GRADIENTS = "integrated gradients"
_REFERENCES = {
    SHAPLEY: "Štrumbelj & Kononenko 2014, https://doi.org/10.1007/s10115-013-0679-x",
    TERMS: "the model itself",
    GRADIENTS: "Sundararajan, Taly & Yan 2017, https://arxiv.org/abs/1703.01365",
}
DRAWS = (8, 32)  # fewest and most permutations, or background rows of a flip, per sample
AFFORDABLE = 60_000  # rows a model is asked for, between the two
ROWS = 4096  # table rows predicted at once: a Gaussian process holds their joint covariance
IMAGES = 64  # images predicted at once
STEPS = 64  # of the path integral
PATCHES = 8  # occluded patches along each axis of an image
PROBABILITY_FLOOR = 1e-300  # keeps log-odds finite


@dataclass(frozen=True)
class Attributions:
    """Attributions of ``n`` samples: ``values`` is ``(n, d)``, or ``(n, *grid)`` for images.

    ``prediction`` and ``baseline`` ``(n,)`` are on the scale that is explained; ``gap`` ``(n,)`` is
    ``|Σ values − (prediction − baseline)| / |prediction − baseline|``, NaN where the two are equal.
    ``target`` ``(n,)`` holds the explained class code, −1 for a regression.
    """

    method: str
    values: np.ndarray
    prediction: np.ndarray
    baseline: np.ndarray
    gap: np.ndarray
    target: np.ndarray
    names: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        return _REFERENCES[self.method]

    def explanations(self, target: str, classes: tuple[str, ...] = ()) -> list[Explanation]:
        """One :class:`Explanation` a sample; ``target`` names the property."""
        return [
            Explanation(
                method=self.method,
                values=self.values[i],
                target=classes[code] if code >= 0 and classes else target,
                names=self.names,
                prediction=float(self.prediction[i]),
                baseline=float(self.baseline[i]),
                completeness_gap=float(self.gap[i]),
                reference=self.reference,
            )
            for i, code in enumerate(self.target)
        ]


def attribute(
    fitted: Fitted,
    inputs: Inputs,
    background: Inputs,
    *,
    seed: int = 0,
    permutations: int | None = None,
    codes: np.ndarray | None = None,
) -> Attributions:
    """Attributions of the predictions for ``inputs`` against ``background``.

    Parameters
    ----------
    inputs : ``n`` samples to explain. background : samples that stand for "not knowing a feature",
        usually from the training fold.
    permutations : orders in which features are revealed, per sample, each against another
        background row; default 32, down to 8 for many samples and features. No more background
        rows are used than that, by exact terms and flips neither, and the baseline is their mean
        prediction.
    codes : class codes to explain ``(n,)``; default the predicted class.

    Trap: an interventional attribution asks the model about combinations that may not exist, where
    features are correlated.
    """
    if fitted.rung.input == "image":
        return _integrated_gradients(fitted, inputs, background, codes)
    if fitted.rung.glass_box:
        terms = fitted.terms(inputs)
        if terms is not None:
            most = permutations or _affordable_draws(*inputs.table.values.shape)
            rows = _few_rows(background, most, seed)
            return _exact_terms(fitted, inputs, rows, terms, codes)
    return _shapley_values(fitted, inputs, background, seed, permutations, codes)


def _explained_codes(fitted: Fitted, predicted: np.ndarray, codes: np.ndarray | None) -> np.ndarray:
    if fitted.context.task == "regression":
        return np.full(len(predicted), -1)
    return predicted.argmax(1) if codes is None else np.asarray(codes, int)


def _picked(predicted: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Predictions ``(n,)``, or of probabilities ``(n, k)`` those of ``codes``."""
    if predicted.ndim == 1:
        return predicted
    return predicted[np.arange(len(predicted)), codes]


def _relative_gap(total: np.ndarray, prediction: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Part of the prediction that is missing; NaN where there is (all but) nothing to explain."""
    change = prediction - baseline
    scale = np.maximum(np.abs(prediction), np.abs(baseline)) * 1e-9
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.abs(total - change) / np.abs(change)
    return np.where(np.abs(change) > scale, gap, np.nan)


def _exact_terms(
    fitted: Fitted,
    inputs: Inputs,
    background: Inputs,
    terms: np.ndarray,
    codes: np.ndarray | None,
) -> Attributions:
    """Terms minus their mean over the background; the gap checks that they add up."""
    from iceframe.scale.log_odds import log_odds

    predicted, reference = fitted.predict(inputs), fitted.predict(background)
    codes = _explained_codes(fitted, predicted, codes)
    there = fitted.terms(background)
    assert there is not None
    centred = terms - there.mean(0)
    if fitted.context.task == "classification":
        predicted = log_odds(np.clip(predicted, PROBABILITY_FLOOR, 1.0))
        reference = log_odds(np.clip(reference, PROBABILITY_FLOOR, 1.0))
        centred = centred[np.arange(len(codes)), :, codes]
    prediction = _picked(predicted, codes)
    mean = reference.mean(0)
    baseline = np.full(len(prediction), mean) if mean.ndim == 0 else mean[codes]
    gap = _relative_gap(centred.sum(1), prediction, baseline)
    names = tuple(inputs.table.names)
    return Attributions(TERMS, centred, prediction, baseline, gap, codes, names)


def _table_function(fitted: Fitted, like: Inputs) -> Callable[[np.ndarray], np.ndarray]:
    """The model as a function of table values ``(m, d)``."""
    from iceframe.core.values import Representation
    from iceframe.scale.rung import Inputs

    table = like.table

    def predict(values: np.ndarray) -> np.ndarray:
        parts = [
            fitted.predict(
                Inputs(Representation(values[i : i + ROWS], table.names, table.units, table.blocks))
            )
            for i in range(0, len(values), ROWS)
        ]
        return np.concatenate(parts)

    return predict


def _shapley_values(
    fitted: Fitted,
    inputs: Inputs,
    background: Inputs,
    seed: int,
    permutations: int | None,
    codes: np.ndarray | None,
) -> Attributions:
    """Permutation sampling, each permutation from another row of the background."""
    import torch
    from captum.attr import ShapleyValueSampling

    predict = _table_function(fitted, inputs)
    x = inputs.table.values
    n, d = x.shape
    permutations = permutations or _affordable_draws(n, d)
    rows = _few_rows(background, permutations, seed).table.values
    predicted = predict(x)
    codes = _explained_codes(fitted, predicted, codes)

    rng = generator(seed, "attribution", "background")
    at_once = max(1, min(d, ROWS // n))
    total = np.zeros((n, d))
    row = rows[0]

    def game(known: torch.Tensor) -> torch.Tensor:
        """The answer where ``known`` (0 or 1, ``(copies of n, d)``) tells which features are."""
        copies = len(known) // n
        values = np.where(known.numpy() > 0, np.tile(x, (copies, 1)), row)
        return torch.from_numpy(_picked(predict(values), np.tile(codes, copies)))

    # The players are switches, not the features' values, so that missing values stay missing.
    sampler = ShapleyValueSampling(game)
    everything = torch.ones((n, d), dtype=torch.float64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "attribution", "permutations"))
        for draw in _draws(len(rows), permutations, rng):
            row = rows[draw]
            values = sampler.attribute(everything, n_samples=1, perturbations_per_eval=at_once)
            total += values.numpy() / permutations
    there = predict(rows)
    prediction = _picked(predicted, codes)
    baseline = np.full(n, there.mean()) if there.ndim == 1 else there.mean(0)[codes]
    gap = _relative_gap(total.sum(1), prediction, baseline)
    return Attributions(SHAPLEY, total, prediction, baseline, gap, codes, tuple(inputs.table.names))


def _affordable_draws(n: int, d: int) -> int:
    return int(np.clip(AFFORDABLE // max(n * d, 1), *DRAWS))


def _few_rows(background: Inputs, most: int, seed: int) -> Inputs:
    """At most ``most`` background rows: the same for attributions and flips under one seed."""
    n = len(background)
    if n <= most:
        return background
    return background.take(np.sort(generator(seed, "background rows").permutation(n)[:most]))


def _draws(n: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` of ``n`` rows, each used about equally often."""
    cycles = [rng.permutation(n) for _ in range(-(-count // n))]
    return np.concatenate(cycles)[:count]


def mean_image(source: ImageSource) -> np.ndarray:
    """The mean image ``(channels, *grid)``, read in batches."""
    total = np.zeros(source.shape)
    for start in range(0, len(source), IMAGES):
        index = np.arange(start, min(start + IMAGES, len(source)))
        total += source.read(index).sum(axis=0, dtype=float)
    return (total / len(source)).astype(np.float32)


def _integrated_gradients(
    fitted: Fitted, inputs: Inputs, background: Inputs, codes: np.ndarray | None
) -> Attributions:
    """Path integral of the gradient from the mean background image, by the midpoint rule."""
    import torch
    from captum.attr import IntegratedGradients

    assert inputs.images is not None
    assert background.images is not None
    model = fitted.estimator.torch_model()
    model.eval()
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    base = torch.from_numpy(mean_image(background.images))[None].to(device)
    codes = _explained_codes(fitted, fitted.predict(inputs), codes)
    method = IntegratedGradients(model)
    maps, prediction, baseline = [], [], []
    for start in range(0, len(inputs), IMAGES):
        index = np.arange(start, min(start + IMAGES, len(inputs)))
        images = torch.from_numpy(np.array(inputs.images.read(index), np.float32)).to(device)
        chosen = np.maximum(codes[index], 0)  # a regression has one output
        target = torch.from_numpy(chosen).to(device)
        values = method.attribute(
            images, base, target=target, n_steps=STEPS, method="riemann_middle",
            internal_batch_size=IMAGES * 4,
        )  # fmt: skip
        maps.append(values.detach().sum(dim=1).cpu().numpy().astype(float))
        with torch.no_grad():
            here, there = model(images).cpu().numpy(), model(base).cpu().numpy()
        prediction.append(here[np.arange(len(index)), chosen])
        baseline.append(there[0, chosen])
    values, f, f0 = (np.concatenate(v).astype(float) for v in (maps, prediction, baseline))
    gap = _relative_gap(values.reshape(len(values), -1).sum(1), f, f0)
    return Attributions(GRADIENTS, values, f, f0, gap, codes)


def flips(
    fitted: Fitted,
    inputs: Inputs,
    background: Inputs,
    *,
    seed: int = 0,
    codes: np.ndarray | None = None,
    patches: int = PATCHES,
) -> np.ndarray:
    """The model's own answer when one thing is taken away: ``f(x) − f(x without j)``, ``(n, d)``.

    Tables: feature j takes the values of 8 to 32 background rows, averaged. Images: a patch of a
    ``patches × patches`` grid is filled with the mean background image, patches in row-major order
    (Zeiler & Fergus 2014, arXiv 1311.2901). For a classification, of the predicted class's
    probability, or of ``codes``.
    """
    if fitted.rung.input == "image":
        return _occlusion(fitted, inputs, background, codes, patches)
    predict = _table_function(fitted, inputs)
    x = inputs.table.values
    rows = _few_rows(background, _affordable_draws(*x.shape), seed).table.values
    predicted = predict(x)
    codes = _explained_codes(fitted, predicted, codes)
    f = _picked(predicted, codes)
    n, d = x.shape
    result = np.empty((n, d))
    for j in range(d):
        changed = np.repeat(x[None], len(rows), axis=0)  # (rows, n, d)
        changed[:, :, j] = rows[:, j, None]
        answer = _picked(predict(changed.reshape(-1, d)), np.tile(codes, len(rows)))
        result[:, j] = f - answer.reshape(len(rows), n).mean(0)
    return result


def _occlusion(
    fitted: Fitted, inputs: Inputs, background: Inputs, codes: np.ndarray | None, patches: int
) -> np.ndarray:
    from iceframe.core.dataset import ArrayImages
    from iceframe.scale.rung import Inputs

    source = inputs.images
    assert source is not None
    assert background.images is not None
    base = mean_image(background.images)
    predicted = fitted.predict(inputs)
    codes = _explained_codes(fitted, predicted, codes)
    f = _picked(predicted, codes)
    boxes = patch_boxes(source.shape[1:], patches)
    result = np.empty((len(inputs), len(boxes)))
    for i in range(len(inputs)):
        batch = np.repeat(source.read([i]), len(boxes), axis=0)
        for k, box in enumerate(boxes):
            batch[k][_all_of(box)] = base[_all_of(box)]
        rows = inputs.table.take(np.full(len(boxes), i))
        answer = fitted.predict(Inputs(rows, ArrayImages(batch, source.periodic, source.kind)))
        result[i] = f[i] - _picked(answer, np.full(len(boxes), codes[i]))
    return result


def patch_boxes(grid: tuple[int, ...], patches: int = PATCHES) -> list[tuple[slice, ...]]:
    """Slices of a near-equal division of a grid, row-major; never more patches than pixels.

    Examples
    --------
    >>> patch_boxes((4, 4), 2)[1]
    (slice(0, 2, None), slice(2, 4, None))
    """
    edges = [np.linspace(0, size, min(patches, size) + 1).round().astype(int) for size in grid]
    counts = [len(e) - 1 for e in edges]
    return [
        tuple(slice(int(e[i]), int(e[i + 1])) for e, i in zip(edges, corner, strict=True))
        for corner in np.ndindex(*counts)
    ]


def _all_of(box: tuple[slice, ...]) -> tuple[slice, ...]:
    """The box in every channel (or sample) of the axis before the grid."""
    return (slice(None), *box)


def patch_sums(maps: np.ndarray, patches: int = PATCHES) -> np.ndarray:
    """Maps ``(n, *grid)`` summed over the patches of :func:`flips`: ``(n, number of patches)``.

    Examples
    --------
    >>> patch_sums(np.ones((1, 4, 4)), 2)
    array([[4., 4., 4., 4.]])
    """
    boxes = patch_boxes(maps.shape[1:], patches)
    return np.stack([maps[_all_of(b)].reshape(len(maps), -1).sum(1) for b in boxes], axis=1)


def comparable(attributions: Attributions, patches: int = PATCHES) -> np.ndarray:
    """Attributions on the parts that :func:`flips` takes away: ``(n, d)``."""
    if attributions.method == GRADIENTS:
        return patch_sums(attributions.values, patches)
    return np.asarray(attributions.values)


def model_function(fitted: Fitted, like: Inputs) -> Callable[[np.ndarray], np.ndarray] | None:
    """The model as a function of table values, for C3; ``None`` where it reads images."""
    return None if fitted.rung.input == "image" else _table_function(fitted, like)
