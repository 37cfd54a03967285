"""What an explainer is: one way to say why a fitted rung answers as it does.

To add one, write one file in ``iceframe/measure/explainers/``: a subclass of
:class:`TableExplainer`, :class:`ImageExplainer` or :class:`CrystalExplainer` decorated with
``@EXPLAINERS.register(name)``.

What is explained is the score: the prediction in the unit of the target; for a classification the
probability of the predicted class (Shapley), its log-odds (terms), or its logit (images).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from iceframe.core.errors import UsageError
from iceframe.core.registry import Registry
from iceframe.core.values import Explanation
from iceframe.measure.image_model import ImageModel, batch_size

if TYPE_CHECKING:
    from torch import Tensor

    from iceframe.core.dataset import ImageSource
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.rung import Inputs

Needs = Literal["predictions", "gradients", "attention", "glass box"]
Meaning = Literal["contribution", "derivative", "importance"]
"""What a value says.

* ``contribution``: what the present value adds to the score, against a baseline.
* ``derivative``: by how much the score changes per unit of the input.
* ``importance``: how much the score depends on it, without a sign.
"""


@dataclass(frozen=True)
class Attributions:
    """Attributions of ``n`` samples: ``values`` is ``(n, d)``, or ``(n, *grid)`` for images. Of
    crystals the columns are elements, NaN where a crystal does not hold one.

    ``prediction`` and ``baseline`` ``(n,)`` are on the scale that is explained; ``gap`` ``(n,)`` is
    ``|Σ values − (prediction − baseline)| / |prediction − baseline|``, NaN where the two are equal
    or the values are not meant to add up. ``target`` ``(n,)`` holds the explained class code, −1
    for a regression.
    """

    method: str
    values: np.ndarray
    prediction: np.ndarray
    baseline: np.ndarray
    gap: np.ndarray
    target: np.ndarray
    names: tuple[str, ...] = ()
    meaning: Meaning = "contribution"
    reference: str = ""

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


class Explainer(ABC):
    """One way to explain.

    Class attributes
    ----------------
    title : what a person calls it. summary : what it shows. reference : where it comes from.
    input : what the rungs that it explains look at. needs : what it asks of the model.
    meaning : what a value says (:data:`Meaning`).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    input: ClassVar[Literal["table", "image", "crystal"]]
    needs: ClassVar[Needs] = "predictions"
    meaning: ClassVar[Meaning] = "contribution"

    def refusal(self, fitted: Fitted) -> str:
        """Why it cannot explain this model; empty if it can."""
        if fitted.rung.input != self.input:
            return f"it explains models of {self.input}s, and '{fitted.rung.name}' is none"
        if self.needs == "glass box" and not fitted.rung.glass_box:
            return f"it reads glass boxes, and '{fitted.rung.name}' is none"
        if self.needs == "gradients" and not hasattr(fitted.estimator, "torch_model"):
            return f"it needs gradients, and '{fitted.rung.name}' has none"
        return ""

    def explain(
        self,
        fitted: Fitted,
        inputs: Inputs,
        background: Inputs,
        *,
        seed: int = 0,
        codes: np.ndarray | None = None,
    ) -> Attributions:
        """Attributions of the scores of ``inputs`` against ``background``.

        Parameters
        ----------
        inputs : ``n`` samples to explain. background : samples that stand for "not knowing",
            usually from the training fold.
        codes : class codes to explain ``(n,)``; default the predicted class.

        Raises
        ------
        UsageError : the explainer does not go with the model.
        """
        refusal = self.refusal(fitted)
        if refusal:
            raise UsageError(f"The explainer '{self.name}' cannot be used here: {refusal}.")
        return self._explain(fitted, inputs, background, seed, codes)

    @abstractmethod
    def _explain(
        self,
        fitted: Fitted,
        inputs: Inputs,
        background: Inputs,
        seed: int,
        codes: np.ndarray | None,
    ) -> Attributions: ...


class TableExplainer(Explainer):
    """An explainer of models that look at named features: values ``(n, d)``."""

    input = "table"


class CrystalExplainer(Explainer):
    """An explainer of models that look at crystals: values ``(n, d)`` of the ``d`` elements that
    occur, named by their symbols; NaN where a crystal does not hold one."""

    input = "crystal"


@dataclass(frozen=True)
class Background:
    """Images that stand for "not knowing", and where edges meet in them."""

    images: ImageSource

    @cached_property
    def mean(self) -> np.ndarray:
        """The mean image ``(channels, *grid)``."""
        return mean_image(self.images)

    @cached_property
    def range(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest value of each channel, float32 ``(channels,)`` each."""
        seen = [(v.min((0, 2)), v.max((0, 2))) for v in self._flattened()]
        low, high = zip(*seen, strict=True)
        return np.min(low, axis=0), np.max(high, axis=0)

    @cached_property
    def means(self) -> np.ndarray:
        """The mean of each channel of each image, float64 ``(n, channels)``."""
        return np.concatenate([v.mean(axis=2, dtype=float) for v in self._flattened()])

    def flipped(self, x: Tensor) -> Tensor:
        """Images ``(n, channels, *grid)`` with every voxel in the other phase: ``lo + hi − x``,
        with the :attr:`range` of each channel. Of grey images the negative."""
        import torch

        low, high = self.range
        ends = torch.from_numpy(low + high).to(x)
        return ends.view(-1, *(1 for _ in x.shape[2:])) - x

    def _flattened(self) -> Iterator[np.ndarray]:
        """Batches of images ``(b, channels, voxels)``."""
        step = batch_size(tuple(self.images.shape[1:]))
        for start in range(0, len(self.images), step):
            index = np.arange(start, min(start + step, len(self.images)))
            yield self.images.read(index).reshape(len(index), self.images.shape[0], -1)


class ImageExplainer(Explainer):
    """An explainer of models that look at images: maps on the image's own grid, 2-D and 3-D."""

    input = "image"
    needs: ClassVar[Needs] = "gradients"

    def refusal(self, fitted: Fitted) -> str:
        refused = super().refusal(fitted)
        if not refused and not hasattr(fitted.estimator, "torch_model"):
            return f"it asks a torch module, and '{fitted.rung.name}' has none"
        return refused

    @abstractmethod
    def maps(
        self,
        model: ImageModel,
        x: Tensor,
        codes: Tensor | None = None,
        background: Background | None = None,
        seed: int = 0,
    ) -> Tensor:
        """Maps ``(n, *grid)`` of images ``(n, channels, *grid)``, summed over channels.

        The map of an image must not depend on the others. ``codes`` ``(n,)`` are the explained
        outputs, the first if ``None``.
        """

    def baseline(self, x: Tensor, background: Background, seed: int) -> Tensor | None:
        """Images ``(n, channels, *grid)`` or ``(1, channels, *grid)`` whose scores, with the sums
        of the maps, make the scores of ``x``; ``None`` where maps do not add up."""
        return None

    def baseline_scores(
        self,
        model: ImageModel,
        x: Tensor,
        codes: Tensor | None,
        background: Background,
        seed: int,
    ) -> Tensor:
        """Scores ``(n,)`` that, with the sums of the maps, make those of ``x``: of
        :meth:`baseline`; NaN where maps do not add up."""
        there = self.baseline(x, background, seed)
        if there is None:
            return x.new_full((len(x),), np.nan)
        return model.scores(there.expand(len(x), *there.shape[1:]), codes)

    def _explain(
        self,
        fitted: Fitted,
        inputs: Inputs,
        background: Inputs,
        seed: int,
        codes: np.ndarray | None,
    ) -> Attributions:
        import torch

        assert inputs.images is not None
        assert background.images is not None
        model, against = ImageModel.of(fitted), Background(background.images)
        codes = explained_codes(fitted, inputs, codes)
        maps, prediction, baseline = [], [], []
        step = batch_size(tuple(inputs.images.shape[1:]))
        for start in range(0, len(inputs), step):
            index = np.arange(start, min(start + step, len(inputs)))
            x = model.to_device(inputs.images.read(index))
            # A regression has one output.
            chosen = torch.from_numpy(np.maximum(codes[index], 0)).to(model.device)
            maps.append(self.maps(model, x, chosen, against, seed).detach().cpu().numpy())
            prediction.append(model.scores(x, chosen).cpu().numpy())
            there = self.baseline_scores(model, x, chosen, against, seed)
            baseline.append(there.cpu().numpy())
        values, f, f0 = (np.concatenate(v).astype(float) for v in (maps, prediction, baseline))
        gap = relative_gap(values.reshape(len(values), -1).sum(1), f, f0)
        return Attributions(
            self.title, values, f, f0, gap, codes, meaning=self.meaning, reference=self.reference
        )


EXPLAINERS: Registry[type[Explainer]] = Registry("explainer", "iceframe.measure.explainers")


def explained_codes(fitted: Fitted, inputs: Inputs, codes: np.ndarray | None) -> np.ndarray:
    """Class codes ``(n,)`` to explain: those given, else those predicted; −1 for a regression."""
    if fitted.context.task == "regression":
        return np.full(len(inputs), -1)
    return fitted.predict(inputs).argmax(1) if codes is None else np.asarray(codes, int)


def picked(predicted: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Predictions ``(n,)``, or of probabilities ``(n, k)`` those of ``codes``."""
    if predicted.ndim == 1:
        return predicted
    return predicted[np.arange(len(predicted)), codes]


def relative_gap(total: np.ndarray, prediction: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Part of the prediction that is missing; NaN where there is (all but) nothing to explain.

    Examples
    --------
    >>> relative_gap(np.array([1.5, 1.0]), np.array([3.0, 1.0]), np.array([1.0, 1.0]))
    array([0.25,  nan])
    """
    change = prediction - baseline
    scale = np.maximum(np.abs(prediction), np.abs(baseline)) * 1e-9
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.abs(total - change) / np.abs(change)
    return np.where(np.abs(change) > scale, gap, np.nan)


def mean_image(source: ImageSource) -> np.ndarray:
    """The mean image ``(channels, *grid)``, read in batches."""
    total = np.zeros(source.shape)
    step = batch_size(tuple(source.shape[1:]))
    for start in range(0, len(source), step):
        index = np.arange(start, min(start + step, len(source)))
        total += source.read(index).sum(axis=0, dtype=float)
    return (total / len(source)).astype(np.float32)
